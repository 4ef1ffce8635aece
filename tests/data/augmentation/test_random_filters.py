"""Random filters: equal to the original's from the same random state, and mild where they do not fall."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import RandomState

from dfl.base.pictures import FloatPicture
from dfl.data.augmentation.random_filters import (
    blend,
    blur_sometimes,
    compress_sometimes,
    faded_circle,
    motion_blur_sometimes,
    random_circle,
    resize_sometimes,
    sharpen_sometimes,
    shift_hue,
    shift_levels,
)

# Recorded name, and the filter with the record's chance and largest strength.
FILTERS: list[tuple[str, Callable[[FloatPicture, RandomState, int], FloatPicture]]] = [
    ("rgb_levels", lambda x, random, _: shift_levels(x, random)),
    ("hsv_shift", lambda x, random, _: shift_hue(x, random)),
    ("rnd_sharpen", lambda x, random, chance: sharpen_sometimes(x, random, chance, 10)),
    ("rnd_motion", lambda x, random, chance: motion_blur_sometimes(x, random, chance, 10)),
    ("rnd_gauss", lambda x, random, chance: blur_sometimes(x, random, chance, 10)),
    ("rnd_bilinear", lambda x, random, chance: resize_sometimes(x, random, chance, 75, cv2.INTER_LINEAR)),
    ("rnd_nearest", lambda x, random, chance: resize_sometimes(x, random, chance, 75, cv2.INTER_NEAREST)),
    ("rnd_jpeg", lambda x, random, chance: compress_sometimes(x, random, chance)),
]


@pytest.fixture(scope="module")
def ops(shared: Path) -> Any:
    return np.load(shared / "original/ops/ops.npz")


def _values(stored: Any) -> Any:
    scale = np.iinfo(stored.dtype).max if stored.dtype in (np.uint8, np.uint16) else 1
    return stored.astype(np.float32) / np.float32(scale)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(("name", "change"), FILTERS, ids=[row[0] for row in FILTERS])
def test_a_random_state_gives_the_original_s_result(ops: Any, name: str, change: Any, number: int, agrees: Any) -> None:
    made, wanted = change(_values(ops["a"]), RandomState(40 + number), 100), _values(ops[f"{name}_{number}"])
    agrees(f"ops {name}", made, wanted, 0.001 * max(np.abs(wanted).max(), 1))


def test_a_masked_shift_and_the_circle_equal_the_records(ops: Any, agrees: Any) -> None:
    picture, mask = _values(ops["a"]), _values(ops["mask"])
    made = blend(picture, shift_hue(picture, RandomState(9)), mask)
    agrees("ops hsv_shift_masked", made, _values(ops["hsv_shift_masked"]), 0.001)
    agrees("ops sd_circle_faded", faded_circle(96, 96, 50, 40.5, 20, 40), _values(ops["sd_circle_faded"]), 0.001)


@pytest.mark.parametrize(("name", "change"), FILTERS[2:], ids=[row[0] for row in FILTERS[2:]])
def test_a_chance_of_25_falls_a_quarter_of_the_time(name: str, change: Any) -> None:
    picture = RandomState(1).rand(24, 24, 3).astype(np.float32)
    fallen = sum(change(picture, RandomState(seed), 25) is not picture for seed in range(300))
    assert 45 <= fallen <= 105


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 80), width=st.integers(1, 80), seed=st.integers(0, 2**32 - 1))
def test_circles_fit_any_picture(height: int, width: int, seed: int) -> None:
    circle = random_circle(height, width, RandomState(seed))
    assert circle.shape == (height, width, 1)
    assert circle.dtype == np.float32
    assert 0 <= circle.min() <= circle.max() <= 1
    picture = np.zeros((height, width, 3), np.float32)
    np.testing.assert_allclose(blend(picture, picture + 1, circle), np.repeat(circle, 3, axis=2), atol=1e-6)
