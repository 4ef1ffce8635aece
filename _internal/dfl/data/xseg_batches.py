"""Batches of XSeg samples: prefetched, and reproducible from any batch on, as those of data.batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import FloatPicture
from dfl.data.augmentation.random_filters import Mask
from dfl.data.batches import sample_seed
from dfl.data.face_cache import FaceCache, ReadableFaces, memory_for_faces
from dfl.data.prefetch import Prefetcher
from dfl.data.sampler import ShuffledSampler
from dfl.data.xseg_sample import XsegBase, XsegSettings, fill_xseg_sample, has_polygons, make_xseg_base
from dfl.faceset.faceset import FaceFile

# Second part of a random key, after the run's seed: separates the independent random streams.
_FACES, _BACKGROUNDS, _SAMPLES = 0, 1, 2


@dataclass(frozen=True, eq=False)
class XsegBatch:
    """Samples of XSeg.

    picture: (N, R, R, 3) float32 BGR 0..1. mask: (N, R, R, 1) float32, 0 or 1; in pretraining the picture in grey.
    faces: (N,), index of each sample's face in the list of faces.
    """

    picture: FloatPicture
    mask: Mask
    faces: NDArray[np.int64]


def labelled_faces(faces: Sequence[FaceFile]) -> list[FaceFile]:
    """The faces that XSeg is trained on: those with polygons, or if there are none, those with an applied mask.

    UserError when there are neither.
    """
    labelled = [face for face in faces if has_polygons(face.metadata)]
    labelled = labelled or [face for face in faces if face.metadata.xseg_mask is not None]
    if not labelled:
        raise UserError(
            f"There are no labelled faces: none of the {len(faces)} faces has polygons or an applied XSeg mask.",
            "Draw outlines on a few dozen faces of either side first, or apply masks with a trained XSeg.",
        )
    return labelled


class XsegBatchMaker(Iterator[XsegBatch]):
    """Iterator over batches, starting with number `first_batch`.

    faces: of both sides, from labelled_faces (any, for settings that need no labels). workers: threads, 0: automatic.
    memory_bytes: budget of the face cache; default: memory_for_faces().

    A face that cannot be read is named once in `problems` and replaced by the next readable one of the list. UserError
    from next() when none can be read. Call close() at the end.
    """

    def __init__(
        self,
        faces: Sequence[FaceFile],
        settings: XsegSettings,
        batch_size: int,
        seed: int,
        first_batch: int = 0,
        workers: int = 0,
        memory_bytes: int | None = None,
    ) -> None:
        self._settings, self._batch_size, self._seed = settings, batch_size, seed
        self._unreadable: dict[str, str] = {}  # by the face's path
        cache = FaceCache(memory_for_faces() if memory_bytes is None else memory_bytes)
        self._faces = ReadableFaces(faces, self._base, cache, self._unreadable)
        self._face_at = ShuffledSampler(len(faces), (seed, _FACES))
        self._background_at = ShuffledSampler(len(faces), (seed, _BACKGROUNDS))
        self._batches = Prefetcher(self._make, first_batch, workers)

    @property
    def problems(self) -> list[str]:
        """The faces that could not be read so far: file and reason."""
        return list(self._unreadable.values())

    @property
    def waited_seconds(self) -> float:
        """Total time that next() has waited."""
        return self._batches.waited_seconds

    def __next__(self) -> XsegBatch:
        """The next batch."""
        return next(self._batches)

    def close(self) -> None:
        """End the threads: batches being made are finished, no more are started."""
        self._batches.close()

    def _make(self, number: int) -> XsegBatch:
        count, side = self._batch_size, self._settings.resolution
        picture = np.empty((count, side, side, 3), np.float32)
        mask = np.empty((count, side, side, 1), np.float32)
        faces = np.empty(count, np.int64)
        for index in range(count):
            sample = number * count + index
            faces[index], base = self._faces.get(self._face_at(sample))
            random = RandomState(sample_seed(self._seed, _SAMPLES, sample))
            background = partial(self._background, sample)
            fill_xseg_sample(base, self._settings, background, random, picture[index], mask[index])
        return XsegBatch(picture, mask, faces)

    def _background(self, sample: int) -> XsegBase:
        return self._faces.get(self._background_at(sample))[1]

    def _base(self, face: FaceFile) -> XsegBase:
        return make_xseg_base(face.read_picture(), face.metadata, self._settings, face.display_path)
