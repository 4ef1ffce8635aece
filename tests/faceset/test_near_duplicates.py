import numpy as np
from numpy.typing import NDArray

from dfl.base.report import Report
from dfl.faceset import near_duplicates as module
from dfl.faceset.near_duplicates import near_duplicates


def _thumbnails(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(20, 230, (count, 32, 32, 3)).astype(np.uint8)


def test_near_equal_faces_are_together_the_best_first() -> None:
    thumbnails = _thumbnails(6)
    thumbnails[4] = thumbnails[1] + 1
    thumbnails[5] = thumbnails[1] - 1  # two from 4: just near equal
    thumbnails[3] = thumbnails[0] + 9
    groups = near_duplicates(thumbnails, np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.5]), Report())
    assert groups == [[4, 5, 1], [0], [2], [3]]


def test_a_slow_change_is_not_one_group() -> None:
    thumbnails = np.repeat(_thumbnails(1) // 2, 60, axis=0) + np.arange(60, dtype=np.uint8)[:, None, None, None]
    groups = near_duplicates(thumbnails, np.linspace(1, 0, 60), Report())
    assert 10 < len(groups) < 30
    for group in groups:
        assert all(abs(face - group[0]) <= 2 for face in group)


def test_blocks_change_nothing() -> None:
    random = np.random.default_rng(5)
    thumbnails = _thumbnails(12)[random.integers(0, 12, 100)] + random.integers(0, 3, (100, 1, 1, 1)).astype(np.uint8)
    quality = random.uniform(size=100)
    whole = near_duplicates(thumbnails, quality, Report())
    module_block, module._BLOCK = module._BLOCK, 7
    try:
        assert near_duplicates(thumbnails, quality, Report()) == whole
    finally:
        module._BLOCK = module_block
    assert sorted(face for group in whole for face in group) == list(range(100))


def test_no_faces_have_no_groups() -> None:
    assert near_duplicates(np.empty((0, 32, 32, 3), np.uint8), np.empty(0), Report()) == []
