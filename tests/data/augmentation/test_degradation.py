"""Faults laid over inputs: each does what its name says, as often as said, and nothing unasked."""

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.base.pictures import Picture
from dfl.data.augmentation.degradation import Degradations, degrade

NAMES = [each.name for each in dataclasses.fields(Degradations)]
SIDE = 128


def _picture(side: int = SIDE) -> Picture:
    """Smooth colours under sharp lines, away from black and white."""
    noise = np.random.default_rng(1).random((6, 6, 3), np.float32)
    picture = (cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 120 + 60).astype(np.uint8)
    picture[:: max(side // 16, 1)] = 200
    return picture


def _spoilt(name: str, count: int = 200) -> list[Picture]:
    """What `count` seeds make of the picture where they change it."""
    picture = _picture()
    done = [degrade(picture, Degradations(**{name: True}), np.random.default_rng(seed)) for seed in range(count)]
    return [one for one in done if one is not picture]


@pytest.mark.parametrize(("name", "share"), [(name, 0.5 if name == "shadow" else 0.25) for name in NAMES])
def test_each_comes_as_often_as_said_and_is_seen(name: str, share: float) -> None:
    spoilt = _spoilt(name)
    assert abs(len(spoilt) / 200 - share) < 0.1
    for one in spoilt:
        assert one.shape == (SIDE, SIDE, 3)
        assert one.dtype == np.uint8
        assert np.abs(one.astype(int) - _picture()).mean() > 0.3


def _detail(picture: Picture) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.CV_32F).std())


def test_blur_and_downsampling_take_detail_noise_brings_it() -> None:
    plain = _detail(_picture())
    assert all(_detail(one) < 0.95 * plain for one in _spoilt("blur") + _spoilt("downsample"))
    flat = np.full((SIDE, SIDE, 3), 128, np.uint8)
    noisy = [degrade(flat, Degradations(noise=True), np.random.default_rng(seed)) for seed in range(200)]
    spreads = [float(one.std()) for one in noisy if one is not flat]
    assert min(spreads) == pytest.approx(np.sqrt(10), rel=0.1), "Poisson of 10"
    assert 20 < max(spreads) < 20 * np.sqrt(2) * 1.05, "Laplace of 20"
    assert all(abs(one.mean() - 128) < 1 for one in noisy)


def test_shadows_darken_a_band_and_leave_the_rest_as_bright_or_brighter() -> None:
    grey = np.full((SIDE, SIDE, 3), 100, np.uint8)
    done = [degrade(grey, Degradations(shadow=True), np.random.default_rng(seed)) for seed in range(60)]
    for one in (one for one in done if one is not grey):
        assert 18 <= one.min() <= 62
        assert 98 <= one.max() <= 152
        assert 0.1 < (one < 80).mean() < 0.9


def test_nothing_asked_changes_nothing() -> None:
    picture = _picture()
    assert not Degradations()
    assert degrade(picture, Degradations(), np.random.default_rng(1)) is picture


@settings(max_examples=60, deadline=None)
@given(side=st.integers(16, 200), seed=st.integers(0, 2**32 - 1))
def test_all_together_serve_any_side_and_repeat(side: int, seed: int) -> None:
    picture, faults = _picture(side), Degradations(*[True] * len(NAMES))
    first, again = (degrade(picture, faults, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == picture.shape
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_input_of_a_sample_is_degraded(make_face: Any, name: str) -> None:
    from dfl.data.sample import SampleSettings, make_sample
    from dfl.faces.face_type import FaceType

    plain = SampleSettings(64, FaceType.FULL, hsv_power=0.1, eyes_mouth="joint", flip=True)
    faulty = dataclasses.replace(plain, degrade=Degradations(**{name: True}))
    face = make_face()
    changed = 0
    for seed in range(20):
        one, other = (make_sample(face.picture, face.metadata, how, seed) for how in (plain, faulty))
        for part in ("target", "mask", "eyes_mouth"):
            np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
        changed += not np.array_equal(one.warped, other.warped)
    assert 1 <= changed <= 17
