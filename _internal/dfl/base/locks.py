"""Locks of folders: a stage that writes a folder excludes other stages, whose error says which one holds it.

Every lock is one of the operating system's (filelock), so it ends with its process, however that ends. A JSON file next
to it names the holder; it may be left over and means nothing without the lock.
"""

import errno
import json
import os
import platform
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dfl.base.errors import UserError

_START_SECONDS = 10.0
_START_NAME = "start.lock"
# A workspace that may only be read needs no lock, and a full disk is reported by whoever writes.
_CANNOT_WRITE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, and what it reads and writes there (names of folders in the workspace)."""

    stage: str
    pid: int
    host: str
    since: float  # seconds since 1970
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def __str__(self) -> str:
        is_today = time.strftime("%x", time.localtime(self.since)) == time.strftime("%x")
        moment = time.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M", time.localtime(self.since))
        host = "" if self.host == platform.node() else f" on {self.host}"
        return f"{self.stage} (process {self.pid}{host}, since {moment})"


class Held(Exception):
    """A lock that another program has; `holder` is None where it does not say who it is."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(str(holder or "another program"))
        self.holder = holder


@contextmanager
def hold_file(path: Path, stage: str = "") -> Iterator[None]:
    """Hold the lock file `path`, and say so where `stage` is given; raises Held when another program has it.

    The file stays: who removed it could remove one that another program has just taken.
    """
    lock = _take(path)
    if stage:
        _write_holder(path, Holder(stage, os.getpid(), platform.node(), time.time()))
    try:
        yield
    finally:
        with suppress(OSError):
            _facts(path).unlink(missing_ok=True)
        lock.release()


@contextmanager
def hold_folders(
    folder: Path, stage: str, reads: Collection[str], writes: Collection[str], warn: Callable[[str], None]
) -> Iterator[None]:
    """Hold parts of a workspace while a stage runs; `folder` is where the runs of a workspace are written down.

    Many may read a part, one may write it, and not while others read it. UserError when that cannot be, naming the
    holder. Where the file system has no locks, `warn` is called, and the stage goes on without.
    """
    lock, path = None, folder / f"{uuid.uuid4().hex[:12]}.lock"
    mine = Holder(stage, os.getpid(), platform.node(), time.time(), tuple(reads), tuple(writes))
    if reads or writes:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / _START_NAME, timeout=_START_SECONDS):
                for other in running(folder):
                    _refuse_conflict(mine, other)
                lock = _take(path)
                _write_holder(path, mine)
        except Timeout:  # somebody else is starting, or stopped in the middle of it; what is running is not known
            warn(f"{folder / _START_NAME} is held by another program: start no second stage in this workspace.")
        except (OSError, NotImplementedError) as error:
            if getattr(error, "errno", None) not in _CANNOT_WRITE:
                warn(f"This disk cannot lock files ({error}): start no second stage in this workspace.")
    try:
        yield
    finally:
        if lock:
            _release(lock, path)


def running(folder: Path) -> list[Holder]:
    """The stages that run in a workspace now. What killed ones have left is removed."""
    found = []
    for path in sorted(folder.glob("*.lock")) if folder.is_dir() else []:
        if path.name == _START_NAME:
            continue
        try:
            _release(_take(path), path)
        except Held as held:
            if held.holder:
                found.append(held.holder)
        except (OSError, NotImplementedError):  # as in hold_folders
            continue
    return found


def _refuse_conflict(mine: Holder, other: Holder) -> None:
    shared = set(mine.writes) & {*other.reads, *other.writes} or set(mine.reads) & set(other.writes)
    if mine.stage == other.stage and shared:
        raise UserError(
            f"{other} is running already in this workspace.",
            "Wait until it has finished, or stop it with Ctrl-C in its window; then start again.",
        )
    if shared:
        names = " and ".join(sorted(shared))
        raise UserError(
            f"{names} cannot be {'changed' if set(mine.writes) & shared else 'read'} now: {other} works there.",
            "Wait until it has finished, or stop it with Ctrl-C in its window; then start again.",
        )


def _take(path: Path) -> FileLock:
    """The lock of a file, held from now on; Held when another program has it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Held(_read_holder(path)) from None
    return lock


def _release(lock: FileLock, path: Path) -> None:
    """Release the lock of a run and remove its files, whose names no other run has."""
    with suppress(OSError):
        _facts(path).unlink(missing_ok=True)
    lock.release()
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _facts(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write_holder(path: Path, holder: Holder) -> None:
    """Write down whose lock it is; without it others only know that somebody has it."""
    with suppress(OSError):
        _facts(path).write_text(json.dumps(asdict(holder)), encoding="utf-8")


def _read_holder(path: Path) -> Holder | None:
    try:
        found = json.loads(_facts(path).read_text(encoding="utf-8"))
        reads, writes = (tuple(map(str, found[key])) for key in ("reads", "writes"))
        return Holder(str(found["stage"]), int(found["pid"]), str(found["host"]), float(found["since"]), reads, writes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
