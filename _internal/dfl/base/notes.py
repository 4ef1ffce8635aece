"""Lines appended by several processes at once, each to a file of its own, until a run gathers them into one file.

The notes of `found.jsonl` are `found-PID.jsonl`, as two processes cannot safely add to one file on Windows. Whoever
gathers gives them another name first, reads them, writes the file, and deletes no line that was not read: another
program may be at work in the same folder.
"""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dfl.base.system_errors import to_user_error

_TRIES = 3


def note(file: Path, text: str) -> None:
    """Add lines to this process's notes of `file`. UserError when the disk does not take them."""
    path = file.with_name(f"{file.stem}-{os.getpid()}.jsonl")
    try:
        for _ in range(_TRIES):
            with path.open("ab") as notes:
                notes.write(text.encode())
                notes.flush()
                if os.fstat(notes.fileno()).st_nlink:
                    return  # else another program had read and deleted the file: it did not see these lines
    except OSError as error:
        raise to_user_error(error, path) from error


def notes_of(file: Path) -> list[Path]:
    """The files of notes that are there, in a fixed order."""
    name = re.compile(rf"{re.escape(file.stem)}-\d+(-[0-9a-f]{{8}})?\.jsonl")
    return sorted(path for path in file.parent.glob(f"{file.stem}-*.jsonl") if name.fullmatch(path.name))


def read_notes(path: Path) -> bytes:
    """The lines of one process; nothing where another program gathers them in this moment (on Windows: no right)."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


@contextmanager
def gathering(file: Path) -> Iterator[list[bytes]]:
    """Give what is noted, file by file, and delete that after the block, which writes it where it belongs.

    If the block fails all notes stay. Files that a process writes at this moment wait for the next time (Windows).
    """
    taken: list[tuple[Path, bytes]] = []
    for path in notes_of(file):
        number = path.stem.removeprefix(f"{file.stem}-").partition("-")[0]
        own = path.with_name(f"{file.stem}-{number}-{uuid.uuid4().hex[:8]}.jsonl")
        with suppress(OSError):  # Windows: open in another process; everywhere: taken by another program
            path.rename(own)
            taken.append((own, own.read_bytes()))
    yield [content for _, content in taken]
    for path, content in taken:
        with suppress(OSError):  # it is read again next time: the same entries
            _delete(file, path, len(content))


def _delete(file: Path, path: Path, read: int) -> None:
    """Delete notes; what a process added after they were read, through a file it had open, is noted anew."""
    if os.name == "nt":  # nobody can have had it open when it got its name
        path.unlink()
        return
    with path.open("rb") as notes:
        path.unlink()
        notes.seek(read)
        late = notes.read()
    if late:
        note(file, late.decode())
