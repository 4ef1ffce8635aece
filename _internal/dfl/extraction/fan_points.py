"""What surrounds the original's landmark network FAN: a face cut out for it, and its heat maps made points. No engine.

The network sees a square of 200 / 195 of the box's width and height together, around its centre.
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
# A square of more than this many times the picture's longer side is no face, and would need much memory.
_MAX_SIDES = 4


@dataclass(frozen=True)
class FanCrop:
    """The square that the network sees: centre in picture pixels, side = 200 * scale."""

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
        """Points (N, 2) of the square scaled to `resolution` pixels, in picture pixels."""
        side = _SIDE_OF_SCALE_ONE * self.scale
        matrix = np.eye(3)
        matrix[0, 0] = matrix[1, 1] = resolution / side
        matrix[0, 2] = resolution * (-self.x / side + 0.5)
        matrix[1, 2] = resolution * (-self.y / side + 0.5)
        # Inverted as a matrix: the last digit decides where corners are truncated.
        back = np.linalg.inv(matrix)
        moved: NDArray[np.float64] = np.asarray(points, np.float64) @ back[:2, :2].T + back[:2, 2]
        return moved


def crop_for_fan(picture: Picture, crop: FanCrop) -> Picture | None:
    """The square of a picture (H, W, 3) uint8 as 256 x 256 pixels, black outside; None for one of no or vast size.

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
    """Where each of N heat maps (64, 64, N) is highest: (N, 2) points of (x, y) in map pixels, 0 to 64.

    A quarter pixel towards the higher neighbour where there are two of them, then half a pixel: the pixel's middle.
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
