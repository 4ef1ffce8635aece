"""Keep hold of faces that were there in the frame before."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture
from dfl.faces.mesh import Mesh, MeshNetwork
from dfl.faces.square import Square, overlap

# A face of this frame that overlaps one of the frame before so much is taken for it.
_MATCH_OVERLAP = 0.3
_LEAST_PRESENCE = 3.0
_LEAST_OVERLAP = 0.4


def lost(
    before: Sequence[tuple[NDArray[np.float32], Square]], now: Sequence[Mesh]
) -> list[tuple[NDArray[np.float32], Square]]:
    """Those faces of the frame before (box, mesh square) that no mesh of this frame matches."""
    return [(box, square) for box, square in before if all(overlap(box, mesh.box) < _MATCH_OVERLAP for mesh in now)]


def regain(network: MeshNetwork, frame: Picture, box: NDArray[np.float32], square: Square, passes: int) -> Mesh | None:
    """Look for a lost face where it was, with mesh v2; None when there is none or it lies elsewhere."""
    mesh = network.refine(frame, square, passes)
    if mesh.presence > _LEAST_PRESENCE and overlap(mesh.box, box) > _LEAST_OVERLAP:
        return mesh
    return None
