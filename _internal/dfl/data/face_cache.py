"""What is made of faces, kept in memory as far as it goes; and faces that cannot be read, left out."""

import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import cv2

from dfl.base.errors import UserError
from dfl.base.memory import free_memory
from dfl.faceset.faceset import FaceFile

_MAX_MEMORY_BYTES = 2 * 2**30
_SHARE_OF_FREE_MEMORY = 8


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Kept = TypeVar("Kept", bound=_Sized)


def memory_for_faces() -> int:
    """An eighth of the free memory, at most 2 GiB, in bytes: both sides together take a quarter."""
    return min(_MAX_MEMORY_BYTES, free_memory() // _SHARE_OF_FREE_MEMORY)


class FaceCache:
    """Keeps what was made of a face until a budget of bytes is used up; later faces are made each time."""

    def __init__(self, budget_bytes: int) -> None:
        self._free, self._kept, self._lock = budget_bytes, dict[Hashable, Any](), threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What is kept under `key`, or what `make` gives."""
        found: Kept | None = self._kept.get(key)
        if found is not None:
            return found
        made = make()
        with self._lock:
            if key not in self._kept and made.nbytes <= self._free:
                self._kept[key] = made
                self._free -= made.nbytes
        return made


class ReadableFaces(Generic[Kept]):
    """Faces and what is made of them; one that cannot be read is left out, the next readable one takes its place.

    make: reads a face and makes of it what a sample needs. kept: where that is kept. unreadable: reasons by the face's
    place, shared with other lists of the same run.
    """

    def __init__(
        self,
        faces: Sequence[FaceFile],
        make: Callable[[FaceFile], Kept],
        kept: FaceCache,
        unreadable: dict[str, str],
    ) -> None:
        self._faces, self._make, self._kept, self._unreadable = list(faces), make, kept, unreadable

    def get(self, wanted: int) -> tuple[int, Kept]:
        """The number of the face that is used, and what is made of it. UserError when no face can be used."""
        for step in range(len(self._faces)):
            number = (wanted + step) % len(self._faces)
            face = self._faces[number]
            if face.location in self._unreadable:
                continue
            try:
                return number, self._kept.get((self._make, face.location), partial(self._make, face))
            except (UserError, OSError, ValueError, cv2.error) as error:
                reason = error.what if isinstance(error, UserError) else f"{face.location}: {error}"
                self._unreadable[face.location] = reason
        raise UserError(
            f"None of the {len(self._faces)} faces in {self._faces[0].path.parent} can be used. "
            f"{next(iter(self._unreadable.values()))}",
            "Extract the faces again.",
        )
