"""Which frames are finished: one JSON line a frame in the aligned folder, written when its faces are on disk.

Every process notes its frames in a file of its own, as two processes cannot safely add to one file on Windows; runs
begin and end by gathering these into the journal. A killed run may leave a last line torn: its frame is done again.
Faces that the user deleted stay deleted, for their frame is finished. The journal's first line holds the options that
the faces were made with.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dfl.base.files import mendable, write_text

_JOURNAL_FILE = "extraction.jsonl"
_NOTES_START, _NOTES_END = "extraction-", ".jsonl"


@dataclass(frozen=True)
class FrameFacts:
    """By what a frame's file is known again: bytes, time of change (nanoseconds), CRC-32 of its content."""

    size: int
    mtime_ns: int
    crc: int


@dataclass(frozen=True)
class Finished:
    """A finished frame: its file as it was then, and how many faces were written."""

    frame: str  # file name
    facts: FrameFacts
    faces: int


def read_frame(path: Path) -> tuple[bytes, FrameFacts]:
    """A frame's bytes, and its facts. OSError when it cannot be read."""
    state = path.stat()
    content = path.read_bytes()
    return content, FrameFacts(len(content), state.st_mtime_ns, zlib.crc32(content))


@dataclass
class Journal:
    """The journal of one aligned folder. `finished`: by the frame's file name."""

    folder: Path
    options: dict[str, Any]
    finished: dict[str, Finished]

    def gather(self) -> None:
        """Take in what processes have noted, write it all as one file, and remove the notes."""
        notes = [self.folder / name for name in journal_files(self.folder) if name != _JOURNAL_FILE]
        for path in notes:
            self.finished |= {frame.frame: frame for frame in _frames(_lines(path))}
        lines = [json.dumps({"options": self.options}), *(json.dumps(asdict(one)) for one in self.finished.values())]
        write_text(self.folder / _JOURNAL_FILE, "".join(f"{line}\n" for line in lines))
        for path in notes:
            path.unlink(missing_ok=True)


def start_journal(folder: Path, options: Mapping[str, Any]) -> Journal:
    """A new journal, in the place of an old one and its notes."""
    for name in journal_files(folder):
        (folder / name).unlink()
    journal = Journal(folder, dict(options), {})
    journal.gather()
    return journal


def read_journal(folder: Path) -> Journal | None:
    """The journal of an aligned folder, with its notes; None when there is none or its first line is lost."""
    if not (folder / _JOURNAL_FILE).is_file():
        return None
    first, *lines = _lines(folder / _JOURNAL_FILE)
    options = (_object(first) or {}).get("options")
    if not isinstance(options, dict):
        return None
    journal = Journal(folder, options, {frame.frame: frame for frame in _frames(lines)})
    journal.gather()
    return journal


def note(folder: Path, frame: Finished) -> None:
    """Note, in this process's own file, a frame whose faces are on disk. UserError when the disk does not take it."""
    path = folder / f"{_NOTES_START}{os.getpid()}{_NOTES_END}"
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"{json.dumps(asdict(frame))}\n")
    except OSError as error:
        raise mendable(error, path) from error


def journal_files(folder: Path) -> set[str]:
    """Names of the journal and its notes among a folder's files."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    notes = {name for name in names if name.startswith(_NOTES_START) and name.endswith(_NOTES_END)}
    return notes | names & {_JOURNAL_FILE}


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")
    except OSError as error:
        raise mendable(error, path) from error


def _frames(lines: list[bytes]) -> Iterator[Finished]:
    """The frames of those lines that are whole."""
    return filter(None, map(_finished, lines))


def _finished(line: bytes) -> Finished | None:
    values = _object(line) or {}
    facts = values.get("facts")
    if not isinstance(facts, dict):
        return None
    frame, faces = values.get("frame"), values.get("faces")
    numbers = [facts.get(name) for name in ("size", "mtime_ns", "crc")]
    size, mtime_ns, crc = (number if type(number) is int else None for number in numbers)
    if not isinstance(frame, str) or type(faces) is not int or size is None or mtime_ns is None or crc is None:
        return None
    return Finished(frame, FrameFacts(size, mtime_ns, crc), faces)


def _object(line: bytes) -> dict[str, Any] | None:
    """The JSON object in a line; None when it holds none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
