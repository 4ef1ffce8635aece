"""The face mesh: 468 points on a face, by MediaPipe's networks v1 (192 px) and v2 (256 px).

Y. Kartynnik et al., Real-time facial surface geometry from monocular video on mobile GPUs, 2019; v2: I. Grishchenko
et al., Attention mesh, 2020 and its successor in the bundle face_landmarker. Both number their points alike.
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture, Points
from dfl.faces.interpreter import TfliteNetwork
from dfl.faces.square import Square, roll_between, turn

MESH_POINTS = 468
# Outer corners of the eyes.
_EYE_LEFT_IN_PICTURE, _EYE_RIGHT_IN_PICTURE = 33, 263
# The points on the face's middle line. Of the others the first 220 lie at the picture's left of it, and the rest are
# their mirror twins in the same order.
_MIDDLE = (0, 1, 2, 4, 5, 6, *range(8, 20), 94, 151, 152, 164, 168, 175, 195, 197, 199, 200)
# The networks were trained on squares of this many times the face.
MARGIN = 1.5


@cache
def mirror_points() -> NDArray[np.int64]:
    """For each point its twin on the other half of the face: (468,)."""
    twins = np.arange(MESH_POINTS)
    sides = np.delete(twins, list(_MIDDLE)).reshape(2, -1)
    twins[sides[0]], twins[sides[1]] = sides[1].copy(), sides[0].copy()
    return twins


@dataclass(frozen=True)
class Mesh:
    """A face's mesh.

    points: (468, 2) float32 frame pixels. depth: (468,) float32, the same scale, smaller is nearer to the camera.
    presence: the network's logit for "this is a face"; v1 and v2 have scales of their own. older_presence: v1's, where
    v2's mesh began with v1's. spread: how far apart several crops put the points (refine), as a share of the face.
    """

    points: Points
    depth: NDArray[np.float32]
    presence: float
    older_presence: float | None = None
    spread: float | None = None

    @property
    def roll(self) -> float:
        """Direction of the line between the outer corners of the eyes, radians, clockwise."""
        return roll_between(self.points[_EYE_LEFT_IN_PICTURE], self.points[_EYE_RIGHT_IN_PICTURE])

    @property
    def yaw(self) -> float:
        """Angle of the eye line out of the picture plane, radians; the mesh underestimates it."""
        across = self.points[_EYE_RIGHT_IN_PICTURE] - self.points[_EYE_LEFT_IN_PICTURE]
        deep = float(self.depth[_EYE_RIGHT_IN_PICTURE] - self.depth[_EYE_LEFT_IN_PICTURE])
        return math.atan2(deep, float(np.hypot(across[0], across[1])))

    @property
    def box(self) -> NDArray[np.float32]:
        """Left, top, right, bottom in frame pixels: (4,) float32."""
        return np.concatenate([self.points.min(axis=0), self.points.max(axis=0)])

    @property
    def square(self) -> Square:
        """The square for the next pass: level with the eyes, MARGIN times the mesh's longer edge."""
        roll = self.roll
        upright = turn(self.points, -roll)
        low, high = upright.min(axis=0), upright.max(axis=0)
        centre = turn(((low + high) / 2)[None], roll)[0]
        return Square(float(centre[0]), float(centre[1]), MARGIN * float((high - low).max()), roll)


class MeshNetwork:
    """A mesh network, loaded. `points` and `presence` name its outputs.

    centre: what the network's coordinate 0 means, in its pixels: 0 the picture's edge, 0.5 the first pixel's centre.
    """

    def __init__(self, file: Path, points: str, presence: str, centre: float) -> None:
        self._network = TfliteNetwork(file, (points, presence))
        self._centre = np.array([centre, centre, 0], np.float32)

    def find(self, frame: Picture, square: Square, is_mirrored: bool = False) -> Mesh:
        """The mesh of the face in a square of a frame (H, W, 3) uint8 BGR; always a mesh, see `presence`.

        is_mirrored: run the network on the mirrored picture; the mesh is mirrored back.
        """
        size = self._network.size
        picture = cv2.cvtColor(square.cut(frame, size), cv2.COLOR_BGR2RGB).astype(np.float32)
        picture *= np.float32(1 / 255)
        raw, presence = self._network(np.ascontiguousarray(picture[:, ::-1]) if is_mirrored else picture)
        unit = (raw.reshape(-1, 3)[:MESH_POINTS] + self._centre) / np.float32(size)
        if is_mirrored:
            unit = unit[mirror_points()]
            unit[:, 0] = 1 - unit[:, 0]
        return Mesh(square.to_frame(unit[:, :2]), unit[:, 2] * np.float32(square.size), float(presence[0]))

    def refine(self, frame: Picture, square: Square, passes: int) -> Mesh:
        """Find the mesh, then again in the square of that mesh, `passes` times in all."""
        mesh = self.find(frame, square)
        for _ in range(passes - 1):
            mesh = self.find(frame, mesh.square)
        return mesh


def open_mesh_v1(file: Path) -> MeshNetwork:
    """The network of the package's face_landmark.tflite."""
    # Measured on 94 faces and their mirror pictures: midline points and their mirrored twins add up to 190.5 of 192.
    return MeshNetwork(file, "conv2d_20", "conv2d_30", centre=0.5)


def open_mesh_v2(file: Path) -> MeshNetwork:
    """The network of face_landmarks_detector.tflite."""
    # The same measurement: 255.9 of 256.
    return MeshNetwork(file, "Identity", "Identity_1", centre=0.0)
