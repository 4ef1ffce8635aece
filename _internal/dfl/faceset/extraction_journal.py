"""Which frames are finished: one JSON line a frame in the aligned folder, written when its faces are on disk.

A killed run may leave the last line torn; a torn line means that its frame is done again. Faces that the user deleted
stay deleted, for the frame is finished. The first line holds the options that the faces were made with.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dfl.base.files import mendable, write_text

JOURNAL_FILE = "extraction.jsonl"


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


class Journal:
    """The journal of one aligned folder. `finished`: by frame file name."""

    def __init__(self, path: Path, options: Mapping[str, Any], finished: dict[str, Finished]) -> None:
        self.path, self.options, self.finished = path, dict(options), finished

    def add(self, frames: Iterable[Finished]) -> None:
        """Note frames whose faces are on disk."""
        new = list(frames)
        # Starts with a line feed, so that it never continues a torn line.
        text = "".join(f"\n{json.dumps(asdict(frame))}" for frame in new)
        try:
            with self.path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise mendable(error, self.path) from error
        self.finished |= {frame.frame: frame for frame in new}


def start_journal(folder: Path, options: Mapping[str, Any]) -> Journal:
    """A new journal, in the place of an old one."""
    write_text(folder / JOURNAL_FILE, json.dumps({"options": dict(options)}))
    return Journal(folder / JOURNAL_FILE, options, {})


def read_journal(folder: Path) -> Journal | None:
    """The journal of an aligned folder; None when there is none or its first line is lost. Torn lines are left out."""
    try:
        lines = (folder / JOURNAL_FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise mendable(error, folder / JOURNAL_FILE) from error
    first = _object(lines[0])
    options = first.get("options") if first else None
    if not isinstance(options, dict):
        return None
    finished = filter(None, map(_finished, lines[1:]))
    return Journal(folder / JOURNAL_FILE, options, {frame.frame: frame for frame in finished})


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
