"""A cache of what samples need of faces, within a memory budget; and a list of faces that skips unreadable ones."""

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


Cached = TypeVar("Cached", bound=_Sized)


def memory_for_faces() -> int:
    """An eighth of the free memory, at most 2 GiB, in bytes: both sides together take a quarter."""
    return min(_MAX_MEMORY_BYTES, free_memory() // _SHARE_OF_FREE_MEMORY)


class FaceCache:
    """Caches entries until a budget of bytes is used up; later ones are made each time. Nothing is evicted."""

    def __init__(self, budget_bytes: int) -> None:
        self._free, self._entries, self._lock = budget_bytes, dict[Hashable, Any](), threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Cached]) -> Cached:
        """The entry of `key`, or what `make` returns."""
        found: Cached | None = self._entries.get(key)
        if found is not None:
            return found
        made = make()
        with self._lock:
            if key not in self._entries and made.nbytes <= self._free:
                self._entries[key] = made
                self._free -= made.nbytes
        return made


class ReadableFaces(Generic[Cached]):
    """Faces and what is made of them; one that cannot be read is left out, the next readable one takes its place.

    make: reads a face and makes of it what a sample needs. cache: where that is kept. unreadable: reasons by the face's
    path, shared with other lists of the same run.
    """

    def __init__(
        self,
        faces: Sequence[FaceFile],
        make: Callable[[FaceFile], Cached],
        cache: FaceCache,
        unreadable: dict[str, str],
    ) -> None:
        self._faces, self._make, self._cache, self._unreadable = list(faces), make, cache, unreadable

    def get(self, wanted: int) -> tuple[int, Cached]:
        """The number of the face that is used, and what is made of it. UserError when no face can be used."""
        for step in range(len(self._faces)):
            number = (wanted + step) % len(self._faces)
            face = self._faces[number]
            if face.location in self._unreadable:
                continue
            try:
                return number, self._cache.get((self._make, face.location), partial(self._make, face))
            except (UserError, OSError, ValueError, cv2.error) as error:
                reason = error.what if isinstance(error, UserError) else f"{face.location}: {error}"
                self._unreadable[face.location] = reason
        raise UserError(
            f"None of the {len(self._faces)} faces in {self._faces[0].path.parent} can be used. "
            f"{next(iter(self._unreadable.values()))}",
            "Extract the faces again.",
        )
