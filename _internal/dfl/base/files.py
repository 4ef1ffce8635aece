"""Files are written whole or not at all: written beside, synced, then renamed over the old one."""

import errno
import itertools
import json
import os
import re
import shutil
import stat
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from dfl.base.errors import UserError

PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".jp2", ".j2k", ".jpx"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".gif", ".apng", ".mpo", ".tga", ".dds", ".pcx", ".sgi"),
)
# What programs of the system leave in every folder. On macOS also ._name and .DS_Store, hidden as all .names.
_OF_THE_SYSTEM = ("thumbs.db", "desktop.ini", "icon\r")
PART_MARK = ".part-"
MAX_NAME_BYTES = 255  # of one name: ext4, xfs, btrfs, apfs and NTFS (there UTF-16 units, of which there are no more)
# A file system that cannot sync (some network, FUSE and archive mounts) answers with one of these.
_CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES, errno.EPERM)
# Windows: a virus scanner, an indexer or a cloud client holds a new file for a moment (access denied, shared, locked).
_HELD_FOR_A_MOMENT = (5, 32, 33)
_PATIENCE_SECONDS = 2.0
# A half-written file: 6 hexadecimal digits tell the process that writes it, 2 count its files.
_PART = re.compile(rf"{re.escape(PART_MARK)}([0-9a-f]{{6}})[0-9a-f]{{2}}(\.[^.]*)?")
_part_numbers = itertools.count()
_NUMBER = re.compile(r"(\d+)")
_ANY_DIGIT = bytes.maketrans(b"123456789", b"000000000")


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


