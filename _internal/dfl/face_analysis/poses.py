"""Measures that need the face data alone: head poses, sizes in the frame, and how much faces were enlarged."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.faces.pose import pitch_yaw_roll
from dfl.faceset.faceset import FaceFile


def pitch_yaw(faces: Sequence[FaceFile]) -> NDArray[np.float64]:
    """Pitch and yaw of every face in radians, as the original computes them (see faces.pose): (N, 2)."""
    poses = [pitch_yaw_roll(face.metadata.landmarks, face.shape[1])[:2] for face in faces]
    return np.array(poses, np.float64).reshape(-1, 2)


def rectangle_areas(faces: Sequence[FaceFile]) -> NDArray[np.float64]:
    """Area of the face's rectangle in its frame, in pixels: (N,)."""
    rects = np.array([face.metadata.source_rect for face in faces], np.float64).reshape(-1, 4)
    areas: NDArray[np.float64] = np.abs((rects[:, 2] - rects[:, 0]) * (rects[:, 3] - rects[:, 1]))
    return areas


def enlargements(faces: Sequence[FaceFile]) -> NDArray[np.float64]:
    """Scale from the frame to the aligned picture: (N,)."""
    return np.array([_enlargement(face) for face in faces], np.float64)


def _enlargement(face: FaceFile) -> float:
    """From the matrix; in foreign files, which have none, from the landmarks in the picture and in the frame."""
    matrix = face.metadata.image_to_face_mat
    if matrix is not None:
        return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    inside, outside = _spread(face.metadata.landmarks), _spread(face.metadata.source_landmarks)
    return inside / outside if outside else 1.0


def _spread(points: NDArray[Any]) -> float:
    return float(np.sqrt(points.astype(np.float64).var(axis=0).sum()))


def distances_to_nearest(poses: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each pose, (N, 2), is from the nearest of the others, (M, 2): (N,), radians. Infinite without others."""
    nearest = np.full(len(poses), np.inf)
    for start in range(0, len(poses), 1024):
        part = poses[start : start + 1024]
        for other in range(0, len(others), 1024):
            apart = np.linalg.norm(part[:, None] - others[None, other : other + 1024], axis=2)
            nearest[start : start + 1024] = np.minimum(nearest[start : start + 1024], apart.min(axis=1))
    return nearest
