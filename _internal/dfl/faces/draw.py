"""Draw found faces into a frame, for debugging."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Matrix, Picture
from dfl.faces.align import transform_points

_OPEN_LINES = (range(17), range(17, 22), range(22, 27), (*range(27, 36), 30))
_CLOSED_LINES = (range(36, 42), range(42, 48), range(48, 60), range(60, 68))
_GREEN, _BLUE, _RED = (0, 255, 0), (255, 0, 0), (0, 0, 255)


def draw_landmarks(picture: Picture, landmarks: NDArray[Any]) -> None:
    """Draw the 68 landmarks, (68, 2) pixels, into a (H, W, 3) uint8 BGR picture: lines and points, as the original."""
    points = np.round(landmarks).astype(np.int32)
    for lines, is_closed in ((_OPEN_LINES, False), (_CLOSED_LINES, True)):
        for line in lines:
            cv2.polylines(picture, [points[list(line)]], is_closed, _GREEN, 1, cv2.LINE_AA)
    for index, point in enumerate(points.tolist()):
        cv2.circle(picture, point, 2 if index < 17 else 1, _GREEN, 1, cv2.LINE_AA)


def draw_face(picture: Picture, landmarks: NDArray[Any], rect: NDArray[Any], matrix: Matrix, size: int) -> None:
    """Draw landmarks, the detector's box (4,) and the square that was cut out, with a mark at its top left corner.

    All in pixels of `picture`, (H, W, 3) uint8 BGR; matrix: picture to the aligned picture of `size` pixels.
    """
    left, top, right, bottom = (round(float(edge)) for edge in rect)
    cv2.rectangle(picture, (left, top), (right, bottom), _BLUE, 2, cv2.LINE_AA)
    near, far = int(size * 0.05), int(size * 0.1)
    square = np.array([(0, 0), (0, size - 1), (size - 1, size - 1), (size - 1, 0)], np.float32)
    corner_mark = np.array([(near, 0), (far, far), (0, far)], np.float32)
    for line in (square, corner_mark):
        drawn = np.round(transform_points(line, matrix, inverse=True)).astype(np.int32)
        cv2.polylines(picture, [drawn], True, _RED, 2, cv2.LINE_AA)
    draw_landmarks(picture, landmarks)
