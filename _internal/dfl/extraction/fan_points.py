"""Pre- and postprocessing of the landmark network FAN: the input crop, and landmarks from heat maps. Needs no engine.

The input is a square around the box's centre, of 200 / 195 times the box's width plus height.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture

SIDE = 256  # of the pictures
MAP_SIDE = 64  # of the heat maps
_SIDE_OF_SCALE_ONE = 200.0
_BOX_OF_SCALE_ONE = 195.0
_NUDGE = 0.25
# Crops larger than this many times the picture's longer side are refused: no face, and they would need much memory.
_MAX_SIDES = 4


@dataclass(frozen=True)
class FanCrop:
    """The network's input square: centre in picture pixels, size = 200 * scale."""

    x: float
    y: float
    scale: float

    @classmethod
    def of_box(cls, box: NDArray[np.int64], shift: tuple[int, int] = (0, 0)) -> "FanCrop":
        """The square around a box (left, top, right, bottom), its centre moved by `shift` pixels."""
        left, top, right, bottom = (float(side) for side in box)
        scale = (right - left + bottom - top) / _BOX_OF_SCALE_ONE
        return cls((left + right) / 2 + shift[0], (top + bottom) / 2 + shift[1], scale)

    def to_picture(self, points: NDArray[Any], resolution: int) -> NDArray[np.float64]:
        """Map points (N, 2) in pixels of the square at `resolution` to picture pixels."""
        side = _SIDE_OF_SCALE_ONE * self.scale
        matrix = np.eye(3)
        matrix[0, 0] = matrix[1, 1] = resolution / side
        matrix[0, 2] = resolution * (-self.x / side + 0.5)
        matrix[1, 2] = resolution * (-self.y / side + 0.5)
        # Inverted as a matrix, as in the original: the last digit decides how corners are truncated.
        back = np.linalg.inv(matrix)
        moved: NDArray[np.float64] = np.asarray(points, np.float64) @ back[:2, :2].T + back[:2, 2]
        return moved


def crop_for_fan(picture: Picture, crop: FanCrop) -> Picture | None:
    """The square of a picture (H, W, 3) uint8 as 256 x 256 pixels, black outside; None for an empty or vast square.

    Its corners are those of the grid points (1, 1) and (256, 256), truncated towards 0, as in the original.
    """
    height, width = picture.shape[:2]
    if not 0 < _SIDE_OF_SCALE_ONE * crop.scale <= _MAX_SIDES * max(height, width):
        return None
    corners = crop.to_picture(np.array([(1, 1), (SIDE, SIDE)]), SIDE).astype(np.int64)
    (left, top), (right, bottom) = ((int(x), int(y)) for x, y in corners)
    if right <= left or bottom <= top:
        return None
    square = np.zeros((bottom - top, right - left, 3), np.uint8)
    rows, columns = slice(max(0, top), min(bottom, height)), slice(max(0, left), min(right, width))
    if rows.start < rows.stop and columns.start < columns.stop:
        inner = square[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        inner[:] = picture[rows, columns]
    return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def peaks(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Argmax of each of N heat maps (64, 64, N): (N, 2) points of (x, y) in map pixels, 0 to 64.

    Inside the map it is shifted a quarter pixel towards the higher neighbour in x and y; then 0.5 is added, for the
    pixel's centre.
    """
    height, width, count = maps.shape
    highest = maps.reshape(height * width, count).argmax(axis=0)
    y, x = np.divmod(highest, width)
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    left, right = np.clip(x - 1, 0, None), np.clip(x + 1, None, width - 1)
    above, below = np.clip(y - 1, 0, None), np.clip(y + 1, None, height - 1)
    every = np.arange(count)
    nudge_x = np.sign(maps[y, right, every] - maps[y, left, every])
    nudge_y = np.sign(maps[below, x, every] - maps[above, x, every])
    nudges = np.stack([nudge_x, nudge_y], axis=-1) * (_NUDGE * inside[:, None])
    points: NDArray[np.float64] = np.stack([x, y], axis=-1) + nudges + 0.5
    return points
