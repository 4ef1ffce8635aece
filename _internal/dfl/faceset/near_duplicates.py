"""Faces that show next to nothing new: the neighbours in time of a still scene."""

import numpy as np
from numpy.typing import NDArray

from dfl.base.report import Report

# Root mean square difference of two 32 x 32 grey pictures, of 255, up to which they are near equal.
NEAR_EQUAL = 2.0
_BLOCK = 256


def near_duplicates(thumbnails: NDArray[np.uint8], quality: NDArray[np.float64], report: Report) -> list[list[int]]:
    """Groups of near equal faces, the best of each first: all N indices, the largest groups first, then by index.

    thumbnails: (N, S, S, 3) uint8. quality: (N,), more is better. The best face of all is the first of a group; every
    next best one joins the group whose first it is nearest to, or begins one. So each face is near equal to the first
    of its group, and a slow change does not become one group.
    """
    # Whole numbers around 0: the sums of their products are below 2**24, exact in float32, the same on every machine.
    grey = (thumbnails.sum(axis=3) // 3).astype(np.float32) - 128
    grey = grey.reshape(len(grey), grey.shape[1] * grey.shape[2])
    best_first = np.argsort(-quality, kind="stable")
    firsts: list[int] = []
    groups: dict[int, list[int]] = {}
    limit = NEAR_EQUAL**2 * grey.shape[1]
    starts = range(0, len(grey), _BLOCK)
    for start in report.track(starts, "Comparing faces", len(starts)):
        part = best_first[start : start + _BLOCK]
        known = len(firsts)
        to_known = _squares(grey[part], grey[firsts]) if known else np.empty((len(part), 0))
        to_part = _squares(grey[part], grey[part])
        new: list[int] = []  # places in `part`
        for place, face in enumerate(part):
            apart = np.concatenate([to_known[place], to_part[place, new]])
            nearest = int(apart.argmin()) if len(apart) else -1
            if nearest >= 0 and apart[nearest] <= limit:
                groups[firsts[nearest]].append(int(face))
            else:
                new.append(place)
                firsts.append(int(face))
                groups[int(face)] = [int(face)]
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def _squares(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared distances, each with each: (N, M)."""
    squares = -2 * (some @ others.T).astype(np.float64)
    squares += (some**2).sum(axis=1, dtype=np.float64)[:, None]
    squares += (others**2).sum(axis=1, dtype=np.float64)
    return squares
