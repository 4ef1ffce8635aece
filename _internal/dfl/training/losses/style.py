"""SAEHD's style terms: the swap takes over colours of dst's face, or the surroundings of dst's picture.

Pictures are (N, R, R, 3), masks (N, R, R, 1), float32 0..1; every loss is one number a sample, (N,). They belong to
the src loss and are off while pretraining.
"""

from keras import ops

from dfl.training.losses.reconstruction import LossSettings, mean_squared_error
from dfl.training.losses.similarity import dssim, gaussian_blur
from dfl.training.losses.terms import Tensor


def style_loss(target: Tensor, style: Tensor, sigma: float, weight: float) -> Tensor:
    """How far means and spreads of the channels are apart, both pictures blurred first if `sigma` > 0.

    Spread: square root of variance + 1e-5; squared differences, summed over channels, times weight / channels.
    """
    channels = target.shape[-1]
    if sigma > 0:
        target, style = gaussian_blur(target, sigma), gaussian_blur(style, sigma)
    total: Tensor = 0.0
    for measure in (_means, _spreads):
        total = total + ops.sum(ops.square(measure(target) - measure(style)), axis=1)
    return total * weight / channels


def face_style_loss(
    swapped: Tensor, swapped_mask: Tensor, dst_face: Tensor, dst_mask: Tensor, power: float, settings: LossSettings
) -> Tensor:
    """The swapped face takes the colours of dst's own face. power: 0..100.

    swapped: src's decoder on the code of dst *without gradient*, so that only the decoder learns from it. swapped_mask,
    dst_face, dst_mask: as predicted; no gradient reaches them.
    """
    style = ops.stop_gradient(dst_face * dst_mask)
    pred = swapped * ops.stop_gradient(swapped_mask)
    return style_loss(pred, style, settings.resolution // 8, 10000 * power / 100)


def background_style_loss(
    swapped: Tensor, dst_target: Tensor, weight: Tensor, power: float, settings: LossSettings
) -> Tensor:
    """The swap keeps dst's picture outside the mask. power: 0..100; the gradient reaches all networks.

    weight: blurred mask, (N, R, R, 1). The original puts src's target mask here, which is another face's; the mask of
    the swap would be the better one.
    """
    share, outside = power / 100, 1 - weight
    pred, target = swapped * outside, dst_target * outside
    similarity = ops.mean(10 * share * dssim(pred, target, settings.dssim_filters[0]), axis=1)
    return similarity + mean_squared_error(pred, target, 10 * share)


def _means(x: Tensor) -> Tensor:
    return ops.mean(x, axis=(1, 2))


def _spreads(x: Tensor) -> Tensor:
    return ops.sqrt(ops.var(x, axis=(1, 2)) + 1e-5)
