"""Files are written whole or not at all: under another name, synced, then renamed over the old one."""

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dfl.base.errors import UserError
from dfl.base.part_files import part_of, remove_part
from dfl.base.system_errors import to_user_error
from dfl.base.unused_path import earlier_path, unused_path

# A file system that cannot sync (some network, FUSE and archive mounts) answers with one of these.
_CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES, errno.EPERM)
# Windows: a virus scanner, an indexer or a cloud client holds a new file for a moment (access denied, shared, locked).
_HELD_FOR_A_MOMENT = (5, 32, 33)
_PATIENCE_SECONDS = 2.0
_MAY_BE_READ = "Check that it is there and may be read."


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path in the folder of `path` (same suffix); on success it is renamed over `path`.

    On any error the temporary file is removed and `path` is as it was. A full disk becomes a UserError.
    `durable` waits for the disk, and makes the folder. Pictures that can be made again pass False: a rename without a
    sync still never shows half a file to a program that is running, and is ten times faster.
    """
    part = part_of(path)
    try:
        if durable:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if durable:
            with part.open("rb+") as handle:
                sync_file(handle)
        move_over(part, path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise to_user_error(error, path) from error
    finally:
        remove_part(part)


def write_bytes(path: Path, content: bytes | memoryview, *, durable: bool = True) -> None:
    """Write `content` whole or not at all; see `replacing`."""
    with replacing(path, durable=durable) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with plain line feeds, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_bytes(path: Path, todo: str = _MAY_BE_READ) -> bytes:
    """A file's content; UserError with this way out where it cannot be read."""
    with reading(path, todo):
        return path.read_bytes()


@contextmanager
def reading(path: Path, todo: str = _MAY_BE_READ) -> Iterator[None]:
    """Turn an error of the operating system while `path` is read into a UserError that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.", todo) from error


def read_json(path: Path) -> Any:
    """Read JSON, with or without the mark that Windows editors put in front; UserError names a file that is none."""
    content = read_bytes(path, "Check what it is, and who may read it.")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}.", "Delete it or put back an older copy of it.") from error


def rename_damaged(path: Path) -> Path:
    """Rename a damaged file, so that it is in nobody's way and not lost; returns where it is now."""
    return move(path, earlier_path(path, "damaged"))


def read_json_or_empty(path: Path, warn: Callable[[str], None]) -> dict[str, Any]:
    """The object in a JSON file that the program can do without; empty where it is missing or damaged.

    A damaged one gets another name, and `warn` gets one line. For files that hold a user's work
    use `read_json`, which stops.
    """
    if not path.is_file():
        return {}
    try:
        found = read_json(path)
    except UserError:
        found = None
    if isinstance(found, dict):
        return found
    try:
        now = f"it is {rename_damaged(path).name} now"
    except OSError:  # it may only be read
        now = "it is not used"
    warn(f"{path} is damaged: {now}, and what it remembered is forgotten.")
    return {}


def move_into(folder: Path, path: Path) -> Path:
    """Move a file into a folder, which is made, never over another file; returns where it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return move(path, unused_path(folder / path.name, " ({})"))
    except OSError as error:
        raise to_user_error(error, path) from error


def move(source: Path, target: Path) -> Path:
    """Give a file or folder another name; `target` must not be there. Waits out who holds it for a moment (Windows)."""
    _patiently(lambda: source.rename(target))
    return target


def move_over(source: Path, target: Path) -> None:
    """Rename a file over another one, or to a free name. Waits out who holds one of them for a moment (Windows)."""
    _patiently(lambda: source.replace(target))


def _patiently(move: Callable[[], object]) -> None:
    """Try again for a second or two what Windows refuses because another program has the file open."""
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    pause = 0.01
    while True:
        try:
            move()
            return
        except OSError as error:
            if getattr(error, "winerror", None) not in _HELD_FOR_A_MOMENT or time.monotonic() > give_up_at:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 0.2)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut, where its file system can. Windows has no such call."""
    if os.name == "nt":
        return
    with _unless_unable_to_sync():
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_file(handle: IO[Any]) -> None:
    """Make what was written to an open file survive a power cut, where its file system can."""
    handle.flush()
    with _unless_unable_to_sync():
        os.fsync(handle.fileno())


@contextmanager
def _unless_unable_to_sync() -> Iterator[None]:
    """What is written is written where the file system knows no sync; a failing or full disk is an error."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
