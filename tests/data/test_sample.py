"""Samples: equal to the original's, and right where the original is silent."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.data.sample import Sample, SampleSettings, make_base, make_sample
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import AlignedFace, read_face
from dfl.faceset.segmentation import encode_mask
from dfl.imaging.transfers import TRAINING_TRANSFERS

PLAIN = SampleSettings(resolution=64, face_type=FaceType.FULL)


@pytest.mark.parametrize("number", range(15))
def test_samples_equal_the_recorded_ones(shared: Path, number: int, agrees: Any) -> None:
    folder = shared / "original/samples"
    record = json.loads((folder / "samples.json").read_text())["samples"][number]
    face = read_face(folder / "faces" / record["sample"])
    partner = read_face(folder / "faces" / record["ct_sample"]).picture if record["ct_sample"] else None
    settings = SampleSettings(
        record["resolution"],
        FaceType(record["face_type"]),
        warp=record["warp"],
        flip=record["random_flip"],
        eyes_mouth="joint",
        transfer=record["ct_mode"] or "none",
        hsv_power=record["random_hsv_shift_amount"],
    )
    sample = make_sample(face.picture, face.metadata, settings, record["seed"], partner)
    stored = np.load(folder / "samples.npz")
    parts = {"warped": sample.warped, "target": sample.target, "mask": sample.mask, "mask_em": sample.eyes_mouth}
    for name, part in parts.items():
        assert part is not None
        assert part.dtype == np.float32
        wanted = stored[f"{record['key']}_{name}"].reshape(part.shape) / 65535
        agrees(f"samples {name} (mean)", part, wanted, 0.004, how="mean")
        agrees(f"samples {name} (max)", part, wanted, 0.06)


def _sample(face: AlignedFace, seed: int = 1, partner: AlignedFace | None = None, **changes: Any) -> Sample:
    settings = dataclasses.replace(PLAIN, **changes)
    return make_sample(face.picture, face.metadata, settings, seed, None if partner is None else partner.picture)


@pytest.mark.parametrize("resolution", [48, 64, 96])
@pytest.mark.parametrize("face_type", [FaceType.HALF, FaceType.FULL, FaceType.WHOLE, FaceType.HEAD])
def test_shapes_and_ranges(make_face: Any, resolution: int, face_type: FaceType) -> None:
    sample = _sample(make_face(), resolution=resolution, face_type=face_type, eyes_mouth="joint")
    assert sample.warped.shape == sample.target.shape == (resolution, resolution, 3)
    assert sample.eyes_mouth is not None
    assert sample.mask.shape == sample.eyes_mouth.shape == (resolution, resolution, 1)
    for part in (sample.warped, sample.target, sample.mask, sample.eyes_mouth):
        assert part.dtype == np.float32
        assert part.min() >= 0
        assert part.max() <= 1
    assert sample.mask.max() == 1
    assert sample.eyes_mouth.max() == 1


@pytest.mark.parametrize("mode", TRAINING_TRANSFERS)
def test_equal_seeds_give_equal_samples_and_others_differ(make_face: Any, mode: Any) -> None:
    face, partner = make_face(seed=1), make_face(seed=2)
    first, again, other = (_sample(face, seed, partner, transfer=mode, hsv_power=0.2) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.warped, again.warped)
    np.testing.assert_array_equal(first.target, again.target)
    assert np.abs(first.warped - other.warped).max() > 0.01


def test_without_warp_and_colour_shift_input_and_target_are_the_same(make_face: Any) -> None:
    sample = _sample(make_face(), warp=False)
    np.testing.assert_array_equal(sample.warped, sample.target)


def test_the_colour_shift_is_in_the_input_only(make_face: Any) -> None:
    plain, shifted = _sample(make_face()), _sample(make_face(), hsv_power=0.3)
    np.testing.assert_array_equal(plain.target, shifted.target)
    assert np.abs(plain.warped - shifted.warped).mean() > 0.005


def test_a_transfer_brings_the_partner_s_colours(make_face: Any) -> None:
    face, partner = make_face(seed=1), make_face(seed=2)
    dark = AlignedFace(partner.picture // 4, partner.metadata)
    assert _sample(face, 1, dark, transfer="rct").target.mean() < 0.5 * _sample(face, 1).target.mean()


def test_a_transfer_without_a_partner_is_refused(make_face: Any) -> None:
    with pytest.raises(ValueError, match="partner"):
        _sample(make_face(), transfer="rct")


def test_flips_happen_only_when_allowed(make_face: Any) -> None:
    face = make_face()
    differ = [not np.array_equal(_sample(face, s).target, _sample(face, s, flip=True).target) for s in range(40)]
    assert 8 <= sum(differ) <= 24


def test_an_xseg_mask_of_any_size_takes_the_place_of_the_hull(make_face: Any) -> None:
    left = np.zeros((200, 200, 1), np.float32)
    left[:, :100] = 1
    for mask in (left, left[::2, ::2]):
        face = make_face(xseg_mask=encode_mask(mask))
        base = make_base(face.picture, face.metadata, dataclasses.replace(PLAIN, face_type=FaceType.WHOLE))
        assert base.mask[:, :30].min() == 255
        assert base.mask[:, 34:].max() == 0


def test_eyes_and_mouth_are_not_drawn_outside_the_face(make_face: Any) -> None:
    face = make_face(xseg_mask=encode_mask(np.zeros((64, 64, 1), np.float32)))
    sample = _sample(face, eyes_mouth="joint")
    assert sample.eyes_mouth is not None
    assert sample.eyes_mouth.max() == 0


def test_eyes_and_mouth_apart_are_the_parts_of_the_joint_mask(make_face: Any) -> None:
    face = make_face()
    joint, parts = (_sample(face, eyes_mouth=kind).eyes_mouth for kind in ("joint", "separate"))
    assert joint is not None
    assert parts is not None
    assert parts.shape == (64, 64, 2)
    assert parts.max(axis=(0, 1)).tolist() == [1, 1]
    np.testing.assert_allclose(parts.max(axis=2), joint[:, :, 0], atol=0.02)
    rows = [np.flatnonzero(parts[:, :, channel].max(axis=1)) for channel in (0, 1)]
    assert rows[0].max() < rows[1].max(), "eyes come first, above the mouth"
    assert (parts.min(axis=2) == 0).all()


def test_a_larger_face_type_repeats_the_edge(make_face: Any) -> None:
    face = make_face(face_type=FaceType.FULL)
    base = make_base(face.picture, face.metadata, dataclasses.replace(PLAIN, face_type=FaceType.HEAD))
    rim = base.picture[:, :4].astype(int)
    assert np.abs(rim - rim[:, :1]).max() <= 1
    assert rim.max() > 20
    assert base.mask[:4].max() == 0


def test_faces_that_cannot_be_used_are_named(make_face: Any) -> None:
    face = make_face()
    mark_only = dataclasses.replace(face.metadata, face_type=FaceType.MARK_ONLY)
    with pytest.raises(UserError, match=r"00007\.jpg is of face type mark_only"):
        make_base(face.picture, mark_only, PLAIN, "00007.jpg")
    with pytest.raises(UserError, match=r"00007\.jpg is not square"):
        make_base(face.picture[:100], face.metadata, PLAIN, "00007.jpg")
    with pytest.raises(UserError, match=r"XSeg mask in 00007\.jpg is damaged"):
        make_base(face.picture, dataclasses.replace(face.metadata, xseg_mask=b"no"), PLAIN, "00007.jpg")
