"""Errors of the operating system, in words that a user can act on."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.part_files import whole_path

# What the system says, and what it means to the user.
_REFUSALS: tuple[tuple[tuple[int, ...], str, str], ...] = (
    (
        (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)),
        "The disk is full: {path} was not written.",
        "Free some space and start again; finished work is kept.",
    ),
    (
        (errno.EROFS,),
        "{path} cannot be written: {reason}.",
        "Move the workspace to a disk and a folder that you may write to, or name another one: --workspace PATH.",
    ),
    (
        (errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY),
        "{path} cannot be {verb}: {reason}.",
        "Close programs that have it open, or move the workspace to a folder that you may write to.",
    ),
    (
        (errno.ENAMETOOLONG,),
        "{path} cannot be used: its name is too long for the system.",
        "Give the file, the model or the folders shorter names (letters beyond ASCII count two to four times).",
    ),
    (
        (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY),
        "{path} cannot be written: {reason}.",
        "Something else lies there: move it to another place, then start again.",
    ),
    (
        (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, getattr(errno, "ESTALE", errno.ENOENT)),
        "{path} is not there: {reason}.",
        "Look whether it was moved or deleted, or its disk unplugged, while the program ran; then start again.",
    ),
    (
        (errno.EMFILE, errno.ENFILE),
        "{path} cannot be opened: {reason}.",
        "Close other programs, or raise the limit of open files (ulimit -n), then start again.",
    ),
    (
        (errno.ENOMEM, errno.EAGAIN),
        "{path}: {reason}.",
        "Close other programs, or use fewer workers, then start again.",
    ),
    (
        (errno.EFBIG,),
        "{path} cannot be written: {reason}.",
        "The file system (FAT32?) or a limit forbids files of that size: use a workspace on another disk.",
    ),
    (
        (errno.ELOOP,),
        "{path} cannot be opened: its links lead in a circle.",
        "Remove the link, then start again.",
    ),
)


def to_user_error(error: OSError, path: Path) -> UserError:
    """Turn an error of the operating system at `path` into words and a way out."""
    path = whole_path(path)  # the user does not know the name of a half-written file
    reason = error.strerror or str(error) or type(error).__name__
    in_the_way = _file_in_the_way(path) if error.errno in (errno.ENOTDIR, errno.EEXIST) else None
    if in_the_way:
        return UserError(
            f"{path} cannot be written: {in_the_way} is a file, where a folder should be.",
            "Move that file to another place, or choose another folder with --workspace PATH.",
        )
    for numbers, what, todo in _REFUSALS:
        if error.errno in numbers:
            return UserError(what.format(path=path, reason=reason, verb=_verb(path)), todo)
    return UserError(f"{path} cannot be written: {reason}.", "Check the disk and the folder, then start again.")


def error_path(error: OSError, otherwise: Path) -> Path:
    """The file that an error of the operating system is about; of a renaming the new name."""
    name = error.filename2 or error.filename
    return Path(os.fsdecode(name)) if isinstance(name, str | bytes | os.PathLike) else otherwise


def is_refusal(error: OSError) -> bool:
    """Whether the system refused something that the user can mend; else it may be a mistake of the program."""
    return bool(error.errno) and (
        getattr(error, "winerror", None) is not None
        or error.errno == errno.EIO
        or any(error.errno in numbers for numbers, _, _ in _REFUSALS)
    )


def _file_in_the_way(path: Path) -> Path | None:
    """The file on the way to `path`, or in its place, where a folder should be."""
    with suppress(OSError):
        return next((one for one in (path, *path.parents) if one.is_file()), None)
    return None


def _verb(path: Path) -> str:
    with suppress(OSError):
        return "read" if path.exists() and not os.access(path, os.R_OK) else "written"
    return "reached"
