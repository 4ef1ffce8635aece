"""Losses against numbers recorded from the original (tests/records/units.npz, models of the reference data)."""

import numpy as np
import pytest

from dfl.models.engine import start_engine
from tests.recorded import RECORDS

start_engine("tensorflow")

from dfl.training.losses import reconstruction  # noqa: E402

A = np.load(RECORDS / "units.npz")["a"].astype(np.float32)
MORE_UNITS = np.load(RECORDS / "units_networks.npz")


def test_two_similarity_windows_from_256_pixels_on():
    assert reconstruction.LossSettings(128).dssim_filters == (11,)
    assert reconstruction.LossSettings(256).dssim_filters == (22, 11)
    assert reconstruction.LossSettings(128, has_two_windows=True).dssim_filters == (11, 5)


def test_outside_the_mask_costs_nothing_when_masked():
    target = np.random.default_rng(1).random((1, 64, 64, 3), np.float32)
    mask = np.zeros((1, 64, 64, 1), np.float32)
    mask[:, 24:40, 24:40] = 1
    other = np.where(reconstruction.blurred_mask(mask, reconstruction.LossSettings(64)) > 0, target, 1 - target)
    masked = reconstruction.side_terms(target, mask, None, other, mask, reconstruction.LossSettings(64))
    plain = reconstruction.side_terms(
        target, mask, None, other, mask, reconstruction.LossSettings(64, masked_training=False)
    )
    assert float(masked["mse"][0]) == 0
    assert float(plain["mse"][0]) > 0.1


@pytest.fixture(scope="module")
def side():
    """target, mask, face, face's mask of two samples at 64 pixels."""
    random = np.random.default_rng(2)
    mask = np.zeros((2, 64, 64, 1), np.float32)
    mask[:, 12:50, 16:48] = 1
    return (
        random.random((2, 64, 64, 3), np.float32), mask, random.random((2, 64, 64, 3), np.float32),
        random.random((2, 64, 64, 1), np.float32),
    )  # fmt: skip


def terms_of(side, eyes_mouth=None, **settings):
    target, mask, face, face_mask = side
    return reconstruction.side_terms(
        target, mask, eyes_mouth, face, face_mask, reconstruction.LossSettings(64, **settings)
    )


def test_each_kind_of_similarity_has_its_terms(side):
    assert list(terms_of(side)) == ["dssim", "mse", "mask"]
    assert list(terms_of(side, similarity="ms_ssim")) == ["ms_ssim", "mse", "mask"]
    both = terms_of(side, similarity="ms_ssim_l1")
    assert list(both) == ["ms_ssim", "l1", "mask"]
    target, _, face, _ = side
    plain = terms_of(side, similarity="ms_ssim_l1", masked_training=False)["l1"]
    assert np.allclose(plain, 1.6 * np.abs(target - face).mean(axis=(1, 2, 3)), rtol=1e-5)


def test_a_perfect_face_costs_nothing(side):
    target, mask, _, _ = side
    for similarity in ("dssim", "ms_ssim", "ms_ssim_l1"):
        settings = reconstruction.LossSettings(64, similarity=similarity)
        for name, term in reconstruction.side_terms(target, mask, None, target, mask, settings).items():
            assert np.abs(term).max() < 1e-5, name


def test_eyes_and_mouth_weigh_separately(side):
    target, _, face, _ = side
    parts = np.zeros((2, 64, 64, 2), np.float32)
    parts[:, 20:26, 20:44, 0] = 1
    parts[:, 36:44, 26:40, 1] = 0.5
    separate = terms_of(side, parts, eyes_weight=100.0, mouth_weight=50.0)
    for channel, (name, weight) in enumerate({"eyes": 100, "mouth": 50}.items()):
        wanted = weight * (np.abs(target - face) * parts[..., channel, None]).mean(axis=(1, 2, 3))
        assert np.allclose(separate[name], wanted, rtol=1e-5)
    joint = terms_of(side, parts.sum(axis=-1, keepdims=True), eyes_mouth_prio=True)
    alone = terms_of(side, parts, eyes_weight=300.0, mouth_weight=300.0)
    assert np.allclose(joint["eyes_mouth"], alone["eyes"] + alone["mouth"], rtol=1e-5)


def test_total_variation(agrees):
    wanted = MORE_UNITS["total_variation_mse"]
    agrees(
        "units total_variation_mse (relative)", np.array(reconstruction.total_variation(A)) / wanted, np.ones(2), 1e-5
    )


def test_amps_background_counts_only_outside_the_mask(side):
    target, mask, face, _ = side
    settings = reconstruction.LossSettings(64, has_two_windows=True, eyes_mouth_prio=True)
    inside = np.array(reconstruction.blurred_mask(mask, settings)) == 1
    assert inside.any()
    got = reconstruction.amp_background_loss(reconstruction.compare(target, mask, face, settings))
    same = reconstruction.amp_background_loss(reconstruction.compare(target, mask, np.where(inside, 0, face), settings))
    assert np.allclose(got, same, rtol=1e-6)
    outside = 1 - np.array(reconstruction.blurred_mask(mask, settings))
    steps = [np.diff(face * outside, axis=axis) for axis in (1, 2)]
    variation = sum((step**2).sum(axis=(1, 2, 3)) for step in steps)
    wanted = 0.1 * ((target - face) ** 2 * outside**2).mean(axis=(1, 2, 3)) + 1e-6 * variation
    assert np.allclose(got, wanted, rtol=1e-4)