def name_size(name: str) -> int:
    """How much of MAX_NAME_BYTES a file's name takes: file systems count bytes, not letters."""
    return len(os.fsencode(name))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` (same suffix); on success it is synced and renamed over `path`.

    On any error the temporary file is removed and `path` is as it was. A full disk becomes a UserError.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb+") as handle:
            sync_file(handle)
        move_over(part, path)
        sync_folder(path.parent)
    except OSError as error:
        raise to_user_error(error, path) from error
    finally:
        _drop(part)


def part_of(path: Path) -> Path:
    """A name beside `path` for what is half-written; cut where the whole would be longer than a name may be."""
    mark = f"{os.getpid() & 0xFFFFFF:06x}{next(_part_numbers) & 0xFF:02x}"
    stem, end = path.stem, f"{PART_MARK}{mark}{path.suffix}"
    while name_size(stem) + name_size(end) > MAX_NAME_BYTES and stem:
        stem = stem[:-1]
    return path.with_name(stem + end)


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
    part = part_of(path)
    try:
        part.write_bytes(content)
        move_over(part, path)
    except BaseException as error:
        _drop(part)
        if isinstance(error, OSError):
            raise to_user_error(error, path) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with plain line feeds, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON, with or without the mark that Windows editors put in front; UserError names a file that is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}.", "Delete it or put back an older copy of it.") from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path} cannot be read: {reason}.", "Look what lies there, and who may read it.") from error


def set_aside(path: Path) -> Path:
    """Rename a damaged file, so that it is in nobody's way and not lost; returns where it is now."""
    number = 1
    while (aside := path.with_name(f"{path.stem}_damaged_{number}{path.suffix}")).exists():
        number += 1
    return move(path, aside)


def read_or_set_aside(path: Path, warn: Callable[[str], None]) -> dict[str, Any]:
    """The object in a JSON file that the program can do without; empty where it is missing or damaged.

    A damaged one is set aside under another name, and `warn` is told in one line. For files that hold a user's work
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
        told = f"it is {set_aside(path).name} now"
    except OSError:  # it may only be read
        told = "it is not used"
    warn(f"{path} is damaged: {told}, and what it remembered is forgotten.")
    return {}


def to_user_error(error: OSError, path: Path) -> UserError:
    """Turn an error of the operating system at `path` into words and a way out."""
    if is_part(path.name):  # what is half-written has a name that only we know
        path = path.with_name(path.name.rpartition(PART_MARK)[0] + path.suffix)
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


def place_of(error: OSError, otherwise: Path) -> Path:
    """The file that an error of the operating system is about; of a renaming the new name."""
    name = error.filename2 or error.filename
    return Path(os.fsdecode(name)) if isinstance(name, str | bytes | os.PathLike) else otherwise


def _file_in_the_way(path: Path) -> Path | None:
    """The file on the way to `path`, or in its place, where a folder should be."""
    with suppress(OSError):
        return next((place for place in (path, *path.parents) if place.is_file()), None)
    return None


def _verb(path: Path) -> str:
    with suppress(OSError):
        return "read" if path.exists() and not os.access(path, os.R_OK) else "written"
    return "reached"


def is_refusal(error: OSError) -> bool:
    """Whether the system refused something that the user can mend; else it may be a mistake of the program."""
    return bool(error.errno) and (
        getattr(error, "winerror", None) is not None
        or error.errno == errno.EIO
        or any(error.errno in numbers for numbers, _, _ in _REFUSALS)
    )


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


def is_hidden(entry: os.DirEntry[str] | Path) -> bool:
    """Whether a file or folder is hidden: .name (among them macOS' ._name), the system's own, or marked on Windows."""
    if entry.name.startswith(".") or entry.name.lower() in _OF_THE_SYSTEM:
        return True
    if os.name != "nt":
        return False
    facts = entry.stat(follow_symlinks=False)  # for an entry of a listing Windows has it at hand
    return bool(getattr(facts, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_HIDDEN)


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


def is_part(name: str) -> bool:
    """Whether a name is exactly of the form that half-written files have here."""
    return PART_MARK in name and _part_mark(name) is not None


def _part_mark(name: str) -> re.Match[str] | None:
    place = name.rfind(PART_MARK)
    return _PART.fullmatch(name, place) if place > 0 else None


def remove_parts(folder: Path) -> None:
    """Remove what killed runs left half-written in `folder`: nothing that a running process still writes."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        parts = [entry for entry in entries if is_part(entry.name) and entry.is_file(follow_symlinks=False)]
    for entry in parts:
        if not _is_being_written(entry):
            _drop(Path(entry.path))  # Windows refuses where a program has it open: next time


def _is_being_written(part: os.DirEntry[str]) -> bool:
    """Whether the process that began the file still runs; one with its number may be another, begun later."""
    import psutil

    mark = _part_mark(part.name)
    try:
        began: float = psutil.Process(int(mark[1], 16) if mark else -1).create_time()
        return part.stat().st_mtime >= began - 1
    except (psutil.Error, OSError, ValueError):
        return False


def free_name(path: Path) -> Path:
    """`path`, or where something has that name the first of name_2, name_3 ... that nothing has."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        stem, end = path.stem, f"_{number}{path.suffix}"
        while name_size(stem) + name_size(end) > MAX_NAME_BYTES and stem:
            stem = stem[:-1]
        free = path.with_name(stem + end)
    return free


def free_path(path: Path, word: str = "before") -> Path:
    """A name that is free, beside `path`: aligned_before_1, faceset_before_1.pak, or with the next number."""
    number = 1
    while (free := path.with_name(f"{path.stem}_{word}_{number}{path.suffix}")).exists():
        number += 1
    return free


def move_into(folder: Path, path: Path) -> Path:
    """Move a file into a folder, which is made, never over another file; returns where it is."""
    target, number = folder / path.name, 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while target.exists():
            number += 1
            target = folder / f"{path.stem} ({number}){path.suffix}"
        return move(path, target)
    except OSError as error:
        raise to_user_error(error, path) from error


def need_space(folder: Path, wanted_bytes: int, what: str) -> None:
    """Raise a UserError when the disk of `folder` has less than `wanted_bytes` free."""
    existing = next((place for place in (folder, *folder.parents) if place.is_dir()), folder)
    free = shutil.disk_usage(existing).free
    if free < wanted_bytes:
        raise UserError(
            f"{what} needs about {size_in_words(wanted_bytes)} in {folder}, but {size_in_words(free)} are free.",
            "Free some space, or use a workspace on another disk (--workspace PATH).",
        )


def size_in_words(size: float) -> str:
    """Bytes for people: 3.2 GB, 14 MB, 0.5 MB."""
    size = max(size, 0)
    if size >= 2**30:
        return f"{size / 2**30:.1f} GB"
    return f"{size / 2**20:.0f} MB" if size >= 10 * 2**20 else f"{size / 2**20:.1f} MB"


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """Sort by time of change, newest first; equal times by name."""
    return sorted(paths, key=lambda path: (-path.stat().st_mtime, path.name))
