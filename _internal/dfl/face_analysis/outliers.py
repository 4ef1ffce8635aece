"""Faces that may be false detections or of little use: low confidence, odd shape, much enlarged, cut by the frame."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from dfl.face_analysis.poses import enlargements
from dfl.faceset.faceset import FaceFile

# Each reason scores from 0 at the first value to 1 at the second; a face whose scores add up to _MIN_SCORE is an
# outlier. Confidence is a probability.
# Shape: good faces reach 0.13 on ten clips, profiles and blurred ones too.
_CONFIDENCE, _SHAPE, _OUTSIDE = (0.6, 0.1), (0.14, 0.25), (0.0, 0.4)
# Enlarged so much, and twice the set's median: footage with small faces enlarges all of them.
_ENLARGED = 4.0
_MIN_SCORE = 0.15

FrameSizes = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Outlier:
    """An outlier: its score (0.15 to 4), and the reasons, in words."""

    face: FaceFile
    score: float
    reasons: tuple[str, ...]


def find_outliers(faces: Sequence[FaceFile], frame_sizes: FrameSizes) -> list[Outlier]:
    """The outliers of a set, those with the highest score first.

    frame_sizes: height and width by the frame's file name; a face whose frame is not there is not tested for lying
    in it. Confidence is known of faces that this program found.
    """
    shapes, scales = shape_errors(faces), enlargements(faces)
    start = max(_ENLARGED, 2 * float(np.median(scales))) if len(scales) else _ENLARGED
    outliers = []
    for face, shape, scale in zip(faces, shapes, scales, strict=True):
        confidence = confidence_of(face)
        outside = outside_share(face, frame_sizes.get(face.metadata.source_filename))
        parts = {
            f"its landmarks are right with a probability of {confidence:.2f} only": _part(confidence, _CONFIDENCE),
            "its landmarks do not have the shape of a face": _part(shape, _SHAPE),
            f"enlarged {scale:.1f} times": _part(scale, (start, 2 * start)),
            f"{round(outside * 68)} of its 68 landmarks lie outside the frame": _part(outside, _OUTSIDE),
        }
        score = sum(parts.values())
        if score >= _MIN_SCORE:
            outliers.append(Outlier(face, score, tuple(word for word, part in parts.items() if part > 0)))
    return sorted(outliers, key=lambda outlier: (-outlier.score, outlier.face.name))


def confidence_of(face: FaceFile) -> float:
    """How probable it is that the landmarks are right, see faces.confidence, 0..1; 1 where it is not stored."""
    value = face.metadata.other.get("confidence", 1.0)
    return float(value) if isinstance(value, float | int | np.floating) and 0 <= value <= 1 else 1.0


def outside_share(face: FaceFile, size: tuple[int, int] | None) -> float:
    """How many of the landmarks lie outside a frame of that height and width, 0..1."""
    if size is None:
        return 0.0
    points = face.metadata.source_landmarks
    is_inside = (points >= -0.5) & (points <= np.array([size[1], size[0]]) - 0.5)
    return 1 - float(is_inside.all(axis=1).mean())


def shape_errors(faces: Sequence[FaceFile]) -> NDArray[np.float64]:
    """How badly the landmarks fit the mean head, however it is turned: (N,), 0.03 to 0.13 for faces, about 1 for noise.

    The part of the landmarks' spread that no affine view of the mean head's 68 points explains.
    """
    if not faces:
        return np.zeros(0)
    points = np.stack([face.metadata.landmarks for face in faces]).astype(np.float64)  # (N, 68, 2)
    off = points - np.einsum("ij,njk->nik", _views_of_the_mean_head(), points)
    spread = points - points.mean(axis=1, keepdims=True)
    errors: NDArray[np.float64] = np.sqrt((off**2).sum(axis=(1, 2)) / np.maximum((spread**2).sum(axis=(1, 2)), 1e-9))
    return errors


@cache
def _views_of_the_mean_head() -> NDArray[np.float64]:
    """Projects coordinates of 68 points on those that an affine view of the mean head can have: (68, 68)."""
    text = files("dfl.faces").joinpath("mean_face.json").read_text(encoding="utf-8")
    head = np.array(json.loads(text)["model3d"])
    head = np.concatenate([head, np.ones((68, 1))], axis=1)
    views: NDArray[np.float64] = head @ np.linalg.pinv(head)
    return views


def _part(value: float, limits: tuple[float, float]) -> float:
    """0 up to the first limit, 1 from the second on."""
    start, end = limits
    return min(max((value - start) / (end - start), 0.0), 1.0)
