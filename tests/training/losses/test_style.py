"""SAEHD's style terms: the recorded style loss, and who learns from each term."""

import numpy as np
import pytest

from dfl.models.engine import start_engine
from tests.recorded import RECORDS

start_engine("tensorflow")

import tensorflow as tf  # noqa: E402

from dfl.training.losses import style  # noqa: E402
from dfl.training.losses.reconstruction import LossSettings  # noqa: E402

UNITS = np.load(RECORDS / "units.npz")
MORE_UNITS = np.load(RECORDS / "units_networks.npz")
A = UNITS["a"].astype(np.float32)
B = UNITS["b"].astype(np.float32)
SETTINGS = LossSettings(64)


@pytest.mark.parametrize("sigma", [0.0, 4.0, 8.0])
def test_recorded_style_loss(sigma, agrees):
    wanted = MORE_UNITS[f"style_loss_r{sigma}"]
    got = style.style_loss(A, B, sigma, 100.0)
    agrees(f"units style_loss_r{sigma}", got, wanted, 1e-5 * np.abs(wanted).max())


def masks(inside):
    mask = np.zeros((2, 64, 64, 1), np.float32)
    mask[:, 8:56, 8:56] = inside
    return mask


def test_face_style_moves_the_swapped_face_alone():
    inputs = [tf.constant(array) for array in (A, masks(1.0), B, masks(0.9))]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(style.face_style_loss(*inputs, power=10.0, settings=SETTINGS))
    gradients = tape.gradient(total, inputs)
    assert np.abs(gradients[0].numpy()).max() > 0
    assert all(gradient is None for gradient in gradients[1:])


def test_face_style_is_the_style_loss_of_the_masked_faces(agrees):
    """At 64 pixels the blur is 8; power 1 means a weight of 100, as recorded."""
    ones = np.ones((2, 64, 64, 1), np.float32)
    wanted = MORE_UNITS["style_loss_r8.0"]
    got = style.face_style_loss(A, ones, B, ones, 1.0, SETTINGS)
    agrees("units style_loss_r8.0", got, wanted, 1e-5 * np.abs(wanted).max())


def test_background_style_compares_outside_the_mask(agrees):
    """Without a mask: the recorded dssim of window 5 and the squares, each times 10 * power / 100."""
    none = masks(0.0)
    squares = ((A - B) ** 2).mean(axis=(1, 2, 3))
    wanted = 0.5 * (10 * UNITS["dssim_f5"].mean(axis=1) + 10 * squares)
    agrees("units dssim_f5", style.background_style_loss(A, B, none, 50.0, SETTINGS), wanted, 1e-4)
    everywhere = np.ones_like(none)
    assert np.abs(style.background_style_loss(A, B, everywhere, 50.0, SETTINGS)).max() < 1e-6
