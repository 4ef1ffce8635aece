"""File names that nothing has yet."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

MAX_NAME_BYTES = 255  # of one name: ext4, xfs, btrfs, apfs and NTFS (there UTF-16 units, of which there are no more)


def name_size(name: str) -> int:
    """How much of MAX_NAME_BYTES a file's name takes: file systems count bytes, not letters."""
    return len(os.fsencode(name))


def with_ending(path: Path, ending: str) -> Path:
    """`path` with `ending` after its stem and before its suffix; a stem that is too long for both is cut."""
    stem, end = path.stem, ending + path.suffix
    while name_size(stem) + name_size(end) > MAX_NAME_BYTES and stem:
        stem = stem[:-1]
    return path.with_name(stem + end)


def unused_path(
    path: Path, ending: str = "_{}", first: int = 2, is_used: Callable[[Path], bool] = os.path.lexists
) -> Path:
    """`path` itself, or where something has that name the first of name_2, name_3 ... that nothing has.

    ending: what stands behind the stem, with {} for the number. first: the first number.
    """
    return path if not is_used(path) else _numbered(path, ending, first, is_used)


def earlier_path(path: Path, word: str = "before") -> Path:
    """An unused name for what `path` held until now: aligned_before_1, faceset_before_2.pak."""
    return _numbered(path, f"_{word}_{{}}", 1, os.path.lexists)


def _numbered(path: Path, ending: str, first: int, is_used: Callable[[Path], bool]) -> Path:
    paths = (with_ending(path, ending.format(number)) for number in count(first))
    return next(path for path in paths if not is_used(path))
