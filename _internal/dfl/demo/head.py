"""A still portrait as a head that turns: depth from the face mesh, motion in three dimensions, one smooth warp.

The face mesh gives depth where the face is; it falls to the depth of the ears at the outline of the head. Each pixel
of the head is turned around the middle of the head and projected again; neck, shoulders and background follow ever
less. The displacement is smooth, so the warp neither tears nor folds; what is hidden in the still cannot be shown, so
turns stay below some 25 degrees.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture
from dfl.demo.expression import CHIN, LEFT_CHEEK, RIGHT_CHEEK, Mesh, close_eyes, open_mouth, smoothstep

Field = NDArray[np.float32]  # (h, w): one value for every second pixel

STEP = 2  # pixels of the picture per node of the displacement field
FOREHEAD = 10
MOUTH_CORNERS = (61, 291)
BROWS = (105, 334)
# The outline of hair or hat as an ellipse, in widths and heights of the face.
HEAD_HALF_WIDTH, HEAD_HALF_HEIGHT = 0.78, 0.95


@dataclass(frozen=True)
class Pose:
    """How the head is at one moment. Angles in radians, lengths in face widths."""

    yaw: float = 0.0  # positive: the nose goes right in the picture
    pitch: float = 0.0  # positive: the nose goes down
    roll: float = 0.0  # positive: clockwise in the picture
    shift: tuple[float, float] = (0.0, 0.0)
    closed: float = 0.0  # eyes: 0 as in the still, 1 shut
    opened: float = 0.0  # how far the lower lip goes down
    smile: float = 0.0  # how far the corners of the mouth go outwards
    brows: float = 0.0  # how far the brows go up
    light: tuple[float, float] = (0.0, 0.0)  # sideways and downwards slant of the light, -1..1
    camera: tuple[float, float, float] = (0.0, 0.0, 1.0)  # drift right and down in pixels, zoom


class Head:
    """One person's still, ready to move. `picture` (H, W, 3) uint8 BGR, `mesh` in its pixels."""

    def __init__(self, picture: Picture, mesh: Mesh) -> None:
        self.picture, self.mesh = picture, mesh
        self.width = float(mesh[RIGHT_CHEEK, 0] - mesh[LEFT_CHEEK, 0])
        self._height = float(mesh[CHIN, 1] - mesh[FOREHEAD, 1])
        # Between the ears: what a turn leaves where it is.
        self._centre = ((mesh[LEFT_CHEEK] + mesh[RIGHT_CHEEK]) / 2)[:2].astype(np.float64)
        self._middle = np.array([self._centre[0], mesh[FOREHEAD, 1] + 0.28 * self._height])
        self._y, self._x = np.mgrid[0 : picture.shape[0] : STEP, 0 : picture.shape[1] : STEP].astype(np.float32)
        self._depth = self._find_depth()
        # Shoulders and background follow ever less.
        self._follow = (1.0 - smoothstep((self._out(self._x, self._y) - 0.92) / 1.1)).astype(np.float32)
        self._facing = self._find_facing()

    def _out(self, x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """How far out a point is: 1 on the outline of hair or hat, an ellipse."""
        across = (x - self._middle[0]) / (HEAD_HALF_WIDTH * self.width)
        return np.asarray(np.hypot(across, (y - self._middle[1]) / (HEAD_HALF_HEIGHT * self._height)), np.float64)

    def _find_depth(self) -> Field:
        """How far each node stands before the turning axis (between the ears), in pixels; 0 outside the head."""
        mesh = self.mesh.astype(np.float64)
        axis = float(mesh[[LEFT_CHEEK, RIGHT_CHEEK], 2].mean())
        # Rings of depth 0: the outline, and beyond it, so that the surface arrives there flat.
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ring = np.stack(
            [HEAD_HALF_WIDTH * self.width * np.sin(angles), HEAD_HALF_HEIGHT * self._height * np.cos(angles)], axis=1
        )
        points = np.concatenate([mesh[:, :2], *(self._middle + scale * ring for scale in (1.0, 1.3, 1.7))])
        depth = np.concatenate([axis - mesh[:, 2], np.zeros(3 * len(ring))])
        coarse_x, coarse_y = self._x[::4, ::4], self._y[::4, ::4]
        at = np.stack([coarse_x.ravel(), coarse_y.ravel()], axis=1).astype(np.float64)
        surface = _thin_plate(points / self.width, depth, at / self.width).reshape(coarse_x.shape)
        surface = np.maximum(surface, 0.0) * (1.0 - smoothstep((self._out(coarse_x, coarse_y) - 0.9) / 0.35))
        # Node k of the coarse grid is node 4 k of the fine one.
        columns = np.arange(self._x.shape[1], dtype=np.float32) / 4
        rows = np.arange(self._x.shape[0], dtype=np.float32) / 4
        field = cv2.remap(
            surface.astype(np.float32), *np.meshgrid(columns, rows), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        # The mesh is steep at its rim; a fold would show there at large turns.
        return np.asarray(cv2.GaussianBlur(field, (0, 0), 0.055 * self.width / STEP), np.float32)

    def _find_facing(self) -> tuple[Field, Field]:
        """Right and down part of the surface's normal, faded out towards the outline: a rim must not light up."""
        soft = cv2.GaussianBlur(self._depth, (0, 0), 0.05 * self.width / STEP)
        down, right = np.gradient(soft, STEP)
        fade = np.clip(soft / (0.3 * self.width), 0.0, 1.0) / np.sqrt(right**2 + down**2 + 1.0)
        return np.asarray(-right * fade, np.float32), np.asarray(-down * fade, np.float32)

    def frame(self, pose: Pose, size: int) -> Picture:
        """The head at `pose`: (size, size, 3) uint8 BGR, the middle of the still with the camera's drift."""
        still = self.picture.copy()
        close_eyes(still, self.mesh, pose.closed)
        open_mouth(still, self.mesh, pose.opened)
        right, down, zoom = pose.camera
        # From the output's pixels to the still's, through the camera.
        line = (np.arange(size, dtype=np.float32) - (size - 1) / 2) / zoom
        x, y = np.meshgrid(line + (still.shape[1] - 1) / 2 - right, line + (still.shape[0] - 1) / 2 - down)
        node_x, node_y = (x / STEP).astype(np.float32), (y / STEP).astype(np.float32)
        source_x, source_y = self._source(pose)
        move_x, move_y, light = (
            cv2.remap(field, node_x, node_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for field in (source_x - self._x, source_y - self._y, self._light(pose))
        )
        source = (x + move_x).astype(np.float32), (y + move_y).astype(np.float32)
        moved = cv2.remap(still, *source, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(np.clip(moved * light[..., None] + 0.5, 0, 255), np.uint8)

    def _source(self, pose: Pose) -> tuple[Field, Field]:
        """Where each node of the moved picture lies in the still: the inverse of `_displacement` by iteration."""
        move_x, move_y = self._displacement(pose)
        x, y = self._x.copy(), self._y.copy()
        for _ in range(10):
            at = (x / STEP, y / STEP)
            here_x = cv2.remap(move_x, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            here_y = cv2.remap(move_y, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            x += 0.7 * (self._x - here_x - x)
            y += 0.7 * (self._y - here_y - y)
        return x, y

    def _displacement(self, pose: Pose) -> tuple[Field, Field]:
        """How far each node of the still goes, in pixels."""
        x, y, z = self._x - self._centre[0], self._y - self._centre[1], self._depth
        sine, cosine = np.sin(pose.yaw), np.cos(pose.yaw)
        x, z = x * cosine + z * sine, z * cosine - x * sine
        sine, cosine = np.sin(pose.pitch), np.cos(pose.pitch)
        y, z = y * cosine + z * sine, z * cosine - y * sine
        # Seen from six face widths: what comes nearer grows a little.
        distance = 6.0 * self.width
        nearer = (distance - self._depth) / (distance - z)
        x, y = x * nearer, y * nearer
        # The head tilts around the neck, below the chin.
        neck = float(self.mesh[CHIN, 1] - self._centre[1]) + 0.3 * self.width
        sine, cosine = np.sin(pose.roll), np.cos(pose.roll)
        x, y = x * cosine - (y - neck) * sine, x * sine + (y - neck) * cosine + neck
        move_x = (x + self._centre[0] - self._x + pose.shift[0] * self.width) * self._follow
        move_y = (y + self._centre[1] - self._y + pose.shift[1] * self.width) * self._follow
        for vertex, side in zip(MOUTH_CORNERS, (-1.0, 1.0), strict=True):
            bump = self._bump(vertex, 0.13)
            move_x += (side * pose.smile * self.width) * bump
            move_y -= (0.6 * pose.smile * self.width) * bump
        for vertex in BROWS:
            move_y -= (pose.brows * self.width) * self._bump(vertex, 0.12)
        return move_x.astype(np.float32), move_y.astype(np.float32)

    def _bump(self, vertex: int, radius: float) -> Field:
        """A soft hill of height 1 around a vertex; `radius` in face widths."""
        distance = (self._x - self.mesh[vertex, 0]) ** 2 + (self._y - self.mesh[vertex, 1]) ** 2
        return np.asarray(np.exp(-distance / (2 * (radius * self.width) ** 2)), np.float32)

    def _light(self, pose: Pose) -> Field:
        """Factor of brightness: the surface's side towards the light is brighter."""
        right, down = pose.light
        return np.asarray(1.0 + 0.2 * (right * self._facing[0] + down * self._facing[1]), np.float32)


def _thin_plate(
    points: NDArray[np.float64], values: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Thin-plate spline through `values` at `points` (N, 2), evaluated `at` (M, 2); slightly smoothed (Duchon 1977)."""

    def kernel(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
        squared = ((first[:, None] - second[None]) ** 2).sum(axis=2)
        return np.asarray(squared * np.log(squared + 1e-12))

    count = len(points)
    plane = np.concatenate([np.ones((count, 1)), points], axis=1)  # (N, 3)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = kernel(points, points) + 1e-3 * np.eye(count)
    system[:count, count:] = plane
    system[count:, :count] = plane.T
    solved = np.linalg.solve(system, np.concatenate([values, np.zeros(3)]))
    flat = np.concatenate([np.ones((len(at), 1)), at], axis=1) @ solved[count:]
    return np.asarray(kernel(at, points) @ solved[:count] + flat)
