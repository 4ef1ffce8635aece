import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.report import Report
from dfl.face_analysis import near_duplicates as module
from dfl.face_analysis.near_duplicates import near_duplicates


def _thumbnails(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(20, 230, (count, 32, 32, 3)).astype(np.uint8)


def test_near_equal_faces_are_together_the_best_first() -> None:
    thumbnails = _thumbnails(6)
    thumbnails[4] = thumbnails[1] + 1
    thumbnails[5] = thumbnails[1] - 3  # four from 4: just near equal
    thumbnails[3] = thumbnails[0] + 9
    groups = near_duplicates(thumbnails, np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.5]), Report())
    assert groups == [[4, 5, 1], [0], [2], [3]]


def test_a_slow_change_is_not_one_group() -> None:
    thumbnails = np.repeat(_thumbnails(1) // 2, 60, axis=0) + np.arange(60, dtype=np.uint8)[:, None, None, None]
    groups = near_duplicates(thumbnails, np.linspace(1, 0, 60), Report())
    assert 6 < len(groups) < 16
    for group in groups:
        assert all(abs(face - group[0]) <= 4 for face in group)


def test_a_blink_is_something_new() -> None:
    thumbnails = np.repeat(_thumbnails(1) // 2 + 60, 3, axis=0)
    thumbnails[1, 12:15, 9:12] += 30  # an eye
    thumbnails[2, 28:32, 9:12] += 30  # the collar
    assert near_duplicates(thumbnails, np.array([3.0, 2, 1]), Report()) == [[0, 2], [1]]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    thumbnails = _thumbnails(12)[random.integers(0, 12, 100)] + random.integers(0, 5, (100, 1, 1, 1)).astype(np.uint8)
    quality = random.uniform(size=100)
    whole = near_duplicates(thumbnails, quality, Report())
    monkeypatch.setattr(module, "_BLOCK", 7)
    assert near_duplicates(thumbnails, quality, Report()) == whole
    assert sorted(face for group in whole for face in group) == list(range(100))


def test_no_faces_have_no_groups() -> None:
    assert near_duplicates(np.empty((0, 32, 32, 3), np.uint8), np.empty(0), Report()) == []
