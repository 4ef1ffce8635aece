"""From the face mesh to the 68 landmarks that facesets are made of."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Points
from dfl.faces.align import ALIGNMENT_LANDMARKS, mean_face, mirror_landmarks, similarity
from dfl.faces.mesh import Mesh

# The mesh point nearest to each landmark, in the landmarks' order.
MESH_POINT_OF_LANDMARK = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),  # jaw
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
)

# How far the iBUG scheme puts a landmark from its mesh point: landmark, x, y in thousandths of the mean face's unit
# square. Mean of 364 faces with a yaw under 20 degrees; the other half of the face is the mirror of this one.
_OFFSETS = (
    *((0, -16, 113), (1, -4, 29), (2, 9, 62), (3, -22, -58), (4, -19, -31), (5, 8, 13), (6, -20, -10)),
    *((7, -40, -8), (8, 0, 6), (17, -5, 19), (18, 20, -3), (19, 45, 0), (20, 46, 6), (21, 25, 26), (27, 0, 2)),
    *((28, 0, -24), (29, 0, -33), (30, 0, 6), (31, -11, 5), (32, 5, -2), (33, 0, 11), (36, 2, 2), (37, 14, 0)),
    *((38, 7, 5), (39, -16, -4), (40, -10, 1), (41, -2, -1), (48, -5, 2), (49, -16, 11), (50, 3, 3)),
    *((51, 0, 6), (55, 19, -16), (56, -1, -3), (57, 0, -4), (60, 12, 6), (61, -9, 1), (62, 0, 4), (65, 9, -4)),
)
# The offsets hold for faces towards the camera. Turned ones keep the mesh's points, with a smooth way between.
_FULL_OFFSETS_YAW = math.radians(20)
_NO_OFFSETS_YAW = math.radians(50)


@cache
def offsets() -> NDArray[np.float32]:
    """What is added to each landmark in the mean face's unit square: (68, 2) float32, symmetric."""
    half = np.zeros((68, 2), np.float32)
    for landmark, *thousandths in _OFFSETS:
        half[landmark] = np.array(thousandths, np.float32) / 1000
    other = mirror_landmarks(half, 1)  # x becomes -x, and the pairs are swapped
    return np.where(np.abs(half) >= np.abs(other), half, other)


def landmarks_of_mesh(mesh: Mesh) -> Points:
    """The 68 landmarks of a mesh in the iBUG order: (68, 2) float32 frame pixels."""
    points = mesh.points[list(MESH_POINT_OF_LANDMARK)].astype(np.float64)
    to_unit = similarity(points[list(ALIGNMENT_LANDMARKS)], mean_face())
    share = (_NO_OFFSETS_YAW - abs(mesh.yaw)) / (_NO_OFFSETS_YAW - _FULL_OFFSETS_YAW)
    in_unit = offsets() * min(max(share, 0.0), 1.0)
    points += in_unit @ np.linalg.inv(to_unit[:, :2]).T
    return points.astype(np.float32)
