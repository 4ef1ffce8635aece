"""The merge session: settings of the frames, people, and the models of their faces.

`data_dst/merge_session.json`, meant to be read and edited by the user, also while a merge runs: it is written before
frames are merged, never at the end, and never over an edit. Format: docs/formats.md. The frames that are done are not
stored here but in the merge journal, next to the merged pictures.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dfl.base.errors import UserError
from dfl.base.files import read_json, write_json
from dfl.merging.blending.face_crop import NO_SHIFT, Shift
from dfl.merging.planning.settings import AUTO, MergeSettings

FORMAT = 1
Span = tuple[int, int]  # first and last frame
_PERSON_KEYS = {"only", "faces", "model", "options"}
_MEND = "Correct it with a text editor, or delete it: then all options are the defaults again."


@dataclass(frozen=True)
class SessionPerson:
    """A person whose faces have their own model or settings.

    only: pictures of the person, or folders of them. faces: file names of aligned faces (* is a wildcard) that are
    assigned to the person without comparison. model: name of the saved model; empty: the run's model; None: these faces
    are not swapped. options: settings that differ from the frame's.
    """

    only: tuple[str, ...] = ()
    faces: tuple[str, ...] = ()
    model: str | None = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, of_frame: MergeSettings) -> MergeSettings:
        """The settings of the person's faces in a frame with these settings."""
        return of_frame.model_copy(update=dict(self.options))


@dataclass
class Session:
    """The content of the file. Frame numbers are those of `frame_numbers`.

    people: if not empty, only their faces are swapped. chosen: values of `auto` settings, by person_key. shifts: by
    model, how far it draws faces beside their place: `x`, `y` in its pixels, and what it was `made_for`. in_file: the
    file's content when it was last read or written, None without a file.
    """

    people: list[SessionPerson] = field(default_factory=list)
    morph_factor: float = 1.0
    chosen: dict[str, Any] = field(default_factory=dict)
    shifts: dict[str, Any] = field(default_factory=dict)
    in_file: Any = field(default=None, compare=False, repr=False)
    # (first frame, settings), rising; the settings hold up to the next one's first frame.
    _ranges: list[tuple[int, MergeSettings]] = field(default_factory=lambda: [(0, MergeSettings())])

    def settings_at(self, number: int) -> MergeSettings:
        """The settings of a frame; those of the first range for frames before it."""
        found = self._ranges[0][1]
        for first, settings in self._ranges:
            if first > number:
                break
            found = settings
        return found

    @property
    def all_settings(self) -> list[MergeSettings]:
        """The settings of every range."""
        return [settings for _, settings in self._ranges]

    @property
    def first_settings(self) -> MergeSettings:
        """The settings of the first frame."""
        return self._ranges[0][1]

    def shift_of(self, model: str) -> Shift:
        """How far a model draws faces right of and below their place, model pixels; (0, 0) where it is not known."""
        entry = self.shifts.get(model)
        return (entry["x"], entry["y"]) if entry else NO_SHIFT

    def change(self, changes: Mapping[str, Any], spans: Iterable[Span] | None = None) -> None:
        """Change settings of the frames in `spans`, or of all frames."""
        if not changes:
            return
        if spans is None:
            self._ranges = [(first, settings.model_copy(update=dict(changes))) for first, settings in self._ranges]
        for first, last in spans or ():
            self._split(first)
            self._split(last + 1)
            self._ranges = [
                (start, settings.model_copy(update=dict(changes)) if first <= start <= last else settings)
                for start, settings in self._ranges
            ]
        self._tidy()

    def _split(self, number: int) -> None:
        """Start a range at a frame, without changing its settings."""
        if all(first != number for first, _ in self._ranges):
            self._ranges.append((number, self.settings_at(number)))
            self._ranges.sort(key=lambda one: one[0])

    def _tidy(self) -> None:
        """Merge neighbouring ranges with equal settings."""
        changes = [later for before, later in pairwise(self._ranges) if later[1] != before[1]]
        self._ranges = [*self._ranges[:1], *changes]

    def set_person(self, person: SessionPerson) -> None:
        """Add a person, or update the one with the same pictures and faces."""
        for index, known in enumerate(self.people):
            if known.only == person.only and known.faces == person.faces:
                options = {**known.options, **person.options}
                model = known.model if person.model == "" else person.model
                self.people[index] = SessionPerson(person.only, person.faces, model, options)
                return
        self.people.append(person)

    def to_json(self) -> dict[str, Any]:
        """As stored in the file: each range holds only what differs from the one before."""
        ranges = []
        before = MergeSettings().model_dump(mode="json")
        for index, (first, settings) in enumerate(self._ranges):
            values = settings.model_dump(mode="json")
            changed = {name: value for name, value in values.items() if value != before[name]}
            ranges.append({"from": first, "options": values if index == 0 else changed})
            before = values
        people = []
        for person in self.people:
            entry: dict[str, Any] = {"model": person.model, "options": dict(person.options)}
            entry |= {"only": list(person.only)} if person.only else {}
            entry |= {"faces": list(person.faces)} if person.faces else {}
            people.append(entry)
        return {
            "format": FORMAT,
            "ranges": ranges,
            "people": people,
            "morph_factor": self.morph_factor,
            "chosen": self.chosen,
            "shifts": self.shifts,
        }


