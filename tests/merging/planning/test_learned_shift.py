"""How far a model draws faces beside their place: measured on reconstructions that are blurred, pale and noisy."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.merging.blending.face_crop import NO_SHIFT, Shift
from dfl.merging.planning.learned_shift import agreed, shift_between, spelled_shift

Picture = NDArray[np.float32]


def face(seed: int, size: int) -> Picture:
    """Blobs of a face's features."""
    noise = np.random.default_rng(seed).random((12, 12, 3), np.float32)
    return np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 1), np.float32)


def drawn(picture: Picture, shift: Shift, seed: int = 0) -> Picture:
    """As a model draws it: moved, blurred, paler, lit from one side, with noise."""
    size = picture.shape[0]
    way = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], float)
    moved = cv2.warpAffine(picture, way, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    light = np.linspace(0.8, 1.1, size, dtype=np.float32)[None, :, None]
    pale = cv2.GaussianBlur(moved, (0, 0), size / 64) * light * np.float32(0.7) + np.float32(0.15)
    return (pale + np.random.default_rng(seed).normal(0, 0.01, pale.shape)).astype(np.float32)


def oval(size: int) -> Picture:
    y, x = np.mgrid[:size, :size] / size - 0.5
    return (np.hypot(x, y) < 0.42).astype(np.float32)


@pytest.mark.parametrize("size", [64, 128, 256, 384])
@pytest.mark.parametrize("shift", [(0.75, 0.40625), (-0.3125, 0), (1.0, 0.9375), (0, 0)])
def test_a_shift_is_found_to_a_tenth_of_a_pixel(shift: Shift, size: int) -> None:
    pictures = [face(seed, size) for seed in range(8)]
    found = [shift_between(one, drawn(one, shift, seed), oval(size)) for seed, one in enumerate(pictures)]
    assert agreed(found) == pytest.approx(shift, abs=0.1)


def test_what_shows_something_else_is_no_shift() -> None:
    one, other = face(0, 64), face(1, 64)
    assert shift_between(one, other, oval(64)) is None
    assert shift_between(one, np.full_like(one, 0.5), oval(64)) is None
    assert shift_between(one, one, np.zeros((64, 64), np.float32)) is None
    assert shift_between(one, drawn(one, (4, 0)), oval(64)) is None, "no warp teaches so much"


def test_most_faces_decide() -> None:
    sure: list[Shift | None] = [(0.5 + 0.02 * number, 0.3) for number in range(-5, 6)]
    assert agreed(sure) == (0.5, 0.3)
    assert agreed([*sure, (-2.0, 2.0), (1.9, -1.5), None, None]) == pytest.approx((0.5, 0.3), abs=0.05)
    assert agreed([*sure, *[None] * 12]) == NO_SHIFT, "most could not be measured"
    assert agreed(sure[:3]) == NO_SHIFT
    assert agreed([(0.02, 0.01)] * 9) == NO_SHIFT
    random = np.random.default_rng(1)
    assert agreed([tuple(pair) for pair in random.normal(0.1, 0.6, (24, 2)).tolist()]) == NO_SHIFT, "they disagree"
    clear = agreed([tuple(pair) for pair in random.normal(0.6, 0.3, (24, 2)).tolist()])
    assert clear == pytest.approx((0.6, 0.6), abs=0.2)


def test_a_shift_is_told_in_words() -> None:
    assert spelled_shift((0.62, 0.41)) == "0.6 px right and 0.4 px low"
    assert spelled_shift((-0.3, 0.04)) == "0.3 px left"
    assert spelled_shift((0.0, -1.0)) == "1.0 px high"
    assert spelled_shift(NO_SHIFT) == ""
