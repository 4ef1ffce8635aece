"""Masks drawn from 68 landmarks: face, eyes, mouth.

Drawn within the landmarks' own box and put into the picture: on a big frame nearly all of the mask is 0.
"""

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture

# The face is the union of the convex hulls of these landmarks.
_HULL_PARTS = (
    (*range(9), 17),  # jaw, picture's left
    (*range(8, 17), 26),  # jaw, picture's right
    (17, 18, 19, 8),  # cheeks
    (24, 25, 26, 8),
    (*range(19, 25), 8),  # between the brows down to the chin
    (*range(17, 22), 27, *range(31, 36), 8),  # eyes
    (*range(22, 27), 27, *range(31, 36), 8),
    tuple(range(27, 36)),  # nose
)
_EYES = (range(36, 42), range(42, 48))
_MOUTH = (range(60, 68),)
_Parts = Iterable[Iterable[int]]
_Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two are not inside


def expand_eyebrows(landmarks: NDArray[Any], amount: float = 1.0) -> NDArray[np.int64]:
    """Landmarks as whole pixels, with the brows moved away from the eyes to take in the forehead: (68, 2).

    amount: 1 moves a brow by half its distance from the eye below it, 0 leaves it.
    """
    points = np.array(landmarks).astype(np.int64)
    half_left, half_right = (points[36] + points[0]) // 2, (points[16] + points[45]) // 2
    quarter_left, quarter_right = (points[36] + half_left) // 2, (points[45] + half_right) // 2
    below_left = np.stack([quarter_left, *points[36:40]])
    below_right = np.stack([*points[42:46], quarter_right])
    points[17:22] += _toward_zero(points[17:22], amount, below_left)
    points[22:27] += _toward_zero(points[22:27], amount, below_right)
    return points


def _toward_zero(brow: NDArray[np.int64], amount: float, below: NDArray[np.int64]) -> NDArray[np.int64]:
    """The brow's step, such that the brow after it is cut to whole pixels toward zero, as in the original."""
    step: NDArray[np.int64] = (brow + amount * 0.5 * (brow - below)).astype(np.int64) - brow
    return step


def hull_mask(shape_hw: tuple[int, int], landmarks: NDArray[Any], eyebrows_expand: float = 1.0) -> FloatPicture:
    """The face's area: (H, W, 1) float32, 0 or 1. landmarks: (68, 2) pixels of the picture of `shape_hw`."""
    points = expand_eyebrows(landmarks, eyebrows_expand)
    return _drawn(shape_hw, points, _HULL_PARTS, dilate=0, blur=0)


def eyes_mask(shape_hw: tuple[int, int], landmarks: NDArray[Any]) -> FloatPicture:
    """The eyes' area with soft edges: (H, W, 1) float32, 0 to about 1 (clip it). The softness goes with the height."""
    return _soft_mask(shape_hw, landmarks, _EYES)


def mouth_mask(shape_hw: tuple[int, int], landmarks: NDArray[Any]) -> FloatPicture:
    """The area between the lips with soft edges: (H, W, 1) float32, 0 to about 1 (clip it)."""
    return _soft_mask(shape_hw, landmarks, _MOUTH)


def eyes_and_mouth(shape_hw: tuple[int, int], landmarks: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """eyes_mask and mouth_mask in 8 bits, (H, W) uint8 0..255 each: four times as fast on a big picture."""
    masks = []
    for parts in (_EYES, _MOUTH):
        mask = np.zeros(shape_hw, np.uint8)
        region, part_mask = _drawn_part(shape_hw, *_soft_part(shape_hw, landmarks, parts))
        if part_mask.size:
            mask[region] = cv2.convertScaleAbs(part_mask, alpha=255)
        masks.append(mask)
    return masks[0], masks[1]


def _soft_mask(shape_hw: tuple[int, int], landmarks: NDArray[Any], parts: _Parts) -> FloatPicture:
    return _drawn(shape_hw, *_soft_part(shape_hw, landmarks, parts))


def _soft_part(
    shape_hw: tuple[int, int], landmarks: NDArray[Any], parts: _Parts
) -> tuple[NDArray[np.int64], _Parts, int, int]:
    """What `_drawn` needs for a part with soft edges."""
    height = shape_hw[0]
    # Pictures under 32 pixels would ask for a kernel of size 0.
    return np.array(landmarks).astype(np.int64), parts, max(height // 32, 1), height // 16 | 1


def _drawn(shape_hw: tuple[int, int], points: NDArray[np.int64], parts: _Parts, dilate: int, blur: int) -> FloatPicture:
    """_drawn_part in a mask of the whole picture, (H, W, 1) float32."""
    mask = np.zeros((*shape_hw, 1), np.float32)
    region, part_mask = _drawn_part(shape_hw, points, parts, dilate, blur)
    if part_mask.size:
        mask[(*region, 0)] = part_mask
    return mask


def _drawn_part(
    shape_hw: tuple[int, int], points: NDArray[np.int64], parts: _Parts, dilate: int, blur: int
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Fill the convex hulls of `parts` of the points, dilate by an ellipse and blur, kernels of these sizes.

    Gives the rows and columns outside of which all is 0, and what is within.
    """
    hulls = [cv2.convexHull(points[list(part)].astype(np.int32)) for part in parts]
    border = cv2.BORDER_CONSTANT
    left, top, right, bottom = _box(hulls, dilate // 2 + blur // 2, shape_hw)
    if blur and (min(left, top) == 0 or right == shape_hw[1] or bottom == shape_hw[0]):
        # At the picture's edge the blur reflects; twice its reach, so that at the box's other edges this is 0.
        border = cv2.BORDER_REFLECT_101
        left, top, right, bottom = _box(hulls, dilate + 2 * (blur // 2), shape_hw)
    region = slice(top, max(bottom, top)), slice(left, max(right, left))
    filled: Any = np.zeros((region[0].stop - top, region[1].stop - left), np.uint8)
    if not filled.size:
        return region, np.zeros(filled.shape, np.float32)
    for hull in hulls:
        cv2.fillConvexPoly(filled, hull - np.array([left, top], np.int32), 1.0)
    if dilate:
        # In 8 bits: the same result in a fraction of the time.
        filled = cv2.dilate(filled, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (dilate, dilate)))
    part_mask: Any = filled.astype(np.float32)
    return region, cv2.GaussianBlur(part_mask, (blur, blur), 0, borderType=border) if blur else part_mask


def _box(hulls: list[Any], margin: int, shape_hw: tuple[int, int]) -> _Box:
    """The box of all hulls with a margin, within the picture.

    Left and right edges lie on multiples of 64: OpenCV's vector code then treats every column as it would in the
    whole picture, and the result is equal to the bit.
    """
    points = np.concatenate(hulls)[:, 0]
    left, top = np.maximum(points.min(axis=0) - margin, 0)
    right, bottom = np.minimum(points.max(axis=0) + margin + 1, (shape_hw[1], shape_hw[0]))
    return int(left) // 64 * 64, int(top), min(-(-int(right) // 64) * 64, shape_hw[1]), int(bottom)
