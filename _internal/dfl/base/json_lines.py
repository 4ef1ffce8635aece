"""Files with one JSON value a line, which a killed run may leave with a torn end, and which may come from anywhere."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dfl.base.files import sync_file, sync_folder


def to_lines(values: Iterable[Any]) -> str:
    """One line of compact JSON for each value."""
    return "".join(f"{json.dumps(value, separators=(',', ':'))}\n" for value in values)


def objects_in(content: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects of those lines that hold one; torn lines and anything else are left out."""
    return (value for value in values_in(content) if isinstance(value, dict))


def values_in(content: bytes) -> Iterator[Any]:
    """The JSON values of those lines that are whole."""
    for line in content.split(b"\n"):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):  # torn, no UTF-8, a number too long, nested too deeply
            continue


def append_lines(path: Path, values: Iterable[Any]) -> None:
    """Add lines and wait for the disk; a line that a killed run left torn is ended first. OSError from the system."""
    is_new = not path.exists()
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                file.write(b"\n")
        file.write(to_lines(values).encode())
        sync_file(file)
    if is_new:
        sync_folder(path.parent)
