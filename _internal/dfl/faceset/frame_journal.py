"""A journal of finished frames: one JSON line a frame, written when its work is on disk.

Every process notes its frames in a file of its own (base/notes.py); runs begin and end by gathering these into the
journal. A killed run may leave a last line torn: its frame is done again.
The journal's first line holds the options that the work was done with.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from dfl.base.files import write_text
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
                self.entries |= {entry.frame: entry for entry in _entries(content.split(b"\n"), self.read)}
            lines = [{"options": self.options}, *(entry.to_json() for entry in self.entries.values())]
            write_text(self.file, "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines))


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
    first, *lines = _lines(file)
    options = (_object(first) or {}).get("options")
    if not isinstance(options, dict):
        return None
    journal = FrameJournal(file, options, {entry.frame: entry for entry in _entries(lines, read)}, read)
    journal.gather()
    return journal


def read_options(file: Path) -> dict[str, Any]:
    """The options of a journal; none where it cannot be read. Nothing is written."""
    try:
        with file.open("rb") as lines:
            options = (_object(lines.readline()) or {}).get("options")
    except OSError:
        return {}
    return options if isinstance(options, dict) else {}


def read_entries(file: Path, read: Read[AnEntry]) -> list[AnEntry]:
    """The entries of a journal, without the notes of a run under way; none where it cannot be read.

    Nothing is written: for those who do not make the journal.
    """
    try:
        return list(_entries(file.read_bytes().split(b"\n")[1:], read))
    except OSError:
        return []


def note(file: Path, entries: Iterable[FrameEntry]) -> None:
    """Note finished frames of a journal in this process's own file. UserError when the disk does not take it."""
    add_note(file, "".join(f"{json.dumps(entry.to_json(), separators=(',', ':'))}\n" for entry in entries))


def journal_files(file: Path) -> set[str]:
    """Names of the journal and of its notes, as far as they are there."""
    names = {path.name for path in notes_of(file)}
    return names | {file.name} if file.is_file() else names


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")
    except OSError as error:
        raise to_user_error(error, path) from error


def _entries(lines: list[bytes], read: Read[AnEntry]) -> Iterator[AnEntry]:
    """The entries of those lines that are whole."""
    for line in lines:
        values = _object(line)
        if values is None:
            continue
        try:
            yield read(values)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue


def _object(line: bytes) -> dict[str, Any] | None:
    """The JSON object in a line; None when it holds none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
