"""Random geometry: the original's numbers from a seed, and what it does to pictures."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import RandomState

from dfl.data.augmentation import warp
from dfl.data.augmentation.warp import AugmentRanges, Geometry, apply_geometry, random_geometry
from tests.recorded import RECORDS

RECORDED = np.load(RECORDS / "warp_parameters.npz")
KEYS = [name.removesuffix("_matrix") for name in RECORDED.files if name.endswith("_matrix")]


def _recorded_geometry(key: str) -> Geometry:
    seed, side, scale, may_flip = RECORDED[f"{key}_settings"]
    ranges = AugmentRanges(rotation=10, scale=float(scale), shift=0.05)
    return random_geometry(int(side), RandomState(int(seed)), RandomState(int(seed)), ranges, bool(may_flip))


@pytest.mark.parametrize("key", KEYS)
def test_a_seed_gives_the_original_s_geometry(key: str, agrees: Any) -> None:
    geometry = _recorded_geometry(key)
    np.testing.assert_allclose(geometry.matrix, RECORDED[f"{key}_matrix"], atol=1e-10)
    assert geometry.is_flipped == RECORDED[f"{key}_flipped"]
    if f"{key}_map_x" in RECORDED:
        agrees("warp map x (px)", geometry.map_x, RECORDED[f"{key}_map_x"], 1e-5)
        agrees("warp map y (px)", geometry.map_y, RECORDED[f"{key}_map_y"], 1e-5)


def test_the_figures_of_seed_42() -> None:
    geometry = random_geometry(128, RandomState(42), RandomState(42), AugmentRanges(), may_flip=True)
    expected = [[1.13508922, -0.04974163, -2.49272318], [0.04974163, 1.13508922, -10.5663455]]
    np.testing.assert_allclose(geometry.matrix, expected, atol=1e-6)
    assert not geometry.is_flipped
    places = ([0, 32, 64, 100], [0, 32, 64, 30])
    np.testing.assert_allclose(geometry.map_x[places], [0.4969097, 34.444313, 60.315334, 31.09558], atol=1e-5)
    np.testing.assert_allclose(geometry.map_y[places], [0.4969097, 34.444313, 60.315334, 99.024796], atol=1e-5)


# The recorded results: name, how to apply.
APPLICATIONS: list[tuple[str, dict[str, Any]]] = [
    ("warp", {"transform": False}),
    ("transform", {"warp": False}),
    ("both", {}),
    ("both_const_linear", {"interpolation": cv2.INTER_LINEAR, "border": cv2.BORDER_CONSTANT}),
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("name", "how"), APPLICATIONS, ids=[row[0] for row in APPLICATIONS])
def test_applied_geometry_equals_the_recorded_pictures(
    shared: Path, key: str, name: str, how: dict[str, Any], agrees: Any
) -> None:
    recorded = np.load(shared / "original/samples/warp.npz")
    picture = np.float32(recorded[f"{key}_in"]) / np.float32(255)
    stored = recorded[f"{key}_{name}"]
    done = np.clip(apply_geometry(picture, _recorded_geometry(key), **how), 0, 1)
    assert done.shape == picture.shape
    # Half of the results are stored in 8 bits.
    step = 1 / 65535 if stored.dtype == np.uint16 else 0.5 / 255
    agrees(f"warp applied: {name}", done, stored / np.iinfo(stored.dtype).max, step + 1e-5)


def test_a_thousand_draws_give_the_original_s_statistics(shared: Path) -> None:
    expected = json.loads((shared / "original/samples/samples.json").read_text())["statistics_1000_draws_w64"]
    drawn = [random_geometry(64, RandomState(s), RandomState(s), AugmentRanges(), may_flip=True) for s in range(1000)]
    scales = [float(np.hypot(*one.matrix[:, 0])) for one in drawn]
    angles = [float(np.degrees(np.arctan2(one.matrix[0, 1], one.matrix[0, 0]))) for one in drawn]
    moves = [np.abs(one.map_x - np.arange(64)).mean() for one in drawn]
    figures = expected["flip_True"]
    assert np.mean([one.is_flipped for one in drawn]) == pytest.approx(figures["flip_rate"])
    assert np.mean(scales) == pytest.approx(figures["scale_mean"])
    assert np.std(angles) == pytest.approx(figures["angle_std"])
    assert np.mean(moves) == pytest.approx(figures["mapx_mean_abs_shift"], abs=0.01)


def test_independent_grids_are_as_strong_as_the_mirrored_one() -> None:
    def strength(is_symmetric: bool) -> float:
        moves = [
            random_geometry(64, RandomState(s), RandomState(s), AugmentRanges(), False, is_symmetric).map_x
            for s in range(400)
        ]
        return float(np.std(np.array(moves) - np.arange(64)))

    assert strength(False) == pytest.approx(strength(True), rel=0.1)
    free = random_geometry(64, RandomState(1), RandomState(1), AugmentRanges(), False, is_symmetric=False)
    assert not np.allclose(free.map_x, free.map_y.T)


@pytest.mark.parametrize("is_symmetric", [True, False])
@pytest.mark.parametrize("side", [64, 96, 112, 160, 256, 320])
def test_centred_maps_without_noise_are_the_identity(
    side: int, is_symmetric: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warp, "_NOISE_CELLS", 0.0)
    rows, columns = np.mgrid[:side, :side]
    for seed in range(6):  # all three sizes of cells
        drawn = random_geometry(
            side, RandomState(seed), RandomState(seed), AugmentRanges(), False, is_symmetric, is_centred=True
        )
        np.testing.assert_allclose(drawn.map_x, columns, atol=1e-4)
        np.testing.assert_allclose(drawn.map_y, rows, atol=1e-4)


@pytest.mark.parametrize("is_symmetric", [True, False])
def test_centred_maps_do_not_move_faces_in_the_mean(is_symmetric: bool) -> None:
    def mean_move(is_centred: bool) -> float:
        drawn = [
            random_geometry(64, RandomState(s), RandomState(s), AugmentRanges(), False, is_symmetric, is_centred)
            for s in range(1000)
        ]
        inner = slice(16, 48)
        return float(np.mean([one.map_x[inner, inner] - np.arange(16, 48) for one in drawn]))

    assert mean_move(is_centred=True) == pytest.approx(0, abs=0.05)
    assert mean_move(is_centred=False) == pytest.approx(0.5, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(side=st.integers(16, 300), seed=st.integers(0, 2**32 - 1), warp=st.booleans(), transform=st.booleans())
def test_any_side_keeps_shape_and_finite_values(side: int, seed: int, warp: bool, transform: bool) -> None:
    picture = RandomState(1).rand(side, side, 3).astype(np.float32)
    geometry = random_geometry(side, RandomState(seed), RandomState(seed), AugmentRanges(), may_flip=True)
    done = apply_geometry(picture, geometry, warp=warp, transform=transform)
    assert done.shape == picture.shape
    assert done.dtype == np.float32
    assert np.isfinite(done).all()
