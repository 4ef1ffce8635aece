"""Near duplicates, such as neighbouring frames of a still scene."""

import numpy as np
from numpy.typing import NDArray

from dfl.base.report import Report

# Two faces are near equal when the root mean square difference of their 32 x 32 grey pictures, of 255, is no more than
# this, and within 4 x 4 pixels of the picture's middle no more than that: a blink changes little else. Set by eye on
# 1100 faces of two clips: at 6 mouth and lids are where they were, at 10 an eye has closed.
NEAR_EQUAL = 4.0
NEAR_EQUAL_PART = 6.0
_PART = 4
# Eyes and mouth, in parts of 32 x 32 pixels; around them hair, shoulders and background move.
_MIDDLE = np.s_[..., 4:28, 8:24]
_BLOCK = 256


def near_duplicates(thumbnails: NDArray[np.uint8], quality: NDArray[np.float64], report: Report) -> list[list[int]]:
    """Groups of near equal faces, the best of each first: all N indices, the largest groups first, then by index.

    thumbnails: (N, 32, 32, 3) uint8. quality: (N,), more is better. The best face of all is the first of a group; every
    next best one joins the group whose first is nearest and near equal to it, or begins one. So each face is near equal
    to the first of its group, and a slow change does not become one group.
    """
    # Whole numbers around 0: the sums of their products are below 2**24, exact in float32, the same on every machine.
    grey = (thumbnails.sum(axis=3) // 3).astype(np.float32) - 128
    rows = grey.reshape(len(grey), grey.shape[1] * grey.shape[2])
    limit = NEAR_EQUAL**2 * rows.shape[1]
    best_first = np.argsort(-quality, kind="stable")
    groups: dict[int, list[int]] = {}
    starts = range(0, len(rows), _BLOCK)
    for start in report.track(starts, "Comparing faces", len(starts)):
        part = best_first[start : start + _BLOCK]
        firsts = np.array([*groups, *part], np.intp)
        # Of the faces of this block only those that have begun a group by then are looked at.
        is_first = np.arange(len(firsts)) < len(groups)
        known = len(groups)
        for index, (face, squares) in enumerate(zip(part, _squares(rows[part], rows[firsts]), strict=True), known):
            near = np.flatnonzero((squares <= limit) & is_first)
            near = near[np.argsort(squares[near], kind="stable")]
            first = next((int(firsts[one]) for one in near if _is_middle_equal(grey[face], grey[firsts[one]])), None)
            if first is None:
                groups[int(face)] = [int(face)]
                is_first[index] = True
            else:
                groups[first].append(int(face))
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def _is_middle_equal(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether eyes and mouth are as they are in the other, (32, 32) each."""
    squares = (one[_MIDDLE] - other[_MIDDLE]) ** 2
    down, across = squares.shape[0] // _PART, squares.shape[1] // _PART
    parts = squares.reshape(down, _PART, across, _PART).mean(axis=(1, 3))
    return bool(parts.max() <= NEAR_EQUAL_PART**2)


def _squares(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared distances, each with each: (N, M)."""
    squares = -2 * (some @ others.T).astype(np.float64)
    squares += (some**2).sum(axis=1, dtype=np.float64)[:, None]
    squares += (others**2).sum(axis=1, dtype=np.float64)
    return squares
