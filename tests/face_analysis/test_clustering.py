from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from dfl.face_analysis import clustering
from dfl.face_analysis.clustering import SAME_GROUP, distances_to_mean, group_people
from dfl.faces.reference import references_of

# Two people's means are about this far apart in real footage, one person's faces about _SPREAD from their mean.
_APART = 0.72
_SPREAD = 0.23


def made_faces(
    counts: list[int], seed: int = 0, spread: float = _SPREAD
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Descriptors of made people, and whose each is; person after person."""
    random = np.random.default_rng(seed)
    means = np.eye(128)[: len(counts)] * _APART / np.sqrt(2)
    who = np.repeat(np.arange(len(counts)), counts)
    off = random.normal(size=(len(who), 128))
    off *= spread / np.linalg.norm(off, axis=1, keepdims=True)
    return (means[who] + off).astype(np.float32), who


def partition(labels: NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def test_people_are_numbered_by_the_number_of_their_faces() -> None:
    faces, _ = made_faces([10, 30, 20])
    assert group_people(faces).tolist() == [3] * 10 + [1] * 30 + [2] * 20


def test_people_with_equally_many_faces_are_numbered_as_they_come() -> None:
    faces, _ = made_faces([5, 5])
    assert group_people(faces).tolist() == [1] * 5 + [2] * 5


def test_one_or_two_faces_are_nobody() -> None:
    faces, _ = made_faces([8, 2, 1, 3])
    assert group_people(faces).tolist() == [1] * 8 + [0] * 3 + [2] * 3


def test_no_faces_are_no_people() -> None:
    assert group_people(np.zeros((0, 128), np.float32)).shape == (0,)


def test_faces_between_two_people_do_not_join_them() -> None:
    faces, _ = made_faces([30, 30])
    between = (faces[:4] + faces[30:34]) / 2
    labels = group_people(np.concatenate([faces, between]))
    assert set(labels[:30]) == {labels[0]}
    assert set(labels[30:60]) == {labels[30]}
    assert labels[0] != labels[30]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(3, 20), min_size=1, max_size=5), st.integers(0, 10_000))
def test_the_order_of_the_faces_does_not_change_who_belongs_together(counts: list[int], seed: int) -> None:
    faces, who = made_faces(counts, seed)
    order = np.random.default_rng(seed).permutation(len(faces))
    assert partition(group_people(faces)) == partition(who)
    assert partition(group_people(faces[order])) == partition(who[order])


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_those_of_average_linkage(seed: int) -> None:
    # Faces so scattered that none are close, in groups that run into one another.
    faces, _ = made_faces([12, 9, 7, 5], seed, spread=0.38)
    random = np.random.default_rng(seed)
    faces += random.normal(scale=0.01, size=faces.shape).astype(np.float32)
    tree = linkage(pdist(faces.astype(np.float64)) ** 2, "average")
    wanted = fcluster(tree, SAME_GROUP**2, "distance")
    wanted = np.where(np.bincount(wanted)[wanted] >= clustering.MIN_FACES, wanted, 0)
    assert partition(group_people(faces)) == partition(wanted)


def test_groups_beyond_the_number_that_is_compared_go_to_the_nearest_person(monkeypatch: pytest.MonkeyPatch) -> None:
    faces, who = made_faces([40, 40, 3], spread=0.25)
    monkeypatch.setattr(clustering, "_MAX_GROUPS", 60)
    assert partition(group_people(faces)[:80]) == partition(who[:80])


def test_the_most_typical_face_is_nearest_to_the_mean() -> None:
    faces, _ = made_faces([20])
    faces[7] = faces.mean(axis=0)
    distances = distances_to_mean(faces)
    assert distances.argmin() == 7
    assert distances.max() == pytest.approx(_SPREAD, rel=0.15)


@pytest.mark.slow
def test_stills_of_five_people_are_five_people(shared: Path) -> None:
    stills = [sorted(folder.glob("*.jpg")) for folder in sorted((shared / "identities").glob("person_*"))]
    found = group_people(references_of([still for one in stills for still in one]))
    assert found.tolist() == [number for number, one in enumerate(stills, 1) for _ in one]
