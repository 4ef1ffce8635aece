"""Head poses in words, and poses that dst has and src lacks.

The angles come from landmarks. They order faces well, but a near profile reads as 45 to 60 degrees: so messages give
words. Left and right are the picture's.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# Degrees as read from the landmarks, between the words.
YAW_EDGES = (-45, -25, -10, 10, 25, 45)
YAW_WORDS = ("far right", "right", "half right", "ahead", "half left", "left", "far left")
PITCH_EDGES = (-25, -10, 10, 25)
PITCH_WORDS = ("far down", "down", "level", "up", "far up")
# Degrees: less is straight; up to the first edge it is "slightly".
_STRAIGHT = 4
# A face of src shows what a face of dst needs when it looks within so many degrees of the same direction.
_REACH = 6
_LIMIT = 90
# Fewer faces of dst in one direction are no gap.
_MIN_FACES = 3
_MIN_SHARE = 0.01


@dataclass(frozen=True)
class CoverageGap:
    """A direction in which dst looks and src hardly does.

    words: the direction. faces, share: the faces of dst there that src lacks, of all of dst. src_faces: those src has
    near them. mirrored_faces: those it would have there if its pictures were mirrored too.
    """

    words: str
    faces: int
    share: float
    src_faces: int
    mirrored_faces: int


def direction(pitch: float, yaw: float) -> str:
    """A direction in words; radians, as faces.pose gives them: "half left and slightly up", "ahead"."""
    across, upright = _cell(pitch, yaw)
    words = [
        _slightly(yaw, "right", "left") if across == "ahead" else across,
        _slightly(pitch, "down", "up") if upright == "level" else upright,
    ]
    return " and ".join(word for word in words if word) or "ahead"


def _cell(pitch: float, yaw: float) -> tuple[str, str]:
    """The cell of the map: words across and upright."""
    across = int(np.searchsorted(YAW_EDGES, np.degrees(yaw), "right"))
    upright = int(np.searchsorted(PITCH_EDGES, np.degrees(pitch), "right"))
    return YAW_WORDS[across], PITCH_WORDS[upright]


def _slightly(angle: float, below: str, above: str) -> str:
    degrees = float(np.degrees(angle))
    return "" if abs(degrees) < _STRAIGHT else f"slightly {above if degrees > 0 else below}"


def is_lacking(dst: NDArray[np.float64], src: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which faces of dst look where src has too few faces: (N,). dst, src: pitch and yaw, (N, 2) and (M, 2) radians."""
    near = cv2.filter2D(_counts(src), -1, _disc(), borderType=cv2.BORDER_CONSTANT)
    rows, columns = _map_cells(dst)
    lacking: NDArray[np.bool_] = near[rows, columns] < enough_faces(len(src)) - 0.5
    return lacking


def enough_faces(count: int) -> int:
    """How many faces of a set of `count` must look in a direction so that a model can learn it."""
    return min(10, max(3, count // 200))


def find_coverage_gaps(dst: NDArray[np.float64], src: NDArray[np.float64]) -> list[CoverageGap]:
    """The directions in which dst looks and src hardly does, the most frequent first; see is_lacking."""
    lacking = dst[is_lacking(dst, src)]
    cells = [_cell(pitch, yaw) for pitch, yaw in lacking]
    gaps = []
    for one in dict.fromkeys(cells):
        faces = lacking[[cell == one for cell in cells]]
        if len(faces) < max(_MIN_FACES, _MIN_SHARE * len(dst)):
            continue
        there = cv2.filter2D(_counts(faces), -1, _disc(), borderType=cv2.BORDER_CONSTANT) > 0.5
        mirrored = src * (1, -1)
        counts = [int(there[_map_cells(poses)].sum()) for poses in (src, mirrored)]
        gaps.append(CoverageGap(direction(*faces.mean(axis=0)), len(faces), len(faces) / len(dst), *counts))
    return sorted(gaps, key=lambda gap: -gap.faces)


def _map_cells(poses: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each pose on a map with one cell a degree."""
    degrees = np.clip(np.rint(np.degrees(poses)), -_LIMIT, _LIMIT).astype(np.int64) + _LIMIT
    return degrees[:, 0], degrees[:, 1]


def _counts(poses: NDArray[np.float64]) -> NDArray[np.float32]:
    """How many poses fall in each cell of that map."""
    counts = np.zeros((2 * _LIMIT + 1, 2 * _LIMIT + 1), np.float32)
    np.add.at(counts, _map_cells(poses), 1)
    return counts


def _disc() -> NDArray[np.float32]:
    y, x = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1]
    disc: NDArray[np.float32] = (x**2 + y**2 <= _REACH**2).astype(np.float32)
    return disc
