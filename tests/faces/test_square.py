import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.faces.square import Square, angle_apart, iou, roll_between, tiles, turn, whole_frame


def _spot(picture: np.ndarray) -> np.ndarray:
    """Where the bright spot of a picture lies: its centre of mass, (x, y)."""
    mass = picture[:, :, 0].astype(np.float64)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(mass * x).sum(), (mass * y).sum()]) / mass.sum()


# Side of the square in pixels: enlarged, about equal, reduced by bilinear alone, reduced by 3 and by 7 first.
@pytest.mark.parametrize("side", [40.0, 97.0, 180.0, 300.0, 700.5])
@pytest.mark.parametrize("roll", [0.0, 0.4, math.pi / 2, -2.0])
def test_a_point_of_the_cut_lies_where_it_lies_in_the_frame(side: float, roll: float) -> None:
    frame = np.zeros((400, 640, 3), np.uint8)
    cv2.circle(frame, (300, 210), 8, (255, 255, 255), -1)
    square = Square(305.3, 204.6, side, roll)
    cut = square.cut(frame, 96)
    unit = (_spot(cut) + 0.5) / 96
    back = square.to_frame(unit[None].astype(np.float32))[0]
    assert back == pytest.approx(_spot(frame), abs=0.25)


def test_what_lies_outside_the_frame_is_black() -> None:
    frame = np.full((60, 80, 3), 200, np.uint8)
    assert not Square(-500, -500, 50).cut(frame, 32).any()
    assert not Square(-5000, 0, 400).cut(frame, 32).any()
    assert whole_frame(frame).cut(frame, 80)[0].max() == 0
    assert whole_frame(frame).cut(frame, 80)[40].min() == 200


def test_the_whole_frame_is_cut_without_loss_at_its_own_size() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert np.array_equal(whole_frame(frame).cut(frame, 64), frame)


def test_turned_by_a_quarter_the_left_of_the_frame_is_at_the_bottom() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:, :8] = 255
    cut = whole_frame(frame, math.pi / 2).cut(frame, 64)
    assert cut[-4].min() == 255
    assert cut[4].max() == 0


@settings(deadline=None)
@given(st.floats(-50, 50), st.floats(-3, 3))
def test_angles_apart(turns: float, angle: float) -> None:
    assert angle_apart(angle, angle + turns * 2 * math.pi) <= math.pi
    assert angle_apart(angle, angle + 2 * math.pi) == pytest.approx(0, abs=1e-9)
    assert angle_apart(angle, angle + math.pi) == pytest.approx(math.pi, abs=1e-9)


def test_roll_is_clockwise() -> None:
    eyes = np.array([(10, 10), (20, 10)], np.float32)
    assert roll_between(*eyes) == 0
    assert roll_between(*turn(eyes, 0.3)) == pytest.approx(0.3, abs=1e-6)
    assert roll_between(np.array([10, 10], np.float32), np.array([20, 15], np.float32)) > 0


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0, 0, 10, 10), 1.0),  # the same
        ((5, 0, 15, 10), 1 / 3),  # half of each
        ((10, 0, 20, 10), 0.0),  # side by side
        ((2, 2, 4, 4), 0.04),  # inside
    ],
)
def test_overlap(other: tuple[int, ...], expected: float) -> None:
    box = np.array((0, 0, 10, 10), np.float32)
    assert iou(box, np.array(other, np.float32)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("height", "width", "side", "count"), [(360, 640, 400, 3), (540, 960, 400, 8), (300, 300, 400, 1)]
)
def test_tiles_cover_the_frame_with_half_overlap(height: int, width: int, side: int, count: int) -> None:
    made = list(tiles(np.zeros((height, width, 3), np.uint8), side))
    assert len(made) == count
    seen = np.zeros((height, width), bool)
    for tile in made:
        left, top = round(tile.x - (side - 1) / 2), round(tile.y - (side - 1) / 2)
        seen[max(top, 0) : top + side, max(left, 0) : left + side] = True
    assert seen.all()
    for one, other in pairwise(sorted({tile.x for tile in made})):
        assert other - one <= side / 2