def read_session(path: Path) -> Session:
    """The session of a workspace; a new one where there is none. UserError when the file is not as expected."""
    if not path.is_file():
        return Session()
    values = read_json(path)
    try:
        return _session(values)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = _reason(error)
        raise UserError(f"{path} is not as expected: {reason}.", _MEND) from error


def write_session(path: Path, session: Session) -> bool:
    """Write a session atomically; returns False, and writes nothing, if the file was edited in the meantime.

    A file with the same content is not written again.
    """
    values = json.loads(json.dumps(session.to_json()))
    if path.is_file():
        try:
            now = read_json(path)
        except UserError:  # an editor is writing it right now
            return False
        if now == values:
            return True
        if now != session.in_file:
            return False
    write_json(path, values)
    session.in_file = values
    return True


def _session(values: Any) -> Session:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"expected an object with format {FORMAT}")
    ranges: list[tuple[int, MergeSettings]] = []
    known: dict[str, Any] = {}
    for entry in values.get("ranges", []):
        first = int(entry["from"])
        if ranges and first <= ranges[-1][0]:
            raise ValueError(f"the range from {first} does not come after the one from {ranges[-1][0]}")
        known |= entry["options"]
        ranges.append((first, MergeSettings(**known)))
    session = Session(
        people=[_person(entry) for entry in values.get("people", [])],
        morph_factor=float(values.get("morph_factor", 1.0)),
        chosen={
            key: entry
            for key, entry in dict(values.get("chosen", {})).items()
            if isinstance(entry, dict) and "made_for" in entry and _is_choice(entry)
        },
        shifts={name: entry for name, entry in dict(values.get("shifts", {})).items() if _is_shift(entry)},
        in_file=values,
    )
    if ranges:
        session._ranges = ranges
    return session


def _is_choice(entry: Mapping[str, Any]) -> bool:
    try:
        MergeSettings(**{name: entry[name] for name in AUTO if name in entry})
    except ValidationError:
        return False
    return True


def _is_shift(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and "made_for" in entry
        and all(type(entry.get(axis)) in (int, float) and math.isfinite(entry[axis]) for axis in ("x", "y"))
    )


def _person(entry: Mapping[str, Any]) -> SessionPerson:
    unknown = set(entry) - _PERSON_KEYS
    if unknown:
        raise ValueError(f"people know no {', '.join(sorted(unknown))}")
    options = dict(entry.get("options", {}))
    MergeSettings(**options)
    model = entry.get("model", "")
    if model is not None and not isinstance(model, str):
        raise ValueError(f"model must be a name or null, got {model!r}")
    person = SessionPerson(_texts(entry.get("only", ())), _texts(entry.get("faces", ())), model, options)
    if not person.only and not person.faces:
        raise ValueError("a person has neither pictures (only) nor faces")
    return person


def _texts(value: Any) -> tuple[str, ...]:
    """A text or a list of texts, as a tuple."""
    texts = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"expected names, got {value!r}")
    return texts


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first['input']!r})"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def frame_numbers(stems: Sequence[str]) -> list[int]:
    """The number by which users refer to each frame: that in its name (00100.png is 100), else its position from 1."""
    if all(stem.isascii() and stem.isdigit() for stem in stems):
        numbers = [int(stem) for stem in stems]
        if len(set(numbers)) == len(numbers):
            return numbers
    return list(range(1, len(stems) + 1))


def parse_spans(text: str, known: Sequence[int]) -> list[Span]:
    """The spans in `100-110,200`. UserError for anything else, and where they hold none of the frames `known`."""
    spans: list[Span] = []
    for word in text.replace(" ", "").split(","):
        first, is_range, last = word.partition("-")
        if not first.isdecimal() or (is_range and not last.isdecimal()) or (is_range and int(last) < int(first)):
            raise UserError(f"--frames {text}: {word or 'nothing'} is no frame.", "Give such as 100-110 or 5,100-110.")
        spans.append((int(first), int(last) if is_range else int(first)))
    if not any(is_in(number, spans) for number in known):
        there = f"{min(known)} to {max(known)}" if known else "none"
        raise UserError(f"--frames {text}: no frame has such a number.", f"The clip's frames are {there}.")
    return spans


def is_in(number: int, spans: Iterable[Span]) -> bool:
    """Whether a frame's number lies in one of the spans."""
    return any(first <= number <= last for first, last in spans)


def spelled(numbers: Iterable[int]) -> str:
    """Numbers as ranges: 1-40, 45."""
    runs: list[Span] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
