"""Watches the losses for a training that breaks down: no numbers, an explosion, a collapse."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# How many losses tell what is usual, and how many there must be before anything is called unusual.
_REMEMBERED, _FEWEST = 500, 50
# A loss is out of range above the usual 90 % quantile times this; so many in a row are a breakdown, not a hard batch.
_FACTOR = 2.0
# Losses of networks that judge each other swing widely, and fall to nothing: only what is far beyond counts.
_HIDDEN_FACTOR, _MIN_HIDDEN = 100.0, 100.0
_IN_A_ROW = 5
# Batches without a finite loss in a row: one may be a bad picture.
_NAN_IN_A_ROW = 3


@dataclass
class DivergenceDetector:
    """Told of every step's mean losses; says when the model must go back to its last good state."""

    usual: deque[NDArray[np.float32]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    usual_hidden: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))  # the largest of a step
    not_numbers: int = 0
    too_high: int = 0

    def check(self, losses: NDArray[np.float32], hidden: Sequence[float] = (), has_gradients: bool = True) -> str:
        """Empty while all is well, else what went wrong.

        losses: mean of each loss that is shown. hidden: of those that are not: GAN's and true face's, and those of the
        networks that judge. has_gradients: whether all gradients were finite numbers.
        """
        largest = max(map(abs, hidden), default=0.0) if np.isfinite(hidden).all() else float("inf")
        if not np.isfinite(losses).all() or not np.isfinite(largest) or not has_gradients:
            self.not_numbers += 1
            what = "a gradient" if np.isfinite(largest) else "a loss of GAN or true face"
            what = what if np.isfinite(losses).all() else "the loss"
            return f"{what} is no number" if self.not_numbers >= _NAN_IN_A_ROW else ""
        self.not_numbers = 0
        if len(self.usual) >= _FEWEST and self._is_too_high(losses, largest):
            self.too_high += 1
            return "the loss has exploded" if self.too_high >= _IN_A_ROW else ""
        self.too_high = 0
        self.usual.append(losses)
        self.usual_hidden.append(largest)
        return ""

    def _is_too_high(self, losses: NDArray[np.float32], hidden: float) -> bool:
        is_too_high = bool((losses > _FACTOR * np.quantile(self.usual, 0.9, axis=0)).any())
        if is_too_high or hidden <= _MIN_HIDDEN:
            return is_too_high
        return bool(hidden > _HIDDEN_FACTOR * np.quantile(self.usual_hidden, 0.9))

    def forget(self) -> None:
        """Start anew, after the model went back."""
        self.usual.clear()
        self.usual_hidden.clear()
        self.not_numbers = self.too_high = 0
