"""Watches the losses for a training that breaks down: no numbers, an explosion, a collapse."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# How many losses tell what is usual, and how many there must be before anything is called unusual.
_REMEMBERED, _FEWEST = 500, 50
# A loss is out of range above the usual 90 % quantile times this; so many in a row are a breakdown, not a hard batch.
_FACTOR = 2.0
_IN_A_ROW = 5
# Batches without a finite loss in a row: one may be a bad picture.
_NAN_IN_A_ROW = 3


@dataclass
class Guard:
    """Told of every step's mean losses; says when the model must go back to its last good state."""

    usual: deque[NDArray[np.float32]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    not_numbers: int = 0
    too_high: int = 0

    def judge(self, losses: NDArray[np.float32]) -> str:
        """Empty while all is well, else what went wrong. losses: mean of each loss that is shown."""
        if not np.isfinite(losses).all():
            self.not_numbers += 1
            return "the loss is no number" if self.not_numbers >= _NAN_IN_A_ROW else ""
        self.not_numbers = 0
        if len(self.usual) >= _FEWEST and (losses > _FACTOR * np.quantile(self.usual, 0.9, axis=0)).any():
            self.too_high += 1
            return "the loss has exploded" if self.too_high >= _IN_A_ROW else ""
        self.too_high = 0
        self.usual.append(losses)
        return ""

    def forget(self) -> None:
        """Start anew, after the model went back."""
        self.usual.clear()
        self.not_numbers = self.too_high = 0
