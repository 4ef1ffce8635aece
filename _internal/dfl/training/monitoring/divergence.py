"""Detects divergence of training: losses or gradients that are not finite, or a loss that explodes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Length of the window of recent losses, and how many of them a judgement needs at least.
_WINDOW, _MIN_COUNT = 500, 50
# A loss is out of range above the usual 90 % quantile times this; so many in a row are a breakdown, not a hard batch.
_FACTOR = 2.0
# Adversarial losses swing widely and may fall to 0: only values far beyond the usual count.
_UNREPORTED_FACTOR, _MIN_UNREPORTED = 100.0, 100.0
_IN_A_ROW = 5
# Batches without a finite loss in a row: one may be a bad picture.
_NAN_IN_A_ROW = 3


@dataclass
class DivergenceDetector:
    """Checks every step's mean losses; tells when the model must go back to its last good checkpoint."""

    usual: deque[NDArray[np.float32]] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    usual_unreported: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))  # the largest of a step
    not_numbers: int = 0
    too_high: int = 0

    def check(self, losses: NDArray[np.float32], unreported: Sequence[float] = (), has_gradients: bool = True) -> str:
        """Empty while all is well, else what went wrong.

        losses: means of the reported losses. unreported: those of the others: GAN, true face, and the discriminators.
        has_gradients: whether all gradients were finite numbers.
        """
        largest = max(map(abs, unreported), default=0.0) if np.isfinite(unreported).all() else float("inf")
        if not np.isfinite(losses).all() or not np.isfinite(largest) or not has_gradients:
            self.not_numbers += 1
            what = "a gradient" if np.isfinite(largest) else "a loss of GAN or true face"
            what = what if np.isfinite(losses).all() else "the loss"
            return f"{what} is no number" if self.not_numbers >= _NAN_IN_A_ROW else ""
        self.not_numbers = 0
        if len(self.usual) >= _MIN_COUNT and self._is_too_high(losses, largest):
            self.too_high += 1
            return "the loss has exploded" if self.too_high >= _IN_A_ROW else ""
        self.too_high = 0
        self.usual.append(losses)
        self.usual_unreported.append(largest)
        return ""

    def _is_too_high(self, losses: NDArray[np.float32], unreported: float) -> bool:
        is_too_high = bool((losses > _FACTOR * np.quantile(self.usual, 0.9, axis=0)).any())
        if is_too_high or unreported <= _MIN_UNREPORTED:
            return is_too_high
        return bool(unreported > _UNREPORTED_FACTOR * np.quantile(self.usual_unreported, 0.9))

    def forget(self) -> None:
        """Clear the window, after the model went back."""
        self.usual.clear()
        self.usual_unreported.clear()
        self.not_numbers = self.too_high = 0
