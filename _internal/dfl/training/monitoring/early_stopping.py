"""Early stopping: ends training when the loss has reached a plateau."""

from collections.abc import Sequence

# What counts as better: a loss smaller by this share.
MIN_IMPROVEMENT = 0.005
# Losses of single steps are noisy: means over this part of the patience are compared.
_BLOCKS = 10


class EarlyStopping:
    """Reached when the loss has not improved by half a percent for `patience` iterations. Patience 0: never."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._block: list[float] = []
        self._best = float("inf")
        self._best_at = self._last = 0

    @property
    def is_reached(self) -> bool:
        """Whether training should stop."""
        return bool(self._patience) and self._best < float("inf") and self._last - self._best_at >= self._patience

    def update_step(self, iteration: int, losses: Sequence[float]) -> None:
        """The training losses of a step."""
        self._block.append(sum(losses))
        if len(self._block) >= max(1, self._patience // _BLOCKS):
            self.update(iteration, sum(self._block) / len(self._block))
            self._block.clear()

    def update(self, iteration: int, loss: float) -> None:
        """A loss without noise: that of validation faces."""
        self._last = iteration
        if loss < self._best * (1 - MIN_IMPROVEMENT) or iteration < self._best_at:
            self._best, self._best_at = loss, iteration
