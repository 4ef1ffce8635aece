"""Similarity of pictures: DSSIM, MS-SSIM, and the Gaussian filters that they and masks need.

Pictures are (N, H, W, C) float32 0..1. Pure functions of tensors on keras.ops, the same for every engine.
"""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

Tensor = Any
DSSIM_SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2
# Wang, Simoncelli, Bovik 2003: what each scale weighs, from the full picture down.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MS_SSIM_WINDOW = 11


def gaussian_window(size: int, sigma: float, centre: float) -> NDArray[np.float32]:
    """A Gaussian of `size` values around `centre`, summing to 1."""
    offsets = np.arange(size, dtype=np.float64) - centre
    window = np.exp(-(offsets**2) / (2 * sigma**2))
    normalised: NDArray[np.float32] = (window / window.sum()).astype(np.float32)
    return normalised


def filter_separable(x: Tensor, window: NDArray[np.float32]) -> Tensor:
    """Every channel of (N, H, W, C) filtered by the outer product of `window` with itself, without padding."""
    channels = x.shape[-1]
    column = np.tile(window[:, None, None, None], (1, 1, channels, 1))
    row = np.tile(window[None, :, None, None], (1, 1, channels, 1))
    x = ops.depthwise_conv(x, ops.convert_to_tensor(column), padding="valid", data_format="channels_last")
    return ops.depthwise_conv(x, ops.convert_to_tensor(row), padding="valid", data_format="channels_last")


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Blur with zeros outside; the window has 4 * sigma values, at least 3, made odd."""
    size = max(3, int(4 * sigma))
    size += 1 - size % 2
    half = size // 2
    padded = ops.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
    return filter_separable(padded, gaussian_window(size, sigma, half))


def dssim(a: Tensor, b: Tensor, size: int) -> Tensor:
    """Structural dissimilarity (1 - SSIM) / 2 of each channel, (N, C).

    Window: Gaussian of `size` values and sigma 1.5, whatever its size (Wang et al. 2004 with constants 0.01, 0.03).
    """
    luminance, contrast = _similarity_maps(a, b, max(1, size))
    return (1 - ops.mean(luminance * contrast, axis=(1, 2))) / 2


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Similarity of each channel over several scales, (N, C) in 0..1, 1 for equal pictures (Wang et al. 2003).

    Window: 11 values of sigma 1.5. Scales smaller than the window are left out and the others weigh more. A scale
    counts at least 1e-6: below, the power has no usable slope.
    """
    weights = ms_ssim_weights(min(a.shape[1], a.shape[2]))
    product: Tensor = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            a, b = (ops.average_pool(x, 2, data_format="channels_last") for x in (a, b))
        luminance, contrast = _similarity_maps(a, b, MS_SSIM_WINDOW)
        is_last = scale == len(weights) - 1
        alike = ops.mean(luminance * contrast if is_last else contrast, axis=(1, 2))
        product = product * ops.power(ops.maximum(alike, 1e-6), weight)
    return product


def ms_ssim_weights(side: int) -> tuple[float, ...]:
    """Weights, summing to 1, of the scales that pictures of `side` pixels have."""
    fitting = [weight for scale, weight in enumerate(MS_SSIM_WEIGHTS) if side >> scale >= MS_SSIM_WINDOW]
    return tuple(weight / sum(fitting) for weight in fitting)


def _similarity_maps(a: Tensor, b: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure of SSIM at every position of the window, each (N, H - size + 1, ..., C)."""
    stack = ops.concatenate([a, b, a * b, a * a + b * b], axis=-1)
    means = filter_separable(stack, gaussian_window(size, DSSIM_SIGMA, (size - 1) / 2))
    mean_a, mean_b, product, squares = ops.split(means, 4, axis=-1)
    cross = 2 * mean_a * mean_b
    power = mean_a * mean_a + mean_b * mean_b
    luminance = (cross + C1) / (power + C1)
    contrast = (2 * product - cross + C2) / (squares - power + C2)
    return luminance, contrast
