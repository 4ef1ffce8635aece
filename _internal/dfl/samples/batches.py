"""Batches of samples for a trainer, made ahead in threads.

Everything random depends on the run's seed and the place in the run alone, never on threads or timing: going on at
batch b gives the batches that the first run would have given. OpenCV and numpy let other threads run while they work,
so threads serve as well as processes, share the faces kept in memory, and need no copying.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.base.processes import worker_count
from dfl.base.report import Report
from dfl.faces.pose import pitch_yaw_roll
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.samples.order import EvenYaw, ShuffledRounds
from dfl.samples.sample import (
    Base,
    Dice,
    SampleSettings,
    SideBatch,
    empty_batch,
    fill_sample,
    make_base,
    make_partner,
)

# What a key of random numbers is for; goes behind the run's seed.
_FACES, _PARTNERS, _SAMPLES = 0, 1, 2
_MOST_WORKERS = 4
_BATCHES_AHEAD = 2  # besides those that the workers are at
_MOST_MEMORY_BYTES = 2 * 2**30
_SHARE_OF_FREE_MEMORY = 8


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Kept = TypeVar("Kept", bound=_Sized)


def load_training_faces(folder: Path, report: Report | None = None) -> list[FaceFile]:
    """The faceset of a side, e.g. data_src/aligned; `report` is told what is left out. UserError when it is empty."""
    faces = list_faceset(folder, report)
    if not faces:
        side = folder.parent.name.removeprefix("data_")
        raise UserError(
            f"There are no faces in {folder}.", f"Run extract-faces {side} first (extract-frames {side} before it)."
        )
    return faces


class KeptFaces:
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


class BatchMaker(Iterator[SideBatch]):
    """Gives the batches of one side, from `first_batch` on; each next() is the batch after.

    faces: as load_training_faces gives them. seed: of this side (src and dst need different ones). partners: faces
    whose colours the settings' transfer takes. uniform_yaw: faces of all directions come equally often. workers:
    threads, 0 chooses. memory_bytes: for keeping faces; by default an eighth of the free memory, at most 2 GiB, so
    that both sides together take a quarter.

    A face that cannot be read is left out, named once in `problems`, and the next readable one of the list takes its
    place. UserError from next() when none can be read. Call close() at the end.
    """

    def __init__(
        self,
        faces: Sequence[FaceFile],
        settings: SampleSettings,
        batch_size: int,
        seed: int,
        first_batch: int = 0,
        partners: Sequence[FaceFile] | None = None,
        uniform_yaw: bool = False,
        workers: int = 0,
        memory_bytes: int | None = None,
    ) -> None:
        self._settings, self._batch_size, self._seed = settings, batch_size, seed
        self._faces, self._partners = list(faces), list(partners or ()) if settings.transfer != "none" else []
        self._face_at: Callable[[int], int] = ShuffledRounds(len(faces), (seed, _FACES))
        if uniform_yaw:
            self._face_at = EvenYaw(_yaws(self._faces), (seed, _FACES))
        self._partner_at = ShuffledRounds(len(self._partners), (seed, _PARTNERS))
        free = psutil.virtual_memory().available // _SHARE_OF_FREE_MEMORY
        self._kept = KeptFaces(min(_MOST_MEMORY_BYTES, free) if memory_bytes is None else memory_bytes)
        self._unreadable: dict[str, str] = {}  # by the face's place
        self.waited_seconds = 0.0
        count = worker_count(workers, most=_MOST_WORKERS)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="samples")
        self._coming: deque[Future[SideBatch]] = deque()
        self._next_number = first_batch
        for _ in range(count + _BATCHES_AHEAD):
            self._start_one()

    @property
    def problems(self) -> list[str]:
        """The faces left out until now: file and reason."""
        return list(self._unreadable.values())

    def __next__(self) -> SideBatch:
        """The next batch; time spent waiting for it is added to `waited_seconds`."""
        start = time.perf_counter()
        first = self._coming.popleft()
        self._start_one()
        batch = first.result()
        self.waited_seconds += time.perf_counter() - start
        return batch

    def close(self) -> None:
        """End the threads; batches under way are finished, none is begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start_one(self) -> None:
        self._coming.append(self._pool.submit(self._make, self._next_number))
        self._next_number += 1

    def _make(self, number: int) -> SideBatch:
        batch = empty_batch(self._settings, self._batch_size)
        dice = Dice()
        for index in range(self._batch_size):
            place = number * self._batch_size + index
            base = self._readable(self._faces, self._face_at(place), self._base)
            partner = None
            if self._partners:
                partner = self._readable(self._partners, self._partner_at(place), self._partner)
            dice.start(int(np.random.SeedSequence((self._seed, _SAMPLES, place)).generate_state(1)[0]))
            fill_sample(base, self._settings, dice, partner, batch.sample(index))
        return batch

    def _readable(self, faces: list[FaceFile], wanted: int, make: Callable[[FaceFile], Kept]) -> Kept:
        """What `make` gives for the wanted face, or for the first one after it that can be read."""
        for step in range(len(faces)):
            face = faces[(wanted + step) % len(faces)]
            if face.place in self._unreadable:
                continue
            try:
                return self._kept.get((make, face.place), partial(make, face))
            except (UserError, OSError, ValueError, cv2.error) as error:
                reason = error.what if isinstance(error, UserError) else f"{face.place}: {error}"
                self._unreadable[face.place] = reason
        raise UserError(
            f"None of the {len(faces)} faces in {faces[0].path.parent} can be used. {self.problems[0]}",
            "Extract the faces again.",
        )

    def _base(self, face: FaceFile) -> Base:
        return make_base(face.read_picture(), face.metadata, self._settings, face.place)

    def _partner(self, face: FaceFile) -> Picture:
        return make_partner(face.read_picture(), self._settings)


def _yaws(faces: Sequence[FaceFile]) -> NDArray[np.float64]:
    """How far each face is turned, (N,) radians."""
    return np.array([pitch_yaw_roll(face.metadata.landmarks, face.shape[1])[1] for face in faces])
