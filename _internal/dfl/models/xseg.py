"""XSeg as other stages use it: the mask of a face, predicted by a network trained on polygons. No training here."""

import numpy as np
from numpy.typing import NDArray

from dfl.faces.face_type import FaceType
from dfl.models.compiled import compiled
from dfl.models.options import XSEG_SIZE, XsegOptions
from dfl.nets.xseg import XSeg

# Mask values below are noise.
_NOISE = 0.1


def build_xseg(_: XsegOptions) -> XSeg:
    """The network with start values; no option changes it."""
    return XSeg(**XSEG_SIZE)


class XsegModel:
    """A trained XSeg model. face_type: how the faces that it is given must be cut. digest: of its weights."""

    def __init__(self, network: XSeg, face_type: FaceType, name: str, iteration: int, digest: str = "") -> None:
        self.face_type = face_type
        self.name = name
        self.iteration = iteration
        self.digest = digest
        self.resolution = network.resolution
        self._predict = compiled(lambda faces: network(faces)[1:])

    def predict(self, faces: NDArray[np.float32]) -> NDArray[np.float32]:
        """Masks (N, R, R, 1) float32 0..1 of faces (N, R, R, 3) float32 BGR 0..1, any N; R is 256.

        Values below 0.1 are 0, as in the original.
        """
        (masks,) = self._predict(faces)
        return np.where(masks < _NOISE, np.float32(0), np.clip(masks, 0, 1))
