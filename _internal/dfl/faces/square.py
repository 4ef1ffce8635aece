"""The square of a frame that is a face network's input."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Matrix, Picture, Points


@dataclass(frozen=True)
class Square:
    """A square in frame pixels. `roll`: radians, how far its upper edge is turned clockwise from level."""

    x: float  # of the centre
    y: float
    size: float
    roll: float = 0.0

    def matrix(self) -> Matrix:
        """The map from the unit square (edges at 0 and 1) to frame pixels: (2, 3) float64."""
        cos, sin = math.cos(self.roll) * self.size, math.sin(self.roll) * self.size
        return np.array([[cos, -sin, self.x - (cos - sin) / 2], [sin, cos, self.y - (sin + cos) / 2]])

    def to_frame(self, unit_points: NDArray[np.float32]) -> Points:
        """Points of the unit square, (N, 2), in frame pixels: (N, 2) float32."""
        matrix = self.matrix()
        moved = unit_points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
        return moved.astype(np.float32)

    def cut(self, frame: Picture, size: int) -> Picture:
        """The square's content as (size, size, 3) uint8 BGR, bilinear; black outside the frame.

        A square much larger than `size` is first reduced by a whole factor: bilinear alone would skip pixels, and
        landmarks would jitter with the noise.
        """
        to_frame = self.matrix()
        factor = int(self.size / size)
        if factor >= 2:
            frame, left, top = self._reduced(frame, factor)
            if not frame.size:
                return np.zeros((size, size, 3), np.uint8)
            # The reduced picture's pixel k covers frame pixels left + factor * k .. + factor - 1.
            to_frame[:, 2] -= (left + (factor - 1) / 2, top + (factor - 1) / 2)
            to_frame /= factor
        # Pixel q's centre lies at (q + 0.5) / size of the unit square.
        to_frame[:, 2] += to_frame[:, :2].sum(axis=1) * (0.5 / size)
        to_frame[:, :2] /= size
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(frame, to_frame, (size, size), flags=flags).astype(np.uint8, copy=False)

    def _reduced(self, frame: Picture, factor: int) -> tuple[Picture, int, int]:
        """The frame's part around the square at 1/factor of its size, and where that part begins in the frame."""
        half = self.size / 2 * (abs(math.cos(self.roll)) + abs(math.sin(self.roll))) + factor
        left, top = max(0, int(self.x - half)), max(0, int(self.y - half))
        part = frame[top : max(0, int(self.y + half) + 1), left : max(0, int(self.x + half) + 1)]
        height, width = part.shape[0] // factor, part.shape[1] // factor
        if not height or not width:
            return part[:0], left, top
        part = part[: height * factor, : width * factor]
        reduced = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
        return reduced.astype(np.uint8, copy=False), left, top


def whole_frame(frame: Picture, roll: float = 0.0) -> Square:
    """The square of the frame's longer edge around the whole frame, turned by `roll`."""
    height, width = frame.shape[:2]
    return Square((width - 1) / 2, (height - 1) / 2, max(height, width), roll)


def tiles(frame: Picture, size: float) -> Iterator[Square]:
    """Upright squares of `size` pixels that cover the frame, each overlapping half of the one before."""
    height, width = frame.shape[:2]
    for y in _middles(height, size):
        for x in _middles(width, size):
            yield Square(float(x), float(y), size)


def _middles(length: int, size: float) -> NDArray[np.float64]:
    """Centres of the tiles along one edge of the frame."""
    if length <= size:
        return np.array([(length - 1) / 2])
    steps = math.ceil((length - size) / (size / 2))
    return np.linspace((size - 1) / 2, length - 1 - (size - 1) / 2, steps + 1)


def turn(points: Points, roll: float) -> Points:
    """Points turned about (0, 0), clockwise as seen, by `roll` radians: (N, 2) float32."""
    cos, sin = math.cos(roll), math.sin(roll)
    turned: Points = points @ np.array([[cos, sin], [-sin, cos]], np.float32)
    return turned


def roll_between(right: NDArray[np.float32], left: NDArray[np.float32]) -> float:
    """The roll of the line from the eye at the picture's left to the one at its right, radians."""
    return math.atan2(float(left[1] - right[1]), float(left[0] - right[0]))


def angle_apart(one: float, other: float) -> float:
    """The smaller angle between two directions, 0..pi."""
    return abs((one - other + math.pi) % (2 * math.pi) - math.pi)


def iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom), 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = float(width) * float(height)
    both = float((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]))
    return shared / max(both - shared, 1e-9)
