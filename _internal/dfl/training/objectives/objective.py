"""What training minimises for a class of model: its loss terms, its discriminators, and its previews."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture
from dfl.models.open_model import KerasNetwork
from dfl.training.losses.terms import Tensor, Terms

# By name: `src_warped`, `src_target`, `src_mask`, `src_eyes_mouth`, the same of dst; AMP's `chosen`; XSeg's `picture`
# and `mask`. All (N, H, W, C) float32 0..1.
Batch = dict[str, Tensor]
Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class DiscriminatorTask:
    """A discriminator, and its training after the model's step on the same batch.

    name: its prefix in checkpoints. losses: terms of a batch, see losses.terms; they train its own weights only.
    """

    name: str
    weights: dict[str, keras.Variable]
    losses: Callable[[Batch], Terms]


class Objective(Protocol):
    """One class of model in training."""

    loss_names: tuple[str, ...]  # of the groups of terms whose sums are reported; see losses.terms
    discriminators: tuple[DiscriminatorTask, ...]

    @property
    def network(self) -> KerasNetwork: ...

    def losses(self, batch: Batch) -> Terms:
        """Every loss term of a batch by name, (N,) each; all are minimised."""

    def preview_pages(self, batch: Arrays) -> dict[str, Picture]:
        """Preview pages by name, uint8 BGR, of unwarped faces."""

    def is_collapsed(self, batch: Arrays) -> bool:
        """True on mode collapse: predictions of unwarped faces barely differ within a batch."""


# Mode collapse: the predictions' standard deviation over the batch is below this share of that of the input faces.
_COLLAPSED = 0.05


def is_collapsed(faces: NDArray[np.float32], predicted: NDArray[np.float32]) -> bool:
    """True if predictions barely vary over the batch while its faces do, both (N, R, R, C); False for one face."""
    return len(faces) > 1 and bool(predicted.std(axis=0).mean() < _COLLAPSED * faces.std(axis=0).mean())
