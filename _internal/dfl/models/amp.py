"""AMP, whose swap can be morphed between the two people: built from its options, and as merging sees it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.faces.face_type import FaceType
from dfl.models.compiled import compiled
from dfl.models.options import AmpOptions
from dfl.models.prediction import Prediction
from dfl.nets.amp import Amp


def build_amp(options: AmpOptions) -> Amp:
    """Networks with start values."""
    return Amp(
        options.resolution,
        options.ae_dims,
        options.inter_dims,
        options.e_dims,
        options.d_dims,
        options.d_mask_dims,
        has_trained_inters=options.train_inter,
    )


class AmpSwapModel:
    """A trained AMP model as merging sees it: faces in, Prediction out, all morphed by the same factor.

    morph_factor: 0..1, the share of src's channels; 1 gives src's face, 0 dst's own. digest: of its weights.
    """

    def __init__(
        self,
        network: Amp,
        face_type: FaceType,
        name: str,
        iteration: int,
        digest: str = "",
        *,
        morph_factor: float = 1.0,
    ) -> None:
        self.resolution = network.resolution
        self.face_type = face_type
        self.name = name
        self.iteration = iteration
        self.digest = digest
        self.settings: dict[str, Any] = {"morph_factor": morph_factor}
        self._morph = np.float32(morph_factor)
        self._swap = compiled(network.swap_for_merging)
        self._reconstruct = compiled(network.reconstruct_dst)

    def predict(self, faces: NDArray[np.float32]) -> Prediction:
        """faces: (N, R, R, 3) float32 BGR 0..1, any N."""
        face, face_mask, dst_mask = (np.clip(part, 0, 1) for part in self._swap(faces, self._morph))
        return Prediction(face, face_mask, dst_mask)

    def reconstruct(self, faces: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """dst's own faces and masks, as the model draws them, not morphed. faces: as for predict."""
        face, mask = (np.clip(part, 0, 1) for part in self._reconstruct(faces))
        return face, mask
