"""What a class of model learns: its losses on a batch, its opponents, and what it shows of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture
from dfl.models.open_model import KerasNetwork

Tensor = Any
# By name: `src_warped`, `src_target`, `src_mask`, `src_eyes_mouth`, the same of dst; AMP's `chosen`; XSeg's `picture`
# and `mask`. All (N, H, W, C) float32 0..1.
Batch = dict[str, Tensor]
Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class DiscriminatorTask:
    """A network that judges the model's faces, and is trained after it on the same batch.

    losses: of a batch, (N,), for the opponent's own weights only.
    """

    name: str
    weights: dict[str, keras.Variable]
    losses: Callable[[Batch], Tensor]


class Objective(Protocol):
    """One class of model in training."""

    loss_names: tuple[str, ...]  # of the losses that people see
    opponents: tuple[DiscriminatorTask, ...]

    @property
    def network(self) -> KerasNetwork: ...

    def losses(self, batch: Batch) -> tuple[Tensor, ...]:
        """Losses of a batch, (N,) each: first those that people see, then what counts for the gradient only."""

    def show(self, batch: Arrays) -> dict[str, Picture]:
        """Preview pages by name, uint8 BGR, of unwarped faces."""

    def is_blind(self, batch: Arrays) -> bool:
        """Whether the model makes the same of all faces of a batch for `show`: then it has broken down."""


# Predictions that differ less than this share of what the faces themselves differ are all the same.
_BLIND = 0.05


def is_blind(faces: NDArray[np.float32], predicted: NDArray[np.float32]) -> bool:
    """Whether predictions do not change with the faces, both (N, R, R, C); never for a single face."""
    return len(faces) > 1 and bool(predicted.std(axis=0).mean() < _BLIND * faces.std(axis=0).mean())
