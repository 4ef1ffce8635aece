"""A model belongs to one program at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.locks import Held, hold_file

LOCK_NAME = "training.lock"


@contextmanager
def hold_model(folder: Path, stage: str = "train") -> Iterator[None]:
    """Hold the lock of a model's folder; UserError when another program has it."""
    try:
        with hold_file(folder / LOCK_NAME, stage):
            yield
    except Held as held:
        raise UserError(
            f"{folder.name} is in use, or being trained by another program{f': {held.holder}' if held.holder else ''}.",
            "Close that one first.",
        ) from None
