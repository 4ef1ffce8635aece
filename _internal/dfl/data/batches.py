"""Batches of samples of one side, for training.

All randomness depends on the run's seed and the sample's index alone, not on threads or timing: a run that continues
at batch b gets the same batches as one that was never stopped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfl.base.report import Report
from dfl.data.face_cache import FaceCache, ReadableFaces, memory_for_faces
from dfl.data.prefetch import Prefetcher
from dfl.data.pretraining import picture_and_metadata
from dfl.data.sample import (
    Base,
    Partner,
    RandomStreams,
    SampleSettings,
    SideBatch,
    empty_batch,
    fill_sample,
    make_base,
    make_partner,
)
from dfl.data.sampler import EvenYawSampler, Sampler, ShuffledSampler
from dfl.faces.pose import pitch_yaw_roll
from dfl.faceset.faceset import FaceFile, list_faceset, no_faces
from dfl.imaging.colour_transfer import is_formula

# Second part of a random key, after the run's seed: separates the independent random streams.
_FACES, _PARTNERS, _SAMPLES = 0, 1, 2
# Cache of partners of which only colour statistics are stored: enough for any faceset.
_COLOURS_MEMORY_BYTES = 2**27


def load_training_faces(folder: Path, report: Report | None = None) -> list[FaceFile]:
    """The faceset of a side, e.g. data_src/aligned; files left out go to `report`. UserError when it is empty."""
    faces = list_faceset(folder, report)
    if not faces:
        side = folder.parent.name.removeprefix("data_")
        raise no_faces(folder, f"Run extract-faces {side} first (extract-frames {side} before it).")
    return faces


class BatchMaker(Iterator[SideBatch]):
    """Iterator over the batches of one side, starting with number `first_batch`.

    faces: from load_training_faces. seed: of this side (src and dst need different ones). partners: references of the
    settings' colour transfer. uniform_yaw: sample faces uniformly over yaw. sampler: chooses the face of each sample;
    overrides uniform_yaw. is_warped: whether the samples of a batch are warped, by its number, if the settings say so;
    all if not given. workers: threads, 0: automatic. memory_bytes: budget of the face cache; default:
    memory_for_faces().

    A face that cannot be read is named once in `problems` and replaced by the next readable one of the list. UserError
    from next() when none can be read. Call close() at the end.
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
        sampler: Sampler | None = None,
        is_warped: Callable[[int], bool] | None = None,
        workers: int = 0,
        memory_bytes: int | None = None,
    ) -> None:
        self._settings, self._batch_size, self._seed = settings, batch_size, seed
        self._is_warped, self._unwarped = is_warped, replace(settings, warp=False)
        self._unreadable: dict[str, str] = {}  # by the face's path
        cache = FaceCache(memory_for_faces() if memory_bytes is None else memory_bytes)
        self._faces = ReadableFaces(faces, self._base, cache, self._unreadable)
        self._face_at: Sampler = sampler or ShuffledSampler(len(faces), (seed, _FACES))
        if uniform_yaw and sampler is None:
            self._face_at = EvenYawSampler(_yaws(faces), (seed, _FACES))
        self._partners: ReadableFaces[Partner] | None = None
        if partners and settings.transfer != "none":
            partner_cache = FaceCache(_COLOURS_MEMORY_BYTES) if is_formula(settings.transfer) else cache
            self._partners = ReadableFaces(partners, self._partner, partner_cache, self._unreadable)
            self._partner_at = ShuffledSampler(len(partners), (seed, _PARTNERS))
        self._batches = Prefetcher(self._make, first_batch, workers)

    @property
    def problems(self) -> list[str]:
        """The faces that could not be read so far: file and reason."""
        return list(self._unreadable.values())

    @property
    def waited_seconds(self) -> float:
        """Total time that next() has waited."""
        return self._batches.waited_seconds

    def __next__(self) -> SideBatch:
        """The next batch."""
        return next(self._batches)

    def close(self) -> None:
        """End the threads: batches being made are finished, no more are started."""
        self._batches.close()

    def _make(self, number: int) -> SideBatch:
        batch = empty_batch(self._settings, self._batch_size)
        streams = RandomStreams()
        settings = self._settings if self._is_warped is None or self._is_warped(number) else self._unwarped
        for index in range(self._batch_size):
            sample = number * self._batch_size + index
            batch.faces[index], base = self._faces.get(self._face_at(sample))
            partner = self._partners.get(self._partner_at(sample))[1] if self._partners else None
            streams.start(sample_seed(self._seed, _SAMPLES, sample))
            fill_sample(base, settings, streams, partner, batch.sample(index))
        return batch

    def _base(self, face: FaceFile) -> Base:
        return make_base(*picture_and_metadata(face), self._settings, face.display_path)

    def _partner(self, face: FaceFile) -> Partner:
        return make_partner(face.read_picture(), self._settings)


def sample_seed(*key: int) -> int:
    """A seed 0..2**32-1 from a key of integers, by numpy's SeedSequence."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def _yaws(faces: Sequence[FaceFile]) -> NDArray[np.float64]:
    """The yaw of each face, (N,) radians."""
    return np.array([pitch_yaw_roll(face.metadata.landmarks, face.shape[1])[1] for face in faces])
