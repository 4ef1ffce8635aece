"""Masks: equal to the records, and the same whether worked on in part or as a whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.merging.blending.face_masks import FaceMask, FacePrediction, choose_mask, shape_mask
from dfl.merging.blending.original_rules import ORIGINAL_RULES
from dfl.merging.planning.settings import MaskMode


def spread_out(mask: FaceMask) -> NDArray[np.float32]:
    square = np.zeros((mask.size, mask.size), np.float32)
    square[mask.box.slices] = mask.values
    return square


def shaped_as_a_whole(mask: NDArray[np.float32], erode: int, blur: int) -> NDArray[np.float32]:
    """The original's way: the whole square with wide zeros around it."""
    side = mask.shape[0]
    padded = np.pad(cv2.resize(mask, (4 * side, 4 * side), interpolation=cv2.INTER_CUBIC), side)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (abs(erode), abs(erode))) if erode else None
    if erode:
        padded = cv2.erode(padded, kernel) if erode > 0 else cv2.dilate(padded, kernel)
    rim = side + blur // 2
    cleared = np.zeros_like(padded)
    cleared[rim:-rim, rim:-rim] = padded[rim:-rim, rim:-rim]
    if blur:
        cleared = cv2.GaussianBlur(cleared, (blur | 1, blur | 1), 0)
    return np.clip(cleared[side:-side, side:-side], 0, 1)


@pytest.mark.parametrize(("erode", "blur"), [(0, 0), (20, 0), (-20, 0), (0, 41), (35, 60), (-13, 12)])
def test_shaping_equals_the_record(shared: Path, erode: int, blur: int, agrees: Any) -> None:
    ops: Any = np.load(shared / "original" / "ops" / "ops.npz")
    wanted = ops[f"merge_mask_e{erode}_b{blur}"]
    mask = ops["mask"][:, :, 0].astype(np.float32) / 255
    # Recorded in whole grey levels.
    agrees("ops merge masks (grey levels)", spread_out(shape_mask(mask, erode, blur, ORIGINAL_RULES)) * 255, wanted, 1)


@settings(max_examples=60, deadline=None)
@given(
    side=st.sampled_from([16, 33]),
    seed=st.integers(0, 10**6),
    erode=st.integers(-70, 70),
    blur=st.integers(0, 90),
)
def test_working_on_the_part_that_is_not_zero_changes_nothing(side: int, seed: int, erode: int, blur: int) -> None:
    random = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.float32)
    left, top = random.integers(0, side, 2)
    part = mask[top : top + random.integers(1, side), left : left + random.integers(1, side)]
    part[:] = random.random(part.shape)
    wanted = shaped_as_a_whole(mask, erode, min(blur, 2 * side - 2))
    made = spread_out(shape_mask(mask, erode, min(blur, 2 * side - 2), ORIGINAL_RULES))
    assert np.abs(made - wanted).max() < 1e-5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(-20, 20))
def test_the_mask_at_face_size_is_the_whole_square_made_smaller(seed: int, erode: int) -> None:
    random = np.random.default_rng(seed)
    mask = np.zeros((24, 24), np.float32)
    left, top, width, height = random.integers(1, 12, 4)
    mask[top : top + height, left : left + width] = random.random()
    shaped = shape_mask(mask, erode, 0)
    wanted = cv2.resize(spread_out(shaped), (24, 24), interpolation=cv2.INTER_CUBIC)
    assert np.abs(shaped.at_face_size(24)[:, :, 0] - wanted).max() < 1e-6
    assert np.array_equal(shaped.at_face_size(96)[:, :, 0], spread_out(shaped))


@pytest.mark.parametrize("erode", [-30, -7, -2, 2, 7, 30])
def test_shrinking_and_widening_keep_the_middle(erode: int) -> None:
    mask = np.zeros((32, 32), np.float32)
    mask[10:22, 8:24] = 1
    shaped = spread_out(shape_mask(mask, erode, 0))
    assert np.abs(shaped - shaped[::-1, ::-1]).max() < 1e-6
    assert (shaped.sum() < 16 * mask.sum()) == (erode > 0)


def prediction(**masks: Any) -> FacePrediction:
    flat = {"face_mask": np.full((8, 8), 0.5, np.float32), "dst_mask": np.full((8, 8), 0.75, np.float32)}
    return FacePrediction(np.zeros((8, 8, 3), np.float32), **(flat | masks))


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("full", 1.0),
        ("dst", 0.25),
        ("learned-prd", 0.5),
        ("learned-dst", 0.75),
        ("learned-prd*learned-dst", 0.375),
        ("learned-prd+learned-dst", 1.0),
    ],
)
def test_each_mode_takes_its_masks(mode: Any, value: float) -> None:
    mask = choose_mask(mode, prediction(), lambda: np.full((8, 8), 0.25, np.float32))
    assert mask == pytest.approx(value)


@pytest.mark.parametrize("mode", get_args(MaskMode))
def test_masks_have_the_models_size_with_super_resolution_too(mode: Any) -> None:
    hull, xseg = np.full((8, 8), 0.25, np.float32), np.full((256, 256), 0.9, np.float32)
    plain = prediction(xseg_face=xseg, xseg_dst=xseg)
    enlarged = replace(plain, face=np.zeros((32, 32, 3), np.float32))
    mask = choose_mask(mode, enlarged, lambda: hull)
    assert mask.shape == (8, 8)
    assert np.array_equal(mask, choose_mask(mode, plain, lambda: hull))


def test_values_below_one_level_are_nothing() -> None:
    faint = prediction(face_mask=np.full((8, 8), 0.9 / 255, np.float32))
    assert not choose_mask("learned-prd", faint, lambda: np.zeros((8, 8), np.float32)).any()


def test_an_xseg_mask_without_xseg_is_refused() -> None:
    with pytest.raises(UserError, match="XSeg"):
        choose_mask("xseg-dst", prediction(), lambda: np.zeros((8, 8), np.float32))
