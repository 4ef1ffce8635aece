"""Likeness of pictures against numbers recorded from the original, and against other implementations."""

import numpy as np
import pytest

from dfl.models.engine import start_engine
from tests.recorded import RECORDS

start_engine("tensorflow")

from keras import ops  # noqa: E402

from dfl.training.losses import similarity  # noqa: E402

UNITS = np.load(RECORDS / "units.npz")
MORE_UNITS = np.load(RECORDS / "units_networks.npz")
A = UNITS["a"].astype(np.float32)
B = UNITS["b"].astype(np.float32)


@pytest.mark.parametrize("size", [2, 5, 8, 11])
def test_dssim_is_the_originals_for_every_window(size, agrees):
    agrees(f"units dssim_f{size}", similarity.dssim(A, B, size), UNITS[f"dssim_f{size}"], 1e-5)


@pytest.mark.parametrize("size", [2, 5, 8, 11])
def test_gradient_of_dssim(size, agrees):
    import tensorflow as tf

    b = tf.constant(B)
    with tf.GradientTape() as tape:
        tape.watch(b)
        total = ops.sum(similarity.dssim(tf.constant(A), b, size))
    wanted = UNITS[f"dssim_f{size}_grad_b"]
    agrees(f"units dssim_f{size}_grad_b", tape.gradient(total, b)[0], wanted, 1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_gaussian_blur(radius, agrees):
    agrees(
        f"units gaussian_blur_r{radius}",
        similarity.gaussian_blur(A, radius)[0],
        UNITS[f"gaussian_blur_r{radius}"],
        1e-5,
    )


@pytest.mark.parametrize("radius", [0.5, 8])
def test_gaussian_blur_of_a_small_and_a_large_window(radius, agrees):
    wanted = MORE_UNITS[f"gaussian_blur_r{radius}"]
    agrees(f"units gaussian_blur_r{radius}", similarity.gaussian_blur(A, radius)[0], wanted, 1e-5)


def pictures(side, seed=1):
    """A smooth picture and a noisy copy of it, (2, side, side, 3)."""
    random = np.random.default_rng(seed)
    grid = np.linspace(0, 6, side)
    waves = [np.sin(grid[:, None] * k + grid * (4 - k) + phase) for k in (1, 2, 3) for phase in (0, 1)]
    smooth = (0.5 + 0.4 * np.stack(waves, -1)).reshape(side, side, 3, 2).transpose(3, 0, 1, 2).astype(np.float32)
    noisy = np.clip(smooth + random.normal(0, 0.15, smooth.shape), 0, 1).astype(np.float32)
    return smooth, noisy


def test_one_scale_equals_scikit_image():
    from skimage.metrics import structural_similarity

    a, b = pictures(20)
    got = np.array(similarity.ms_ssim(a, b))
    for sample in range(2):
        for channel in range(3):
            _, full = structural_similarity(
                a[sample, ..., channel].astype(np.float64), b[sample, ..., channel].astype(np.float64), data_range=1,
                gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
            )  # fmt: skip
            assert abs(got[sample, channel] - full[5:-5, 5:-5].mean()) < 1e-5


@pytest.mark.parametrize(("side", "scales"), [(64, 3), (96, 4), (176, 5)])
def test_ms_ssim_equals_tensorflows(side, scales):
    import tensorflow as tf

    weights = similarity.ms_ssim_weights(side)
    assert len(weights) == scales
    assert sum(weights) == pytest.approx(1)
    a, b = pictures(side)
    wanted = tf.image.ssim_multiscale(a, b, 1.0, power_factors=weights)
    assert np.abs(np.array(similarity.ms_ssim(a, b)).mean(axis=1) - wanted.numpy()).max() < 1e-5


def test_ms_ssim_equals_the_textbook():
    """Wang et al. 2003 in plain numpy: contrast and structure of every scale, luminance of the last."""
    from scipy.ndimage import correlate1d

    taps = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def means(x):
        return correlate1d(correlate1d(x, taps, axis=0), taps, axis=1)[5:-5, 5:-5]

    a, b = (picture[0, ..., 1].astype(np.float64) for picture in pictures(64))
    got = np.array(similarity.ms_ssim(*pictures(64)))[0, 1]
    factors = np.array([0.0448, 0.2856, 0.3001]) / (0.0448 + 0.2856 + 0.3001)
    wanted = 1.0
    for scale, factor in enumerate(factors):
        mean_a, mean_b = means(a), means(b)
        variances = means(a * a) - mean_a**2 + means(b * b) - mean_b**2
        structure = (2 * (means(a * b) - mean_a * mean_b) + 0.0009) / (variances + 0.0009)
        luminance = (2 * mean_a * mean_b + 0.0001) / (mean_a**2 + mean_b**2 + 0.0001)
        wanted *= (structure * luminance if scale == 2 else structure).mean() ** factor
        a, b = (x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2).mean(axis=(1, 3)) for x in (a, b))
    assert abs(got - wanted) < 1e-5


def test_ms_ssim_of_opposites_has_a_slope_that_is_a_number():
    import tensorflow as tf

    a, _ = pictures(64)
    b = tf.constant(1 - a)
    with tf.GradientTape() as tape:
        tape.watch(b)
        total = ops.sum(similarity.ms_ssim(tf.constant(a), b))
    assert np.isfinite(tape.gradient(total, b).numpy()).all()
    assert np.allclose(similarity.ms_ssim(a, a), 1, atol=1e-5)
