"""What surrounds the landmark network, against slow computations from its description."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.extraction.fan_points import FanCrop, crop_for_fan, peaks


@given(
    st.tuples(st.integers(-50, 500), st.integers(-50, 500), st.integers(1, 400), st.integers(1, 400)),
    st.sampled_from([64, 256]),
    st.tuples(st.floats(0, 256), st.floats(0, 256)),
)
def test_points_of_the_square_lie_around_the_boxes_centre(box, resolution, point):
    left, top, width, height = box
    crop = FanCrop.of_box(np.array([left, top, left + width, top + height]))
    side = 200 * (width + height) / 195
    wanted = [
        (2 * low + size) / 2 + (value / resolution - 0.5) * side
        for low, size, value in ((left, width, point[0]), (top, height, point[1]))
    ]
    assert crop.to_picture(np.array([point]), resolution)[0] == pytest.approx(wanted, abs=1e-6)


def test_the_second_pass_moves_the_centre_by_a_pixel():
    box = np.array([10, 20, 110, 140])
    crop, moved = FanCrop.of_box(box), FanCrop.of_box(box, (-1, 1))
    assert (moved.x - crop.x, moved.y - crop.y, moved.scale) == (-1, 1, crop.scale)


def slow_cut(picture, box):
    """Pixel by pixel with the index arithmetic of the description, which counts from 1."""
    height, width = picture.shape[:2]
    left, top, right, bottom = box
    side = 200 * ((right - left) + (bottom - top)) / 195
    middle = ((left + right) / 2, (top + bottom) / 2)
    ulx, uly = (int(value + (1 / 256 - 0.5) * side) for value in middle)
    brx, bry = (int(value + 0.5 * side) for value in middle)
    new = np.zeros((bry - uly, brx - ulx, 3), np.uint8)
    new_columns = range(max(1, -ulx + 1), min(brx, width) - ulx + 1)
    old_columns = range(max(1, ulx + 1), min(brx, width) + 1)
    new_rows = range(max(1, -uly + 1), min(bry, height) - uly + 1)
    old_rows = range(max(1, uly + 1), min(bry, height) + 1)
    for new_column, old_column in zip(new_columns, old_columns, strict=True):
        for new_row, old_row in zip(new_rows, old_rows, strict=True):
            new[new_row - 1, new_column - 1] = picture[old_row - 1, old_column - 1]
    return cv2.resize(new, (256, 256), interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize(
    "box",
    [
        (30, 20, 61, 60),  # inside
        (-20, -15, 40, 45),  # over the upper left corner
        (60, 50, 121, 103),  # over the lower right one
        (-30, -30, 150, 120),  # around the whole picture
        (40, 40, 41, 41),  # of two pixels
    ],
)
def test_a_cut_is_the_described_one(box):
    picture = np.random.default_rng(1).integers(1, 256, (80, 100, 3)).astype(np.uint8)
    got = crop_for_fan(picture, FanCrop.of_box(np.array(box)))
    assert np.array_equal(got, slow_cut(picture, box))


@pytest.mark.parametrize("box", [(10, 10, 10, 10), (20, 20, 10, 10), (0, 0, 10**9, 10**9), (-5000, 0, 5000, 100)])
def test_boxes_of_no_or_vast_size_are_not_cut(box):
    assert crop_for_fan(np.zeros((80, 100, 3), np.uint8), FanCrop.of_box(np.array(box))) is None


def test_a_box_beside_the_picture_shows_nothing():
    cut = crop_for_fan(np.full((80, 100, 3), 200, np.uint8), FanCrop.of_box(np.array((300, 300, 340, 340))))
    assert cut is not None
    assert cut.max() == 0


def slow_peak(heat):
    best = (0, 0)
    for y in range(64):
        for x in range(64):
            if heat[y, x] > heat[best[1], best[0]]:
                best = (x, y)
    x, y = best
    if 0 < x < 63 and 0 < y < 63:
        x += 0.25 * np.sign(heat[best[1], best[0] + 1] - heat[best[1], best[0] - 1])
        y += 0.25 * np.sign(heat[best[1] + 1, best[0]] - heat[best[1] - 1, best[0]])
    return x + 0.5, y + 0.5


@pytest.mark.parametrize("seed", range(3))
def test_peaks_are_found_as_one_by_one(seed):
    # Few values, so that there are ties: the first in reading order counts.
    maps = np.random.default_rng(seed).integers(0, 500, (64, 64, 20)).astype(np.float32)
    assert peaks(maps).tolist() == [pytest.approx(slow_peak(maps[:, :, number])) for number in range(20)]


@pytest.mark.parametrize(
    ("x", "y", "wanted"),
    [
        (10, 20, (10.75, 20.25)),  # higher to the right, and above
        (0, 20, (0.5, 20.5)),  # at the rim nothing is added, in neither direction
        (10, 63, (10.5, 63.5)),
        (63, 0, (63.5, 0.5)),
    ],
)
def test_a_quarter_towards_the_higher_neighbour(x, y, wanted):
    maps = np.zeros((64, 64, 1), np.float32)
    maps[y, x] = 1
    maps[y, min(x + 1, 63)] += 0.5 if x < 63 else 0
    maps[max(y - 1, 0), x] += 0.5 if y > 0 else 0
    assert peaks(maps)[0].tolist() == list(wanted)


def test_equal_neighbours_leave_the_middle():
    maps = np.zeros((64, 64, 1), np.float32)
    maps[30, 30] = 1
    assert peaks(maps)[0].tolist() == [30.5, 30.5]
