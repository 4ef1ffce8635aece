"""Losses against numbers recorded from the original (tests/data/units.npz, models of the reference data)."""

from pathlib import Path

import numpy as np
import pytest

from dfl.models.engine import start_engine

start_engine("tensorflow")

from keras import ops  # noqa: E402

from dfl.training import losses  # noqa: E402

UNITS = np.load(Path(__file__).parents[1] / "data" / "units.npz")
A = UNITS["a"].astype(np.float32)
B = UNITS["b"].astype(np.float32)


@pytest.mark.parametrize("size", [2, 5, 8, 11])
def test_dssim_is_the_originals_for_every_window(size, agrees):
    agrees(f"units dssim_f{size}", losses.dssim(A, B, size), UNITS[f"dssim_f{size}"], 1e-5)


@pytest.mark.parametrize("size", [2, 5, 8, 11])
def test_gradient_of_dssim(size, agrees):
    import tensorflow as tf

    b = tf.constant(B)
    with tf.GradientTape() as tape:
        tape.watch(b)
        total = ops.sum(losses.dssim(tf.constant(A), b, size))
    wanted = UNITS[f"dssim_f{size}_grad_b"]
    agrees(f"units dssim_f{size}_grad_b", tape.gradient(total, b)[0], wanted, 1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_gaussian_blur(radius, agrees):
    agrees(
        f"units gaussian_blur_r{radius}", losses.gaussian_blur(A, radius)[0], UNITS[f"gaussian_blur_r{radius}"], 1e-5
    )


def test_two_similarity_windows_from_256_pixels_on():
    assert losses.LossSettings(128).dssim_filters == (11,)
    assert losses.LossSettings(256).dssim_filters == (22, 11)


def test_outside_the_mask_costs_nothing_when_masked():
    target = np.random.default_rng(1).random((1, 64, 64, 3), np.float32)
    mask = np.zeros((1, 64, 64, 1), np.float32)
    mask[:, 24:40, 24:40] = 1
    other = np.where(losses.blurred_mask(mask, losses.LossSettings(64)) > 0, target, 1 - target)
    masked = losses.side_terms(target, mask, None, other, mask, losses.LossSettings(64))
    plain = losses.side_terms(target, mask, None, other, mask, losses.LossSettings(64, masked_training=False))
    assert float(masked["square"][0]) == 0
    assert float(plain["square"][0]) > 0.1
