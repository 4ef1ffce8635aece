"""Head pose from 68 landmarks: the angles by which the original sorts and samples."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Jaw, brows and the nose's lower edge.
_POSE_LANDMARKS = (*range(27), *range(30, 36))


@cache
def _mean_head() -> NDArray[np.float32]:
    """The mean head's points for _POSE_LANDMARKS: (33, 3) float32, y down, z away from the viewer."""
    numbers = json.loads(Path(__file__).with_name("mean_face.json").read_text(encoding="utf-8"))
    return np.array(numbers["model3d"], np.float32)[list(_POSE_LANDMARKS)]


def averaged_yaw(landmarks: NDArray[Any]) -> float:
    """How much nearer the nose is to one side of the jaw than to the other, in the landmarks' unit.

    landmarks: (68, 2). Above 0 the nose is nearer to the picture's left side.
    """
    x = landmarks[:, 0]
    left = ((x[27] - x[0]) + (x[28] - x[1]) + (x[29] - x[2])) / 3.0
    right = ((x[16] - x[27]) + (x[15] - x[28]) + (x[14] - x[29])) / 3.0
    return float(right - left)


def pitch_yaw_roll(landmarks: NDArray[Any], size: int) -> tuple[float, float, float]:
    """Pitch, yaw and roll in radians, each within +-pi/2, from landmarks in an aligned picture of `size` pixels.

    landmarks: (68, 2). Pitch above 0 looks up; yaw above 0 turns the nose to the picture's left.

    The compatible form: for most faces the solver ends behind the camera, as in the original. Roll then reads
    +-pi/2, pitch and yaw are 0.01 to 0.1 off. Sorting and even yaw of existing facesets rest on these numbers.
    """
    camera = np.array([[size, 0, size / 2], [0, size, size / 2], [0, 0, 1]], np.float64)
    points = np.ascontiguousarray(landmarks[list(_POSE_LANDMARKS)], np.float32)
    _, turn, _ = cv2.solvePnP(_mean_head(), points, camera, np.zeros((4, 1)))
    rotation = cv2.Rodrigues(turn)[0]
    flat = math.hypot(rotation[0, 0], rotation[1, 0])
    y = math.atan2(-rotation[2, 0], flat)
    if flat < 1e-6:
        x, z = math.atan2(-rotation[1, 2], rotation[1, 1]), 0.0
    else:
        x = math.atan2(rotation[2, 1], rotation[2, 2])
        z = math.atan2(rotation[1, 0], rotation[0, 0])
    limit = math.pi / 2
    pitch, yaw, roll = (max(-limit, min(limit, angle)) for angle in (-x, y, z))
    return pitch, yaw, roll
