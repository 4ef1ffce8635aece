"""Subsets of a faceset that keep its poses: the original's "final", and one that covers yaw and pitch evenly."""

import math

import numpy as np
from numpy.typing import NDArray

_YAW_BINS = 128
_YAW_EDGES = np.linspace(-1.2, 1.2, _YAW_BINS)
_POOL = 10  # candidates of a yaw, in multiples of the faces wanted of it
# Cells of the map of poses, degrees; larger when there are more cells than faces are wanted.
_FINEST_CELL = 2.0
_GROWTH = 1.1

_Indices = NDArray[np.intp]


def best_faces(poses: NDArray[np.float64], quality: NDArray[np.float64], target: int) -> tuple[list[int], list[int]]:
    """The original's choice of about `target` faces: the chosen ones ordered by yaw, and the
    others.

    poses: (N, 2) pitch and yaw in radians. quality: (N,), more is better. Of each of 128 yaws so many faces are taken,
    more where other yaws have too few; within a yaw in turn from all pitches, the best first.
    """
    yaw_bin = _bins(-poses[:, 1], _YAW_EDGES)
    counts = np.bincount(yaw_bin, minlength=_YAW_BINS)
    wanted = max(1, round(target / _YAW_BINS))
    wanted += int(np.maximum(wanted - counts, 0).sum()) // _YAW_BINS
    pitch_edges = np.linspace(-math.pi / 2, math.pi / 2, wanted)
    best_first = np.argsort(-quality, kind="stable")
    kept: list[int] = []
    trash: list[int] = []
    for number in range(_YAW_BINS):
        faces = best_first[yaw_bin[best_first] == number]
        pool, rest = faces[: _POOL * wanted], faces[_POOL * wanted :]
        pitch_bin = _bins(poses[pool, 0], pitch_edges)
        in_turn = pool[_in_turn(pitch_bin)]
        kept += in_turn[:wanted].tolist()
        trash += rest.tolist() + in_turn[wanted:].tolist()
    return kept, trash


def covering_faces(
    poses: NDArray[np.float64], quality: NDArray[np.float64], target: int
) -> tuple[list[int], list[int]]:
    """`target` faces that cover all poses: the chosen ones, and the others, each as indices.

    The map of yaw and pitch is cut into cells, the finest of which no more than `target` hold a face. From each cell
    the best face is taken, then the second best of each, and so on. The chosen ones are ordered by yaw.
    """
    cell = _FINEST_CELL
    cells = _cells(poses, cell)
    while cells.max(initial=0) + 1 > target:
        cell *= _GROWTH
        cells = _cells(poses, cell)
    best_first = np.argsort(-quality, kind="stable")
    in_turn = best_first[_in_turn(cells[best_first])]
    kept, rest = in_turn[:target], in_turn[target:]
    return kept[np.argsort(-poses[kept, 1], kind="stable")].tolist(), rest.tolist()


def _bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> _Indices:
    """The last edge that is not above the value; 0 for values below all of them."""
    return np.maximum(np.digitize(values, edges) - 1, 0)


def _in_turn(groups: _Indices) -> _Indices:
    """Indices such that the first of each group comes first, groups ascending, then the second of each, and so on."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    turn = np.empty(len(groups), np.intp)
    turn[order] = np.arange(len(groups)) - np.searchsorted(ordered, ordered)
    return np.lexsort((groups, turn))


def _cells(poses: NDArray[np.float64], degrees: float) -> _Indices:
    """The cell of each pose, numbered without gaps."""
    angles = np.degrees(poses)
    down, across = np.floor((angles - angles.min(axis=0, initial=180)) / degrees).astype(np.int64).T
    numbers: _Indices = np.unique(1000 * down + across, return_inverse=True)[1]
    return numbers
