"""What SAEHD and Quick96 learn: pure functions of tensors on keras.ops, the same for every engine.

Pictures are (N, R, R, 3), masks (N, R, R, 1), float32 0..1. Every loss is one number a sample, (N,); a step takes the
gradient of their sum over the batch, not of the mean, as the original does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

Tensor = Any
DSSIM_SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2


@dataclass(frozen=True)
class LossSettings:
    """Which terms there are. `has_plain_mask` is Quick96's way: its blurred mask is neither cut at 0.5 nor doubled."""

    resolution: int
    masked_training: bool = True
    eyes_mouth_prio: bool = False
    blur_out_mask: bool = False
    has_plain_mask: bool = False

    @property
    def dssim_filters(self) -> tuple[int, ...]:
        """Window sizes of the similarity terms: one below 256 pixels, two from there on."""
        large = int(self.resolution / 11.6)
        return (large,) if self.resolution < 256 else (large, int(self.resolution / 23.2))


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
    size = max(1, size)
    channels = a.shape[-1]
    stack = ops.concatenate([a, b, a * b, a * a + b * b], axis=-1)
    means = filter_separable(stack, gaussian_window(size, DSSIM_SIGMA, (size - 1) / 2))
    mean_a, mean_b = means[..., :channels], means[..., channels : 2 * channels]
    product, squares = means[..., 2 * channels : 3 * channels], means[..., 3 * channels :]
    cross = 2 * mean_a * mean_b
    power = mean_a * mean_a + mean_b * mean_b
    luminance = (cross + C1) / (power + C1)
    contrast = (2 * product - cross + C2) / (squares - power + C2)
    return (1 - ops.mean(luminance * contrast, axis=(1, 2))) / 2


def blurred_mask(mask: Tensor, settings: LossSettings) -> Tensor:
    """The mask that weighs the picture terms: soft outside, full inside."""
    blurred = gaussian_blur(mask, max(1, settings.resolution // 32))
    return blurred if settings.has_plain_mask else ops.clip(blurred, 0, 0.5) * 2


def blur_out(target: Tensor, mask: Tensor, resolution: int) -> Tensor:
    """The target with its surroundings outside the mask smoothed away, so that the network need not learn them."""
    sigma = resolution / 128
    outside = gaussian_blur(target * (1 - mask), sigma)
    weight = 1 - gaussian_blur(mask, sigma)
    weight = ops.where(weight == 0, ops.ones_like(weight), weight)
    return target * mask + (outside / weight) * (1 - mask)


def side_terms(
    target: Tensor, mask: Tensor, eyes_mouth: Tensor | None, face: Tensor, face_mask: Tensor, settings: LossSettings
) -> dict[str, Tensor]:
    """The loss terms of one side by name, each (N,): dssim, square, eyes_mouth (if on), mask.

    target, mask, eyes_mouth: what should come out. face, face_mask: what came out.
    """
    if settings.blur_out_mask:
        target = blur_out(target, mask, settings.resolution)
    wanted, got = target, face
    if settings.masked_training:
        weight = blurred_mask(mask, settings)
        wanted, got = target * weight, face * weight
    filters = settings.dssim_filters
    terms = {
        "dssim": sum(ops.mean((10 / len(filters)) * dssim(wanted, got, size), axis=1) for size in filters),
        "square": ops.mean(10 * ops.square(wanted - got), axis=(1, 2, 3)),
        "mask": ops.mean(10 * ops.square(mask - face_mask), axis=(1, 2, 3)),
    }
    if settings.eyes_mouth_prio:
        terms["eyes_mouth"] = ops.mean(300 * ops.abs(target * eyes_mouth - face * eyes_mouth), axis=(1, 2, 3))
    return terms


def side_loss(
    target: Tensor, mask: Tensor, eyes_mouth: Tensor | None, face: Tensor, face_mask: Tensor, settings: LossSettings
) -> Tensor:
    """Sum of side_terms, (N,)."""
    terms = side_terms(target, mask, eyes_mouth, face, face_mask, settings)
    total = terms["dssim"]
    for name, term in terms.items():
        if name != "dssim":
            total = total + term
    return total
