"""Half-written files: temporary names in the target's folder, by which leftovers of killed runs are recognised."""

import itertools
import os
import re
from contextlib import suppress
from pathlib import Path

from dfl.base.unused_path import with_ending

PART_MARK = ".part-"
# 6 hexadecimal digits: the process that writes the file; 2: its number among the files of that process.
_PART = re.compile(rf"{re.escape(PART_MARK)}([0-9a-f]{{6}})[0-9a-f]{{2}}(\.[^.]*)?")
_part_numbers = itertools.count()


def part_of(path: Path) -> Path:
    """A temporary name in the folder of `path`, with the same suffix; a long stem is cut."""
    mark = f"{os.getpid() & 0xFFFFFF:06x}{next(_part_numbers) & 0xFF:02x}"
    return with_ending(path, PART_MARK + mark)


def is_part(name: str) -> bool:
    """Whether a name is exactly of the form that half-written files have here."""
    return PART_MARK in name and _part_mark(name) is not None


def _part_mark(name: str) -> re.Match[str] | None:
    start = name.rfind(PART_MARK)
    return _PART.fullmatch(name, start) if start > 0 else None


def whole_path(part: Path) -> Path:
    """The path that a half-written file is going to have; any other path as it is."""
    return part.with_name(part.name.rpartition(PART_MARK)[0] + part.suffix) if is_part(part.name) else part


def remove_part(part: Path) -> None:
    """Remove a half-written file, if it is still there and its folder allows."""
    with suppress(OSError):
        part.unlink()


def remove_parts(folder: Path) -> None:
    """Remove what killed runs left half-written in `folder`: nothing that a running process still writes."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        parts = [entry for entry in entries if is_part(entry.name) and entry.is_file(follow_symlinks=False)]
    for entry in parts:
        if not _is_being_written(entry):
            remove_part(Path(entry.path))  # Windows refuses where a program has it open: next time


def _is_being_written(part: os.DirEntry[str]) -> bool:
    """Whether the process that began the file still runs; one with its number may be another, begun later."""
    import psutil

    mark = _part_mark(part.name)
    try:
        began: float = psutil.Process(int(mark[1], 16) if mark else -1).create_time()
        return part.stat().st_mtime >= began - 1
    except (psutil.Error, OSError, ValueError):
        return False
