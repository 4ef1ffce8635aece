"""Which face is used at which place of a run: a pure function of the place, so that a run can go on anywhere."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# The original's bins of the negated yaw, in radians; both ends are open.
_YAW_EDGES = np.linspace(-1.2, 1.2, 128)


class ShuffledRounds:
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


class EvenYaw:
    """Shuffled rounds over the directions that faces look in, and within a direction over its faces.

    yaws: (N,) radians. A direction with few faces comes as often as one with many.
    """

    def __init__(self, yaws: NDArray[np.float64], key: Sequence[int]) -> None:
        bins = np.searchsorted(_YAW_EDGES[1:], -yaws, side="right")
        self._faces = [np.flatnonzero(bins == number) for number in np.unique(bins)]
        self._directions = ShuffledRounds(len(self._faces), (*key, 0))
        self._within = [ShuffledRounds(len(faces), (*key, 1, at)) for at, faces in enumerate(self._faces)]

    def __call__(self, place: int) -> int:
        direction = self._directions(place)
        # A direction comes once in a round of directions, so the number of that round counts its uses.
        return int(self._faces[direction][self._within[direction](place // len(self._faces))])
