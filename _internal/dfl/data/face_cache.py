"""A cache of decoded faces within a memory budget, and a list of faces that skips unreadable ones."""

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
    """Caches entries until a budget of bytes is used up; further ones are computed each time. Nothing is evicted."""

    def __init__(self, budget_bytes: int) -> None:
        self._free, self._entries, self._lock = budget_bytes, dict[Hashable, Any](), threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Cached]) -> Cached:
        """The cached entry of `key`, else the result of `make`, cached if the budget allows."""
        found: Cached | None = self._entries.get(key)
        if found is not None:
            return found
        entry = make()
        with self._lock:
            if key not in self._entries and entry.nbytes <= self._free:
                self._entries[key] = entry
                self._free -= entry.nbytes
        return entry


class ReadableFaces(Generic[Cached]):
    """Faces with what samples need of them; an unreadable face is replaced by the next readable one.

    make: reads a face and prepares it for sampling. cache: stores the results of `make`. unreadable: reasons by the
    face's path, shared with other lists of the same run.
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
        """Index of the face that is used, and its result of `make`. UserError when no face can be used."""
        for step in range(len(self._faces)):
            number = (wanted + step) % len(self._faces)
            face = self._faces[number]
            if face.display_path in self._unreadable:
                continue
            try:
                return number, self._cache.get((self._make, face.display_path), partial(self._make, face))
            except (UserError, OSError, ValueError, cv2.error) as error:
                reason = error.what if isinstance(error, UserError) else f"{face.display_path}: {error}"
                self._unreadable[face.display_path] = reason
        raise UserError(
            f"None of the {len(self._faces)} faces in {self._faces[0].path.parent} can be used. "
            f"{next(iter(self._unreadable.values()))}",
            "Extract the faces again.",
        )
