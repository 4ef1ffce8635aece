import cv2
import numpy as np
import pytest

from dfl.face_analysis.canny import canny


@pytest.mark.parametrize("shape", [(3, 3), (5, 40), (130, 97)])
def test_edges_are_those_of_scikit_image(shape: tuple[int, int]) -> None:
    from skimage.feature import canny as theirs

    random = np.random.default_rng(4)
    for sigma in (0.5, 3.0):
        grey = np.rint(cv2.GaussianBlur(random.uniform(0, 255, shape), (0, 0), sigma))
        assert np.array_equal(canny(grey), theirs(grey))


def test_weak_edges_count_beside_strong_ones_only() -> None:
    from skimage.feature import canny as theirs

    rows, columns = np.mgrid[:60, :80].astype(np.float64)
    grey = np.where(columns > 20, 0.002 * rows, 0.0) + np.where(columns > 60, 0.026, 0.0)
    assert theirs(grey).any()
    assert np.array_equal(canny(grey), theirs(grey))


def test_a_level_picture_has_no_edges() -> None:
    assert not canny(np.full((40, 50), 77.0)).any()
