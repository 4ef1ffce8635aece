"""What a model predicts for a face. Light: data workers import it too."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dfl.faces.face_type import FaceType


@dataclass(frozen=True)
class Prediction:
    """Predictions for N faces of R x R pixels, all float32 in 0..1.

    face: (N, R, R, 3) BGR, the swapped face. face_mask: (N, R, R, 1), its mask (learned-prd).
    dst_mask: (N, R, R, 1), the mask of the input face (learned-dst).
    """

    face: NDArray[np.float32]
    face_mask: NDArray[np.float32]
    dst_mask: NDArray[np.float32]


class SwapModel(Protocol):
    """A trained swap model. predict: (N, R, R, 3) float32 BGR 0..1, any N; called from one thread.

    reconstruct: of the same input dst's own faces as the model draws them, (N, R, R, 3) BGR, and their masks
    (N, R, R, 1); not morphed.

    settings: what else its predictions depend on (AMP's morph factor), JSON values. digest: of its weights, as another
    model may have the same name and iteration; empty where it is not known.
    """

    @property
    def name(self) -> str: ...
    @property
    def iteration(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def resolution(self) -> int: ...
    @property
    def face_type(self) -> FaceType: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    def predict(self, faces: NDArray[np.float32], /) -> Prediction: ...
    def reconstruct(self, faces: NDArray[np.float32], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
