"""Rectangles of whole pixels, and warps that touch nothing but them."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Matrix


@dataclass(frozen=True)
class PixelBox:
    """Pixels left <= x < right, top <= y < bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of a picture."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def width(self) -> int:
        return max(self.right - self.left, 0)

    @property
    def height(self) -> int:
        return max(self.bottom - self.top, 0)

    @property
    def is_empty(self) -> bool:
        return not (self.width and self.height)

    def grown(self, margin: int) -> "PixelBox":
        return PixelBox(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)

    def within(self, other: "PixelBox") -> "PixelBox":
        """The intersection; may be empty."""
        return PixelBox(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def union(self, other: "PixelBox") -> "PixelBox":
        """The smallest box that holds both."""
        return PixelBox(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def moved(self, x: int, y: int) -> "PixelBox":
        return PixelBox(self.left + x, self.top + y, self.right + x, self.bottom + y)


def whole(picture: NDArray[Any]) -> PixelBox:
    """The box of a whole picture."""
    return PixelBox(0, 0, picture.shape[1], picture.shape[0])


def box_of(condition: NDArray[np.bool_]) -> PixelBox:
    """The smallest box that holds every True of (H, W); empty when there is none."""
    left, top, width, height = cv2.boundingRect(condition.view(np.uint8))
    return PixelBox(left, top, left + width, top + height)


def box_in_frame(box: PixelBox, to_box: Matrix) -> PixelBox:
    """Where a box of a face's picture lies in the frame: the upright rectangle around it, not cut to the frame.

    to_box: (2, 3) map from frame pixels to the face's picture. UserError when the map is no map (a face whose
    landmarks coincide).
    """
    if not np.isfinite(to_box).all() or abs(np.linalg.det(to_box[:, :2])) < 1e-12:
        raise UserError("The landmarks of a face lie on one spot.", "Delete this face from the aligned folder.")
    corners = [(x, y) for x in (box.left, box.right) for y in (box.top, box.bottom)]
    frame = cv2.transform(np.array(corners, np.float64)[:, None], cv2.invertAffineTransform(to_box))[:, 0]
    (left, top), (right, bottom) = np.floor(frame.min(axis=0)), np.ceil(frame.max(axis=0))
    return PixelBox(int(left), int(top), int(right) + 1, int(bottom) + 1)


def shifted(matrix: Matrix, box: PixelBox, x: int = 0, y: int = 0) -> Matrix:
    """`matrix` from frame to face, for a frame cut to `box` and a face's picture cut to start at (x, y)."""
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ (box.left, box.top) - (x, y)
    return moved


def warp_from_frame(region: NDArray[np.float32], box: PixelBox, matrix: Matrix, size: int) -> NDArray[np.float32]:
    """The aligned picture of `size` pixels from the frame's part `region` at `box`; cubic, black outside."""
    return as_float(cv2.warpAffine(region, shifted(matrix, box), (size, size), flags=cv2.INTER_CUBIC))


def warp_to_frame(
    face: NDArray[np.float32], box: PixelBox, matrix: Matrix, x: int = 0, y: int = 0, *, replicate_border: bool = False
) -> NDArray[np.float32]:
    """The frame's part at `box` with a face's picture warped in by `matrix` (frame to face); cubic, black outside.

    x, y: where `face` starts in the picture that the matrix maps to. replicate_border: outside the face its border is
    replicated (cv2.BORDER_REPLICATE).
    """
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REPLICATE if replicate_border else cv2.BORDER_CONSTANT
    shift, size = shifted(matrix, box, x, y), (box.width, box.height)
    # One channel after the other takes a fifth less time than the three at once.
    planes = [cv2.warpAffine(plane, shift, size, flags=flags, borderMode=border) for plane in cv2.split(face)]
    return as_float(cv2.merge(planes) if len(planes) > 1 else planes[0])


def as_float(array: NDArray[Any]) -> NDArray[np.float32]:
    """What OpenCV gave, known to be float32 already: not copied."""
    return array.astype(np.float32, copy=False)
