"""Notices when training no longer gets better."""

from collections.abc import Sequence

# What counts as better: a loss smaller by this share.
MIN_IMPROVEMENT = 0.005
# Training's losses jump about; the mean over this share of the patience is compared.
_BLOCKS = 10


class EarlyStopping:
    """Told losses, says whether for `patience` iterations none was better by half a percent. Patience 0: never."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._block: list[float] = []
        self._best = float("inf")
        self._best_at = self._last = 0

    @property
    def is_reached(self) -> bool:
        """Whether it is time to stop."""
        return bool(self._patience) and self._best < float("inf") and self._last - self._best_at >= self._patience

    def note_step(self, iteration: int, losses: Sequence[float]) -> None:
        """The training losses of a step."""
        self._block.append(sum(losses))
        if len(self._block) >= max(1, self._patience // _BLOCKS):
            self.note(iteration, sum(self._block) / len(self._block))
            self._block.clear()

    def note(self, iteration: int, loss: float) -> None:
        """A steady loss: of held-out faces."""
        self._last = iteration
        if loss < self._best * (1 - MIN_IMPROVEMENT) or iteration < self._best_at:
            self._best, self._best_at = loss, iteration
