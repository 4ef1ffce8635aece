"""What is in a folder: its pictures and folders in natural order."""

import os
import re
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dfl.base.part_files import is_part

PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".jp2", ".j2k", ".jpx"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".gif", ".apng", ".mpo", ".tga", ".dds", ".pcx", ".sgi"),
)
# What programs of the system leave in every folder. On macOS also ._name and .DS_Store, hidden as all .names.
_OF_THE_SYSTEM = ("thumbs.db", "desktop.ini", "icon\r")
_NUMBER = re.compile(r"(\d+)")
_ANY_DIGIT = bytes.maketrans(b"123456789", b"000000000")


def list_pictures(folder: Path) -> list[Path]:
    """All pictures of a folder in natural order; hidden and half-written files are none."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name.lower().endswith(PICTURE_SUFFIXES)
            and not is_part(entry.name)
            and entry.is_file()
            and not is_hidden(entry)
        ]
    return [folder / name for name in in_natural_order(names)]


def list_folders(folder: Path) -> list[Path]:
    """The folders in a folder, in natural order; hidden ones are left out."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and not is_hidden(entry)]
    return [folder / name for name in in_natural_order(names)]


def is_hidden(entry: os.DirEntry[str] | Path) -> bool:
    """Whether a file or folder is hidden: .name (among them macOS' ._name), the system's own, or marked on Windows."""
    if entry.name.startswith(".") or entry.name.lower() in _OF_THE_SYSTEM:
        return True
    if os.name != "nt":
        return False
    facts = entry.stat(follow_symlinks=False)  # for an entry of a listing Windows has it at hand
    return bool(getattr(facts, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_HIDDEN)


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Names as people count: frame2.png before frame10.png, case ignored; then by the letters as they are.

    THE order of frames and faces: everything that orders them by name goes by this. Names of one form with numbers of
    one width keep the order that they have as plain text.
    """
    names = list(names)
    shapes = {name.encode("utf-8", "surrogatepass").translate(_ANY_DIGIT) for name in names}
    if len(shapes) <= 1:  # 00001.png, 00002.png ...: a tenth of the time
        return sorted(names)
    return sorted(names, key=natural_key)


def natural_key(name: str) -> tuple[Any, ...]:
    """What sorts a name into natural order."""
    stem, _, suffix = name.rpartition(".") if "." in name[1:] else (name, "", "")
    parts: list[Any] = _NUMBER.split(stem.casefold())
    for index in range(1, len(parts), 2):
        digits = parts[index]
        if not digits.isascii():  # digits of other scripts, such as full-width ones
            digits = "".join(str(unicodedata.decimal(digit)) for digit in digits)
        digits = digits.lstrip("0")
        parts[index] = (len(digits), digits)  # as whole numbers of any length
    return parts, suffix.casefold(), name


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """Sort by time of change, newest first; equal times by name."""
    return sorted(paths, key=lambda path: (-path.stat().st_mtime, path.name))
