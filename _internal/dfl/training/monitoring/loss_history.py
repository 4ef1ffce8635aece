"""The losses of every iteration in one growing array, so that a million iterations are appended and drawn quickly."""

import numpy as np
from numpy.typing import NDArray


class LossHistory:
    """(iterations, losses) float32: the mean of every reported loss of every iteration."""

    def __init__(self, start: NDArray[np.float32], count: int) -> None:
        """start: what is known, (n, count)."""
        self._length = len(start)
        self._rows: NDArray[np.float32] = np.zeros((max(1024, 2 * len(start)), count), np.float32)
        self._rows[: len(start)] = start.reshape(-1, count)

    def __len__(self) -> int:
        return self._length

    def append(self, losses: NDArray[np.float32]) -> None:
        """Add an iteration."""
        if self._length == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._length] = losses
        self._length += 1

    def cut(self, length: int) -> None:
        """Drop all but the first `length` iterations."""
        self._length = min(self._length, length)

    def rows(self) -> NDArray[np.float32]:
        """All of them, (n, count); not a copy."""
        return self._rows[: self._length]

    def mean_of_last(self, count: int) -> tuple[float, ...]:
        """Mean of every loss over the last `count` iterations, at least one; rows that are not finite do not count."""
        recent = self.rows()[-max(1, count) :]
        recent = recent[np.isfinite(recent).all(axis=1)]
        return tuple(float(mean) for mean in recent.mean(axis=0)) if len(recent) else ()
