"""Which face is used at which place of a run: a pure function of the place, so that a run can go on anywhere."""

import math
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dfl.data.prefetch import MAX_BEGUN

Order = Callable[[int], int]

# The original's bins of the negated yaw, in radians; both ends are open.
_YAW_EDGES = np.linspace(-1.2, 1.2, 128)


class ShuffledSampler:
    """Every one of `count` numbers once per round, each round in an order of its own.

    `key`: what the orders depend on, besides the round: the run's seed and what is chosen.
    """

    def __init__(self, count: int, key: Sequence[int]) -> None:
        self._count, self._key = count, tuple(key)
        # Threads work on neighbouring places only, so two rounds are in use at most.
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    def __call__(self, place: int) -> int:
        return int(self._shuffled(place // self._count)[place % self._count])

    def _shuffle(self, round_number: int) -> NDArray[np.int64]:
        return np.random.default_rng((*self._key, round_number)).permutation(self._count)


class EvenYawSampler:
    """Shuffled rounds over the directions that faces look in, and within a direction over its faces.

    yaws: (N,) radians. A direction with few faces comes as often as one with many.
    """

    def __init__(self, yaws: NDArray[np.float64], key: Sequence[int]) -> None:
        bins = np.searchsorted(_YAW_EDGES[1:], -yaws, side="right")
        self._faces = [np.flatnonzero(bins == number) for number in np.unique(bins)]
        self._directions = ShuffledSampler(len(self._faces), (*key, 0))
        self._within = [ShuffledSampler(len(faces), (*key, 1, at)) for at, faces in enumerate(self._faces)]

    def __call__(self, place: int) -> int:
        direction = self._directions(place)
        # A direction comes once in a round of directions, so the number of that round counts its uses.
        return int(self._faces[direction][self._within[direction](place // len(self._faces))])


class HardExampleSampler:
    """Rounds in which every face comes once, and the quarter with the highest losses twice more.

    What a round takes for the losses is what was known when the round before it began: batches are made ahead, and so
    the order depends on the losses alone, not on how far ahead. Losses go into a running mean of each face.

    key: see ShuffledSampler. first_batch: where the run goes on. state: what state() gave when the run was saved after
    the batch before; then it goes on as if it had not been stopped. Without it all losses are unknown; one of another
    batch size serves for its losses, one of another number of faces is left aside.
    """

    _EXTRA = 2  # times more
    _SHARE = 4  # one face of so many
    # Batches that may be told later than those that are made ahead ask for.
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
        # A round of few faces goes through them several times.
        self._times = math.ceil((MAX_BEGUN + self._MARGIN) * batch_size / single)
        self._length = single * self._times
        self._round = first_batch * batch_size // self._length  # of the last loss that was told
        # Losses by face, NaN where unknown: for that round, for the one after it, and as they are now.
        self._losses = np.full((3, count), np.nan, np.float32)
        self._lock = threading.Lock()
        self._shuffled = lru_cache(maxsize=4)(self._shuffle)
        if state is not None and state["losses"].shape == self._losses.shape:
            round_told, batch_size_told = (int(number) for number in state["told"])
            same = batch_size_told == batch_size and self._round - round_told in (0, 1)
            self._round = round_told if same else self._round
            self._losses[:] = state["losses"] if same else state["losses"][2]

    def __call__(self, place: int) -> int:
        """The face at a place. RuntimeError when losses were not told in time."""
        return int(self._shuffled(place // self._length)[place % self._length])

    def tell(self, batch: int, faces: NDArray[np.int64], losses: NDArray[np.float32]) -> None:
        """Say what a batch's samples lost: its number, their faces (N,) as the batch names them, losses (N,).

        Batches are told in their order; some may be left out.
        """
        with self._lock:
            for index, (face, loss) in enumerate(zip(faces, losses, strict=True)):
                while self._round < (batch * self._batch_size + index) // self._length:
                    self._round += 1
                    self._losses[:2] = self._losses[1:]
                if np.isfinite(loss):
                    known = self._losses[2, face]
                    self._losses[2, face] = loss if np.isnan(known) else (known + loss) / 2

    def state(self) -> dict[str, NDArray[np.float32]]:
        """What to save with the model."""
        with self._lock:
            return {"losses": self._losses.copy(), "told": np.array([self._round, self._batch_size], np.float32)}

    def _shuffle(self, round_number: int) -> NDArray[np.int64]:
        with self._lock:
            ahead = round_number - self._round
            if ahead not in (0, 1):
                raise RuntimeError(f"round {round_number} of faces needs losses that were not told")
            losses = np.nan_to_num(self._losses[ahead], nan=-np.inf)
        parts = []
        for time in range(self._times):
            random = np.random.default_rng((*self._key, round_number, time))
            highest = np.lexsort((random.random(self._count), -losses))[: self._high_count]
            parts.append(random.permutation(np.concatenate([np.arange(self._count), *[highest] * self._EXTRA])))
        return np.concatenate(parts)
