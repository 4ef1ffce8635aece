"""What a model predicts for a face. Light: data workers import it too."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """Predictions for N faces of R x R pixels, all float32 in 0..1.

    face: (N, R, R, 3) BGR, the swapped face. face_mask: (N, R, R, 1), its mask (learned-prd).
    dst_mask: (N, R, R, 1), the mask of the input face (learned-dst).
    """

    face: NDArray[np.float32]
    face_mask: NDArray[np.float32]
    dst_mask: NDArray[np.float32]
