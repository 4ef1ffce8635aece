"""A model belongs to one program at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from dfl.base.errors import UserError

LOCK_NAME = "training.lock"


@contextmanager
def hold_model(folder: Path) -> Iterator[None]:
    """Hold the lock of a model's folder; UserError when another program has it."""
    lock = FileLock(folder / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{folder.name} is being trained by another program.", "Close that one first.") from None
    try:
        yield
    finally:
        lock.release()
