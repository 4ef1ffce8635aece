"""Files are written whole or not at all: written beside, synced, then renamed over the old one."""

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
PART_MARK = ".part-"


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` (same suffix); on success it is synced and renamed over `path`.

    On any error the temporary file is removed and `path` is as it was. A full disk becomes a UserError.
    """
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb+") as handle:
            os.fsync(handle.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise mendable(error, path) from error
    finally:
        _drop(part)


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}{PART_MARK}{uuid.uuid4().hex[:8]}{path.suffix}")


def _drop(part: Path) -> None:
    """Remove a half-written file, if it is still there and its folder allows."""
    with suppress(OSError):
        part.unlink()


def write_bytes(path: Path, content: bytes | memoryview, *, durable: bool = True) -> None:
    """Write `content` whole or not at all.

    `durable` waits for the disk. Pictures that can be made again pass False: a rename without a sync still never
    shows half a file to a program that is running, and is ten times faster.
    """
    if durable:
        with replacing(path) as part:
            part.write_bytes(content)
        return
    part = _part_of(path)
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException as error:
        _drop(part)
        if isinstance(error, OSError):
            raise mendable(error, path) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with plain line feeds, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a file that is not JSON is a UserError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}", "Delete it or put back an older copy of it.") from error


def mendable(error: OSError, path: Path) -> UserError:
    """Turn an error of the operating system at `path` into words and a way out."""
    import errno

    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return UserError(
            f"The disk is full: {path} was not written.",
            "Free some space and start again; finished work is kept.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(
            f"{path} cannot be written: {error.strerror}.",
            "Close programs that have it open, or move the workspace to a folder that you may write to.",
        )
    return UserError(f"{path} cannot be written: {error}.", "Check the disk and the folder, then start again.")


def list_pictures(folder: Path) -> list[Path]:
    """All pictures of a folder, sorted by path; half-written files of a killed run are left out."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name.lower().endswith(PICTURE_SUFFIXES) and PART_MARK not in entry.name and entry.is_file()
        ]
    return [folder / name for name in sorted(names)]


def remove_parts(folder: Path) -> None:
    """Remove what a killed run left half-written in `folder`."""
    for path in folder.glob(f"*{PART_MARK}*"):
        path.unlink(missing_ok=True)


def need_space(folder: Path, wanted_bytes: int, what: str) -> None:
    """Raise a UserError when the disk of `folder` has less than `wanted_bytes` free."""
    existing = next((place for place in (folder, *folder.parents) if place.is_dir()), folder)
    free = shutil.disk_usage(existing).free
    if free < wanted_bytes:
        raise UserError(
            f"{what} needs about {wanted_bytes / 2**30:.1f} GB in {folder}, but {free / 2**30:.1f} GB are free.",
            "Free some space, or use a workspace on another disk (--workspace PATH).",
        )


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """Sort by time of change, newest first; equal times by name."""
    return sorted(paths, key=lambda path: (-path.stat().st_mtime, path.name))
