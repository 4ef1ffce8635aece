"""XSeg: the mask of a face, drawn by a network that learned from polygons. Predictions, no training."""

import numpy as np
from numpy.typing import NDArray

from dfl.faces.face_type import FaceType
from dfl.models.compiled import compiled
from dfl.nets.xseg import XSeg

# What every XSeg is: fixed in the original.
XSEG_SIZE = {"base": 32, "resolution": 256}
# Weaker traces of a mask are noise.
_SMALLEST = 0.1


def build_xseg() -> XSeg:
    """The network with start values."""
    return XSeg(**XSEG_SIZE)


class XsegModel:
    """A trained XSeg model. face_type: how the faces that it is shown must be cut. digest: of its weights."""

    def __init__(self, network: XSeg, face_type: FaceType, iteration: int, digest: str = "") -> None:
        self.face_type = face_type
        self.iteration = iteration
        self.digest = digest
        self.resolution = network.resolution
        self._draw = compiled(lambda faces: network(faces)[1:])

    def predict(self, faces: NDArray[np.float32]) -> NDArray[np.float32]:
        """Masks (N, R, R, 1) float32 0..1 of faces (N, R, R, 3) float32 BGR 0..1, any N; R is 256.

        Values below 0.1 are 0, as in the original.
        """
        (masks,) = self._draw(faces)
        return np.where(masks < _SMALLEST, np.float32(0), np.clip(masks, 0, 1))
