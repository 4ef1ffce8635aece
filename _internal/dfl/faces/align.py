"""From 68 landmarks to the upright face square: the original's alignment, with its exact arithmetic.

Landmarks are in the iBUG order: 0-16 jaw, 17-21 and 22-26 brows, 27-35 nose, 36-41 and 42-47 eyes, 48-59 outer and
60-67 inner lips, left and right as the picture shows them. (x, y) in pixels.

The order of roundings matters: the closed form of the square agrees only to 5e-5, and then warped pictures differ,
because OpenCV rounds source positions to 1/32 pixel. Hence float32 exactly where the original has it.
"""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Matrix, Points
from dfl.faces.face_type import FaceType
from dfl.faces.pose import averaged_yaw

# What determines the square: brows, nose, eyes and the corners of the mouth; the jaw and lips move too much.
ALIGNMENT_LANDMARKS = (*range(17, 49), 54)
# The whole face's square is moved up by this share of the unit square's height, to take in the forehead.
_WHOLE_FACE_LIFT = 0.07
_HEAD_LIFT = 0.5
_UNIT_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]], np.float32)


@cache
def _mean_face() -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads(Path(__file__).with_name("mean_face.json").read_text(encoding="utf-8"))
    return numbers


def mean_face() -> Points:
    """ALIGNMENT_LANDMARKS of the mean face: (33, 2) float32 in a unit square."""
    return np.array(_mean_face()["mean33"], np.float32)


def alignment_matrix(landmarks: NDArray[Any], size: int, face_type: FaceType, scale: float = 1.0) -> Matrix:
    """The affine map from image pixels to the aligned picture of `size` x `size` pixels: (2, 3) float64.

    landmarks: (68, 2) image pixels. The extractor works on float32 landmarks; float64 ones give another last digit.
    scale: above 1 the square shows less around the face. The square's corner (0, 0) maps to (0, 0), the opposite one
    to (size, size). UserError for MARK_ONLY, which has no square.
    """
    points = _as_float(landmarks)
    to_unit = similarity(points[list(ALIGNMENT_LANDMARKS)], mean_face())
    corners = cv2.transform(_UNIT_SQUARE[:, None], cv2.invertAffineTransform(to_unit))[:, 0]  # (5, 2) float32
    down_right = _unit_vector(corners[2] - corners[0])
    up_right = _unit_vector(corners[1] - corners[3])
    diagonal = np.float64(np.linalg.norm(corners[0] - corners[2]))
    half = np.float32(1.0 / scale * (diagonal * (face_type.padding * np.sqrt(2.0) + 0.5)))
    centre = corners[4]
    up = corners[0] - corners[3]
    if face_type is FaceType.WHOLE:
        centre = centre + _unit_vector(up) * np.linalg.norm(up) * np.float32(_WHOLE_FACE_LIFT)
    elif face_type is FaceType.HEAD:
        centre = centre - _sideways(points, to_unit, corners[0] - corners[1])
        centre = centre + _unit_vector(up) * np.linalg.norm(up) * np.float32(_HEAD_LIFT)
    square = np.stack([centre - down_right * half, centre + up_right * half, centre + down_right * half])
    if not face_type.is_turned_upright:
        square = _parallel_to_frame(centre, np.vstack([square, centre - up_right * half]))
    target = np.array([(0, 0), (size, 0), (size, size)], np.float32)
    return cv2.getAffineTransform(square.astype(np.float32), target).astype(np.float64, copy=False)


def _as_float(landmarks: NDArray[Any]) -> NDArray[Any]:
    """Floating points stay as they are. Whole numbers would make cv2.transform round its result to whole numbers."""
    return landmarks if np.issubdtype(landmarks.dtype, np.floating) else landmarks.astype(np.float32)


def _unit_vector(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vector / np.linalg.norm(vector)
    return unit


def _sideways(points: NDArray[Any], to_unit: Matrix, left: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far a turned head's square moves, in image pixels: the back of the head needs room on one side."""
    yaw = float(averaged_yaw(cv2.transform(points[:, None], to_unit)[:, 0]))
    length = np.linalg.norm(left)
    return _unit_vector(left) * np.float32(yaw * abs(math.tanh(yaw * 2)) * float(length) / 2.0)


def _parallel_to_frame(centre: NDArray[np.float32], corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Three corners of the square of equal area whose sides are parallel to the frame's. corners: (4, 2) in order."""
    x, y = corners[:, 0], corners[:, 1]
    # Summed in float32 as the original does; float64 moves the square by up to 0.002 pixels.
    area = 0.5 * np.abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    half = np.float32(np.sqrt(area) / 2)
    return centre + np.array([(-half, -half), (half, -half), (half, half)], np.float32)


def similarity(source: NDArray[Any], target: NDArray[Any]) -> Matrix:
    """The rotation, scale and shift that bring `source` nearest to `target`, least squares: (2, 3) float64.

    source, target: (N, 2). S. Umeyama, Least-squares estimation of transformation parameters between two point
    patterns, 1991, equations 34 to 43. Points that all coincide give NaN.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    source_off, target_off = source - source_mean, target - target_mean
    covariance = target_off.T @ source_off / len(source)
    left, strengths, right = np.linalg.svd(covariance)
    rank = int((strengths > strengths.max() * 2 * np.finfo(strengths.dtype).eps).sum())
    if rank == 0:
        return np.full((2, 3), np.nan)
    signs = np.ones(2)
    if rank == 1:
        signs[1] = 1 if np.linalg.det(left) * np.linalg.det(right) > 0 else -1
    elif np.linalg.det(covariance) < 0:
        signs[1] = -1
    rotation = left.astype(np.float64) @ np.diag(signs) @ right
    scale = 1.0 / float(source_off.var(axis=0).sum()) * float(strengths @ signs)
    matrix = np.empty((2, 3))
    matrix[:, 2] = target_mean - scale * (rotation @ source_mean)
    matrix[:, :2] = rotation * scale
    return matrix


def transform_points(points: NDArray[Any], matrix: Matrix, inverse: bool = False) -> Points:
    """Move (N, 2) points of (x, y) by an affine (2, 3) matrix, or back by its inverse: (N, 2) float32."""
    used = cv2.invertAffineTransform(matrix) if inverse else matrix
    moved: NDArray[Any] = cv2.transform(_as_float(np.asarray(points))[:, None], used)[:, 0]
    return moved.astype(np.float32)


def rect_from_landmarks(landmarks: NDArray[Any]) -> NDArray[np.float32]:
    """The face's square parallel to the frame, from its landmarks: (4,) left, top, right, bottom in image pixels.

    As in the original, right and bottom are one 256th of the side short.
    """
    matrix = alignment_matrix(landmarks, 256, FaceType.FULL_NO_ALIGN)
    return transform_points(np.array([(0, 0), (255, 255)], np.float32), matrix, inverse=True).reshape(4)


def mirror_landmarks(landmarks: NDArray[Any], width: int) -> Points:
    """The landmarks of the mirrored picture of `width` pixels: (68, 2) float32, left and right names changed."""
    order = np.arange(len(landmarks))
    for one, other in _mean_face()["mirror_pairs"]:
        order[one], order[other] = other, one
    mirrored = np.array(landmarks, np.float32)[order]
    mirrored[:, 0] = width - mirrored[:, 0] - 1
    return mirrored
