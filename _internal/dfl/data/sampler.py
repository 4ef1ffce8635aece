"""Samplers: the face of each sample of a run, a function of the sample's index, so that a run can go on anywhere."""

import math
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dfl.data.prefetch import MAX_BEGUN

# The face of the sample of this index, counted over the whole run.
Sampler = Callable[[int], int]

# The original's bins of the negated yaw, in radians; both ends are open.
_YAW_EDGES = np.linspace(-1.2, 1.2, 128)


class ShuffledSampler:
    """Every one of `count` faces once in an epoch, shuffled anew for each epoch.

    key: what the shuffling depends on besides the epoch: the run's seed and what is chosen.
    """

    def __init__(self, count: int, key: Sequence[int]) -> None:
        self._count, self._key = count, tuple(key)
        # Threads work on neighbouring samples only, so two epochs are in use at most.
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    def __call__(self, index: int) -> int:
        return int(self._shuffled(index // self._count)[index % self._count])

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng((*self._key, epoch)).permutation(self._count)


class EvenYawSampler:
    """Balances yaw: draws a bin of yaw first, then a face within it, both shuffled.

    yaws: (N,) radians. A bin with few faces comes as often as one with many.
    """

    def __init__(self, yaws: NDArray[np.float64], key: Sequence[int]) -> None:
        bins = np.searchsorted(_YAW_EDGES[1:], -yaws, side="right")
        self._faces = [np.flatnonzero(bins == number) for number in np.unique(bins)]
        self._yaw_bins = ShuffledSampler(len(self._faces), (*key, 0))
        self._within = [ShuffledSampler(len(faces), (*key, 1, number)) for number, faces in enumerate(self._faces)]

    def __call__(self, index: int) -> int:
        yaw_bin = self._yaw_bins(index)
        # A bin comes once in an epoch over the bins, so the number of that epoch counts its uses.
        return int(self._faces[yaw_bin][self._within[yaw_bin](index // len(self._faces))])


class HardExampleSampler:
    """Epochs in which every face comes once, and the quarter with the highest losses twice more.

    An epoch uses the losses as they were when the epoch before it began: batches are prefetched, and so the order
    depends on the losses alone, not on how far ahead. Losses go into a running mean of each face.

    key: see ShuffledSampler. first_batch: where the run continues. state: of state() when the run was saved after the
    batch before; then it continues as if it had not been stopped. Without it all losses are unknown; one of another
    batch size serves for its losses, one of another number of faces is left aside.
    """

    _EXTRA = 2  # times more
    _SHARE = 4  # one face of so many
    # Batches whose losses may come later than prefetching needs them.
    _MARGIN = 4

    def __init__(
        self,
        count: int,
        batch_size: int,
        key: Sequence[int],
        first_batch: int = 0,
        state: dict[str, NDArray[np.float32]] | None = None,
    ) -> None:
        self._count, self._batch_size, self._key = count, batch_size, tuple(key)
        self._high_count = max(1, count // self._SHARE)
        single = count + self._EXTRA * self._high_count
        # An epoch of few faces goes through them several times.
        self._times = math.ceil((MAX_BEGUN + self._MARGIN) * batch_size / single)
        self._length = single * self._times
        self._epoch = first_batch * batch_size // self._length  # of the last loss that was reported
        # Losses by face, NaN where unknown: for that epoch, for the one after it, and as they are now.
        self._losses = np.full((3, count), np.nan, np.float32)
        self._lock = threading.Lock()
        self._shuffled = lru_cache(maxsize=4)(self._shuffle)
        if state is not None and state["losses"].shape == self._losses.shape:
            saved_epoch, saved_batch_size = (int(number) for number in state["told"])
            same = saved_batch_size == batch_size and self._epoch - saved_epoch in (0, 1)
            self._epoch = saved_epoch if same else self._epoch
            self._losses[:] = state["losses"] if same else state["losses"][2]

    def __call__(self, index: int) -> int:
        """See Sampler. RuntimeError when losses were not reported in time."""
        return int(self._shuffled(index // self._length)[index % self._length])

    def update(self, batch: int, faces: NDArray[np.int64], losses: NDArray[np.float32]) -> None:
        """Take in the losses (N,) of the faces (N,) of a batch, by its number.

        Batches come in their order; some may be left out.
        """
        with self._lock:
            for index, (face, loss) in enumerate(zip(faces, losses, strict=True)):
                while self._epoch < (batch * self._batch_size + index) // self._length:
                    self._epoch += 1
                    self._losses[:2] = self._losses[1:]
                if np.isfinite(loss):
                    known = self._losses[2, face]
                    self._losses[2, face] = loss if np.isnan(known) else (known + loss) / 2

    def state(self) -> dict[str, NDArray[np.float32]]:
        """The arrays that a checkpoint needs."""
        with self._lock:
            return {"losses": self._losses.copy(), "told": np.array([self._epoch, self._batch_size], np.float32)}

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        with self._lock:
            ahead = epoch - self._epoch
            if ahead not in (0, 1):
                raise RuntimeError(f"epoch {epoch} of faces needs losses that were not reported")
            losses = np.nan_to_num(self._losses[ahead], nan=-np.inf)
        parts = []
        for time in range(self._times):
            random = np.random.default_rng((*self._key, epoch, time))
            highest = np.lexsort((random.random(self._count), -losses))[: self._high_count]
            parts.append(random.permutation(np.concatenate([np.arange(self._count), *[highest] * self._EXTRA])))
        return np.concatenate(parts)
