import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.face_analysis.best_faces import best_faces, covering_faces


def test_each_yaw_gives_its_best_from_all_pitches() -> None:
    # One yaw; with 2 wanted of it, the two pitch bins meet at pi/2: all others lie in the lower one.
    poses = np.array([[0.1, 0.5], [0.2, 0.5], [0.3, 0.5], [-0.4, -0.5]])
    kept, trash = best_faces(poses, np.array([1.0, 3.0, 2.0, 0.0]), 256)
    assert kept == [1, 2, 0, 3]  # the other yaws are empty: more are taken of these
    assert trash == []
    kept, trash = best_faces(np.array([[0.0, 0.5]] * 40), np.arange(40.0), 128)
    assert kept == [39]
    assert sorted(kept + trash) == list(range(40))


def test_yaws_beyond_the_map_are_in_its_last_bins() -> None:
    kept, trash = best_faces(np.array([[0, -1.5], [0, 1.5], [0, 0.0]]), np.ones(3), 2000)
    assert (kept, trash) == ([1, 2, 0], [])


@settings(deadline=None)
@given(count=st.integers(0, 300), target=st.integers(1, 400))
def test_every_face_is_kept_or_not(count: int, target: int) -> None:
    random = np.random.default_rng(count)
    poses, quality = random.normal(0, 0.5, (count, 2)), random.uniform(size=count)
    for choose in (best_faces, covering_faces):
        kept, trash = choose(poses, quality, target)
        assert sorted(kept + trash) == list(range(count))
    assert len(kept) == min(count, target)


def test_coverage_keeps_the_rare_poses_and_the_sharp_faces() -> None:
    random = np.random.default_rng(2)
    poses = random.normal(0, 0.02, (500, 2))
    poses[[7, 99, 300]] = [[0.6, 0.7], [-0.6, 0.7], [0.2, -1.0]]
    quality = random.uniform(size=500)
    kept, _ = covering_faces(poses, quality, 40)
    assert {7, 99, 300} <= set(kept)
    assert quality[kept].mean() > 0.8
    assert np.all(np.diff(poses[kept, 1]) <= 0)


def test_coverage_reaches_further_than_the_same_number_of_the_sharpest() -> None:
    random = np.random.default_rng(3)
    poses = random.uniform(-0.9, 0.9, (1000, 2)) * np.abs(random.normal(0, 0.4, (1000, 1))).clip(0, 1)
    quality = random.uniform(size=1000)
    kept, _ = covering_faces(poses, quality, 50)
    sharpest = np.argsort(-quality)[:50]

    def hole(chosen: object) -> float:
        return float(np.linalg.norm(poses[:, None] - poses[chosen][None], axis=2).min(axis=1).max())

    assert hole(kept) < hole(sharpest) / 1.5


@pytest.mark.parametrize("target", [1, 5])
def test_so_few_can_be_wanted(target: int) -> None:
    poses = np.random.default_rng(4).normal(0, 0.5, (60, 2))
    assert len(covering_faces(poses, np.ones(60), target)[0]) == target
