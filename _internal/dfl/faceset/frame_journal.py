"""A journal of finished frames: one JSON line a frame, written when its work is on disk.

Every process notes its frames in a file of its own (base/notes.py); runs begin and end by gathering these into the
journal. A killed run may leave a last line torn: its frame is done again.
The journal's first line holds the options that the work was done with.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from dfl.base.files import write_text
from dfl.base.json_lines import objects_in, to_lines
from dfl.base.notes import gathering, notes_of
from dfl.base.notes import note as add_note
from dfl.base.system_errors import to_user_error


class FrameEntry(Protocol):
    """What is noted of a frame."""

    @property
    def frame(self) -> str:
        """The frame's file name."""

    def to_json(self) -> dict[str, Any]:
        """As it stands in the journal."""


AnEntry = TypeVar("AnEntry", bound=FrameEntry)
Read = Callable[[dict[str, Any]], AnEntry]  # raises KeyError, TypeError or ValueError where a line is not as expected


@dataclass
class FrameJournal(Generic[AnEntry]):
    """A journal in `file` (.jsonl); notes stand beside it. `entries`: by the frame's file name."""

    file: Path
    options: dict[str, Any]
    entries: dict[str, AnEntry]
    read: Read[AnEntry]

    def gather(self) -> None:
        """Take in what processes have noted, write it all as one file, and remove the notes."""
        with gathering(self.file) as notes:
            for content in notes:
                self.entries |= {entry.frame: entry for entry in _entries(content, self.read)}
            lines = [{"options": self.options}, *(entry.to_json() for entry in self.entries.values())]
            write_text(self.file, to_lines(lines))


def start_journal(file: Path, options: Mapping[str, Any], read: Read[AnEntry]) -> FrameJournal[AnEntry]:
    """A new journal, in the place of an old one and its notes."""
    for path in notes_of(file):
        path.unlink(missing_ok=True)
    journal = FrameJournal(file, dict(options), {}, read)
    journal.gather()
    return journal


def read_journal(file: Path, read: Read[AnEntry]) -> FrameJournal[AnEntry] | None:
    """The journal with its notes; None when there is none or its first line is lost."""
    if not file.is_file():
        return None
    first, _, rest = _content(file).partition(b"\n")
    options = _options(first)
    if options is None:
        return None
    journal = FrameJournal(file, options, {entry.frame: entry for entry in _entries(rest, read)}, read)
    journal.gather()
    return journal


def read_options(file: Path) -> dict[str, Any]:
    """The options of a journal; none where it cannot be read. Nothing is written."""
    try:
        with file.open("rb") as lines:
            return _options(lines.readline()) or {}
    except OSError:
        return {}


def read_entries(file: Path, read: Read[AnEntry]) -> list[AnEntry]:
    """The entries of a journal, without the notes of a run under way; none where it cannot be read.

    Nothing is written: for those who do not make the journal.
    """
    try:
        return list(_entries(file.read_bytes().partition(b"\n")[2], read))
    except OSError:
        return []


def note(file: Path, entries: Iterable[FrameEntry]) -> None:
    """Note finished frames of a journal in this process's own file. UserError when the disk does not take it."""
    add_note(file, to_lines(entry.to_json() for entry in entries))


def journal_files(file: Path) -> set[str]:
    """Names of the journal and of its notes, as far as they are there."""
    names = {path.name for path in notes_of(file)}
    return names | {file.name} if file.is_file() else names


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise to_user_error(error, path) from error


def _options(first_line: bytes) -> dict[str, Any] | None:
    options = next(objects_in(first_line), {}).get("options")
    return options if isinstance(options, dict) else None


def _entries(content: bytes, read: Read[AnEntry]) -> Iterator[AnEntry]:
    """The entries of those lines that are whole."""
    for values in objects_in(content):
        try:
            yield read(values)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
