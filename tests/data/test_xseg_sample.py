"""XSeg's samples: the label stays on the face through everything that is done to the picture."""

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.random import RandomState

from dfl.base.errors import UserError
from dfl.data.xseg_sample import (
    XsegBase,
    XsegSettings,
    _widely_blurred,
    fill_xseg_sample,
    has_polygons,
    make_xseg_base,
)
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import AlignedFace
from dfl.faceset.segmentation import Polygon, encode_mask

WHOLE = XsegSettings(FaceType.WHOLE, resolution=128)


def _left_half(face: AlignedFace, **how: Any) -> AlignedFace:
    """The face with its left half labelled: by an outline, or by a mask of the given side."""
    size = len(face.picture)
    if "mask_side" in how:
        mask = np.zeros((how["mask_side"], how["mask_side"], 1), np.float32)
        mask[:, : how["mask_side"] // 2] = 1
        return AlignedFace(face.picture, dataclasses.replace(face.metadata, xseg_mask=encode_mask(mask)))
    corners = np.array([(0, 0), (size / 2, 0), (size / 2, size), (0, size)], np.float32)
    return AlignedFace(face.picture, dataclasses.replace(face.metadata, polygons=(Polygon(True, corners),)))


def _drawn(base: XsegBase, settings: XsegSettings, seed: int, other: XsegBase | None = None) -> tuple[Any, Any]:
    side = settings.resolution
    picture, mask = np.empty((side, side, 3), np.float32), np.empty((side, side, 1), np.float32)
    fill_xseg_sample(base, settings, lambda: other or base, RandomState(seed), picture, mask)
    return picture, mask


@pytest.mark.parametrize("face_type", [FaceType.WHOLE, FaceType.FULL, FaceType.HEAD])
@pytest.mark.parametrize("mask_side", [64, 128, 160, 256, 300])
def test_an_applied_mask_of_any_size_lies_where_an_outline_would(
    make_face: Any, face_type: FaceType, mask_side: int
) -> None:
    settings = dataclasses.replace(WHOLE, face_type=face_type)
    drawn, applied = (_left_half(make_face(size=200), **how) for how in ({}, {"mask_side": mask_side}))
    one, other = (make_xseg_base(face.picture, face.metadata, settings) for face in (drawn, applied))
    np.testing.assert_array_equal(one.picture, other.picture)
    assert 0.2 < (one.mask > 127).mean() < 0.6
    assert ((one.mask > 127) != (other.mask > 127)).mean() < 0.03


def test_outlines_come_before_an_applied_mask(make_face: Any) -> None:
    face = _left_half(make_face(xseg_mask=encode_mask(np.ones((64, 64, 1), np.float32))))
    assert has_polygons(face.metadata)
    assert not has_polygons(make_face().metadata)
    assert make_xseg_base(face.picture, face.metadata, WHOLE).mask[:, 80:].max() == 0


def test_samples_repeat_are_in_range_and_their_masks_are_0_or_1(make_face: Any) -> None:
    faces = [_left_half(make_face(seed=seed)) for seed in (1, 2)]
    base, other = (make_xseg_base(face.picture, face.metadata, WHOLE) for face in faces)
    pictures = []
    for seed in range(40):
        picture, mask = _drawn(base, WHOLE, seed, other)
        again, mask_again = _drawn(base, WHOLE, seed, other)
        np.testing.assert_array_equal(picture, again)
        np.testing.assert_array_equal(mask, mask_again)
        assert 0 <= picture.min() <= picture.max() <= 1
        assert set(np.unique(mask)) <= {0, 1}
        assert 0.2 < mask.mean() < 0.7
        pictures.append(picture)
    assert np.std([picture.mean() for picture in pictures]) > 0.05


def test_the_label_stays_on_the_face(make_face: Any) -> None:
    # White under the label, black beside it: whatever is done, the labelled part stays the brighter one.
    face = _left_half(make_face())
    picture = np.zeros_like(face.picture)
    picture[:, :80] = 255
    base = make_xseg_base(picture, face.metadata, WHOLE)
    for seed in range(30):
        made, mask = _drawn(base, WHOLE, seed)
        inside = cv2.erode(mask, np.ones((9, 9)))[:, :, None] > 0
        outside = cv2.dilate(mask, np.ones((9, 9)))[:, :, None] == 0
        brightness = made.max(axis=2, keepdims=True)
        assert brightness[inside].mean() > brightness[outside].mean()


def test_half_of_the_samples_have_other_surroundings(make_face: Any) -> None:
    base = make_xseg_base(*_parts(_left_half(make_face(seed=1))), WHOLE)
    asked: list[int] = []
    for seed in range(100):
        picture, mask = np.empty((128, 128, 3), np.float32), np.empty((128, 128, 1), np.float32)

        def other(seed: int = seed) -> XsegBase:
            asked.append(seed)
            return base

        fill_xseg_sample(base, WHOLE, other, RandomState(seed), picture, mask)
    assert 35 <= len(asked) <= 65


def _parts(face: AlignedFace) -> Any:
    return face.picture, face.metadata


def test_pretraining_shows_the_warped_picture_and_the_same_in_grey(make_face: Any) -> None:
    settings = dataclasses.replace(WHOLE, kind="pretraining")
    picture, grey = _drawn(make_xseg_base(*_parts(make_face()), settings), settings, 1)
    np.testing.assert_allclose(grey[:, :, 0], picture @ np.float32([0.114, 0.587, 0.299]), atol=1e-3)
    other = _drawn(make_xseg_base(*_parts(make_face()), settings), settings, 2)[0]
    assert np.abs(picture - other).mean() > 0.01


def test_plain_samples_are_the_picture_and_its_label(make_face: Any) -> None:
    settings = dataclasses.replace(WHOLE, kind="plain")
    base = make_xseg_base(*_parts(_left_half(make_face())), settings)
    picture, mask = _drawn(base, settings, 1)
    np.testing.assert_allclose(picture, base.picture / 255, atol=1e-6)
    np.testing.assert_array_equal(mask[:, :, 0], base.mask > 127)
    unlabelled = make_xseg_base(*_parts(make_face()), settings)
    assert _drawn(unlabelled, settings, 1)[1].max() == 0


@pytest.mark.parametrize("size", [65, 129, 255])
def test_the_quick_wide_blur_is_within_a_hundredth_of_the_exact_one(make_face: Any, size: int) -> None:
    picture = np.float32(make_face(size=256).picture) / 255
    exact = cv2.GaussianBlur(picture, (size, size), 0)
    assert np.abs(_widely_blurred(picture, size) - exact).max() < 0.01


def test_faces_that_cannot_be_used_are_named(make_face: Any) -> None:
    face = make_face()
    with pytest.raises(UserError, match=r"00007\.jpg is not square"):
        make_xseg_base(face.picture[:100], face.metadata, WHOLE, "00007.jpg")
    damaged = dataclasses.replace(face.metadata, xseg_mask=b"no")
    with pytest.raises(UserError, match=r"XSeg mask in 00007\.jpg is damaged"):
        make_xseg_base(face.picture, damaged, WHOLE, "00007.jpg")
