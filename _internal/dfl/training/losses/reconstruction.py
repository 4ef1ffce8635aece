"""Reconstruction terms of each side for SAEHD, AMP and Quick96: pure functions of tensors on keras.ops.

Pictures are (N, R, R, 3), masks (N, R, R, 1), float32 0..1. Every loss is one number a sample, (N,); a step takes the
gradient of their sum over the batch, not of the mean, as the original does. See losses.terms for how to add one.
"""

from dataclasses import dataclass
from typing import Literal

from keras import ops

from dfl.training.losses.similarity import dssim, gaussian_blur, ms_ssim
from dfl.training.losses.terms import Tensor

PRIORITY_WEIGHT = 300.0
# Of MS-SSIM beside the absolute difference (Zhao et al. 2017).
MS_SSIM_SHARE = 0.84


@dataclass(frozen=True)
class LossSettings:
    """Which terms there are.

    has_plain_mask: Quick96's way, whose blurred mask is neither cut at 0.5 nor doubled. has_two_windows: AMP's way,
    two similarity windows at any resolution. similarity: what compares the pictures: the original's DSSIM and squares,
    MS-SSIM and squares, or MS-SSIM and absolute differences. eyes_weight, mouth_weight: priority of each on its own
    (the original's joint one weighs 300); if either is not 0, the mask of eyes and mouth has two channels.
    """

    resolution: int
    masked_training: bool = True
    eyes_mouth_prio: bool = False
    blur_out_mask: bool = False
    has_plain_mask: bool = False
    has_two_windows: bool = False
    similarity: Literal["dssim", "ms_ssim", "ms_ssim_l1"] = "dssim"
    eyes_weight: float = 0.0
    mouth_weight: float = 0.0

    @property
    def dssim_filters(self) -> tuple[int, ...]:
        """Window sizes of the similarity terms: one below 256 pixels, two from there on."""
        large = int(self.resolution / 11.6)
        is_single = self.resolution < 256 and not self.has_two_windows
        return (large,) if is_single else (large, int(self.resolution / 23.2))

    @property
    def priorities(self) -> dict[str, float]:
        """Name and weight of every channel of the eyes and mouth mask; none without priority."""
        if self.eyes_weight or self.mouth_weight:
            return {"eyes": self.eyes_weight, "mouth": self.mouth_weight}
        return {"eyes_mouth": PRIORITY_WEIGHT} if self.eyes_mouth_prio else {}


@dataclass(frozen=True)
class MaskedPair:
    """One side's target and prediction as the terms compare them, each (N, R, R, 3).

    whole_target: the target, blurred out around the mask if asked. whole_pred: the predicted face. target, pred: both
    times `weight`, the blurred mask (N, R, R, 1), if training is masked.
    """

    whole_target: Tensor
    whole_pred: Tensor
    target: Tensor
    pred: Tensor
    weight: Tensor


def compare(target: Tensor, mask: Tensor, face: Tensor, settings: LossSettings) -> MaskedPair:
    """One side's target and prediction, blurred out and masked as the settings say."""
    if settings.blur_out_mask:
        target = blur_out(target, mask, settings.resolution)
    weight = blurred_mask(mask, settings)
    masked = (target * weight, face * weight) if settings.masked_training else (target, face)
    return MaskedPair(target, face, *masked, weight)


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


def picture_terms(target: Tensor, pred: Tensor, settings: LossSettings) -> dict[str, Tensor]:
    """The terms that compare two pictures as a whole, by name, each (N,)."""
    if settings.similarity == "dssim":
        filters = settings.dssim_filters
        return {
            "dssim": sum(ops.mean((10 / len(filters)) * dssim(target, pred, size), axis=1) for size in filters),
            "mse": mean_squared_error(target, pred, 10),
        }
    similarity = 10 * (1 - ops.mean(ms_ssim(target, pred), axis=1))
    if settings.similarity == "ms_ssim":
        return {"ms_ssim": similarity, "mse": mean_squared_error(target, pred, 10)}
    absolute = ops.mean(10 * ops.abs(target - pred), axis=(1, 2, 3))
    return {"ms_ssim": MS_SSIM_SHARE * similarity, "l1": (1 - MS_SSIM_SHARE) * absolute}


def mean_squared_error(target: Tensor, pred: Tensor, weight: float) -> Tensor:
    """Mean of weight * (target - pred)^2 over all but the batch, (N,)."""
    return ops.mean(weight * ops.square(target - pred), axis=(1, 2, 3))


def side_terms(
    target: Tensor, mask: Tensor, eyes_mouth: Tensor, face: Tensor, face_mask: Tensor, settings: LossSettings
) -> dict[str, Tensor]:
    """The loss terms of one side by name, each (N,): those of picture_terms, mask, and one for each priority.

    target, mask: ground truth. face, face_mask: predicted. eyes_mouth: masks of what has priority, one channel for each
    of the settings' priorities, None without.
    """
    pair = compare(target, mask, face, settings)
    terms = picture_terms(pair.target, pair.pred, settings)
    terms["mask"] = mean_squared_error(mask, face_mask, 10)
    for channel, (name, weight) in enumerate(settings.priorities.items()):
        part = eyes_mouth[..., channel : channel + 1]
        terms[name] = ops.mean(weight * ops.abs(pair.whole_target * part - face * part), axis=(1, 2, 3))
    return terms


def total_variation(x: Tensor) -> Tensor:
    """Sum of squared differences between neighbours in rows and columns, (N,).

    The original, on a graphics card, took channels for rows by mistake; this is what it meant and does on a CPU.
    """
    rows, columns = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
    return ops.sum(ops.square(rows), axis=(1, 2, 3)) + ops.sum(ops.square(columns), axis=(1, 2, 3))


def amp_background_loss(dst: MaskedPair) -> Tensor:
    """AMP's weak penalty outside dst's mask, (N,), against artefacts there. Not in the reported loss."""
    outside = 1 - dst.weight
    return mean_squared_error(dst.whole_target * outside, dst.whole_pred * outside, 0.1) + 1e-6 * total_variation(
        dst.whole_pred * outside
    )
