"""Group faces into people by their descriptors.

Average linkage: two groups are one person while the root mean square distance between their faces is small. One blurred
face between two people does not join them, as it would where single distances count. Faces that lie close together are
taken as one from the start, so that memory grows with the number of faces and not with its square.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Root mean square distance between the faces of two groups of one person. Measured on 1200 faces of 10 clips: from 0.5
# to 0.55 every clip gives its people, none split, none mixed; 0.45 splits profiles off, 0.6 joins two men with glasses.
SAME_GROUP = 0.52
# Faces this near are surely of one person: half of the least distance of two people.
_CLOSE = 0.3
# Groups of close faces that are compared each with each (64 MB); smaller ones beyond are put to the nearest person.
_MAX_GROUPS = 4000
# Smaller clusters get no number: blurred faces, faces of passers-by.
MIN_FACES = 3
NOBODY = 0


@dataclass
class _Group:
    """Faces that lie close together: count, mean (128,) and mean of the squared lengths."""

    count: int
    mean: NDArray[np.float64]
    square: float


def group_people(descriptors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The cluster of every face: (N,) of 1 (the largest), 2, ...; 0 for faces of clusters with fewer than MIN_FACES.

    descriptors: (N, 128), see faces.identity. The same descriptors in the same order give the same people.
    """
    if not len(descriptors):
        return np.zeros(0, np.int64)
    group_of_face, groups = _close_groups(descriptors)
    person_of_group = _joined(groups)
    found, first, label, counts = np.unique(
        person_of_group[group_of_face], return_index=True, return_inverse=True, return_counts=True
    )
    ordered = [index for index in np.lexsort((first, -counts)) if counts[index] >= MIN_FACES]
    numbers = np.full(len(found), NOBODY)
    numbers[ordered] = np.arange(1, len(ordered) + 1)
    return numbers[label].astype(np.int64)


def distances_to_mean(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far each face of one person, (N, 128), lies from the person's mean: (N,) float32, mostly 0.1 to 0.4."""
    distances: NDArray[np.float32] = np.linalg.norm(descriptors - descriptors.mean(axis=0), axis=1).astype(np.float32)
    return distances


def _close_groups(descriptors: NDArray[np.float32]) -> tuple[NDArray[np.int64], list[_Group]]:
    """Put each face to the nearest earlier leader within _CLOSE, or make it one; groups in order of their leaders."""
    leaders = np.empty((16, descriptors.shape[1]), np.float32)
    group_of_face = np.empty(len(descriptors), np.int64)
    count = 0
    for index, face in enumerate(descriptors):
        if count:
            squares = ((leaders[:count] - face) ** 2).sum(axis=1)
            nearest = int(squares.argmin())
            if squares[nearest] < _CLOSE**2:
                group_of_face[index] = nearest
                continue
        if count == len(leaders):
            leaders = np.concatenate([leaders, np.empty_like(leaders)])
        leaders[count] = face
        group_of_face[index] = count
        count += 1
    counts = np.bincount(group_of_face, minlength=count)
    sums = np.zeros((count, descriptors.shape[1]))
    np.add.at(sums, group_of_face, descriptors)
    squares = np.bincount(group_of_face, (descriptors.astype(np.float64) ** 2).sum(axis=1), count)
    return group_of_face, [
        _Group(int(number), total / number, float(square / number))
        for number, total, square in zip(counts, sums, squares, strict=True)
    ]


def _joined(groups: list[_Group]) -> NDArray[np.int64]:
    """The person of every group: the largest ones compared each with each, the rest put to the nearest person."""
    order = sorted(range(len(groups)), key=lambda index: -groups[index].count)
    chosen, rest = order[:_MAX_GROUPS], order[_MAX_GROUPS:]
    person = np.empty(len(groups), np.int64)
    labels = _average_linkage([groups[index] for index in chosen])
    person[chosen] = labels
    if rest:
        people = [
            _sum([groups[chosen[at]] for at in np.flatnonzero(labels == label)]) for label in range(max(labels) + 1)
        ]
        means, squares = np.stack([one.mean for one in people]), np.array([one.square for one in people])
        for number, index in enumerate(rest, len(people)):
            distances = groups[index].square + squares - 2 * means @ groups[index].mean
            nearest = int(distances.argmin())
            person[index] = nearest if distances[nearest] < SAME_GROUP**2 else number
    return person


def _sum(groups: list[_Group]) -> _Group:
    counts = np.array([group.count for group in groups])
    mean = np.average([group.mean for group in groups], axis=0, weights=counts)
    return _Group(int(counts.sum()), mean, float(np.average([group.square for group in groups], weights=counts)))


def _average_linkage(groups: list[_Group]) -> NDArray[np.int64]:
    """Join groups while the mean squared distance between their faces is below SAME_GROUP squared: labels 0, 1, ...

    Nearest-neighbour chain (F. Murtagh, 1983): go from a group to its nearest one until two are each other's nearest,
    and join these. Average linkage gives the same groups in whatever order such pairs are joined.
    """
    counts = np.array([group.count for group in groups], np.float64)
    means = np.stack([group.mean for group in groups])
    squares = np.array([group.square for group in groups])
    # The mean of |a - b|^2 over all faces a of one group and b of the other.
    apart = (squares[:, None] + squares[None, :] - 2 * means @ means.T).astype(np.float32)
    np.fill_diagonal(apart, np.inf)
    labels = np.arange(len(groups))
    is_open = np.ones(len(groups), bool)
    chain: list[int] = []
    while chain or is_open.any():
        if not chain:
            chain.append(int(is_open.argmax()))
        last = chain[-1]
        nearest = int(apart[last].argmin())
        if len(chain) > 1 and apart[last, chain[-2]] <= apart[last, nearest]:
            nearest = chain[-2]
        if not apart[last, nearest] < SAME_GROUP**2:
            is_open[last] = False  # no other group is ever nearer to it than now
            apart[last, :] = apart[:, last] = np.inf
            chain.pop()
        elif len(chain) > 1 and nearest == chain[-2]:
            del chain[-2:]
            _join(apart, counts, last, nearest)
            is_open[last] = False
            labels[labels == last] = nearest
        else:
            chain.append(nearest)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _join(apart: NDArray[np.float32], counts: NDArray[np.float64], one: int, other: int) -> None:
    """Make `one` a part of `other`: distances to it are means over the faces of both."""
    row = (apart[one] * counts[one] + apart[other] * counts[other]) / (counts[one] + counts[other])
    row[[one, other]] = np.inf
    apart[other, :] = apart[:, other] = row
    apart[one, :] = apart[:, one] = np.inf
    counts[other] += counts[one]
