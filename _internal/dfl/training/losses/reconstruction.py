"""What SAEHD, AMP and Quick96 learn of each side: pure functions of tensors on keras.ops, the same for every engine.

Pictures are (N, R, R, 3), masks (N, R, R, 1), float32 0..1. Every loss is one number a sample, (N,); a step takes the
gradient of their sum over the batch, not of the mean, as the original does.
"""

from dataclasses import dataclass
from typing import Any, Literal

from keras import ops

from dfl.training.losses.similarity import dssim, gaussian_blur, ms_ssim

Tensor = Any
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
    """One side's pictures as the terms compare them, each (N, R, R, 3): whole, and as masked training cuts them.

    target: what should come out, blurred out around the mask if asked. face: what came out. wanted, got: both times
    `weight`, the blurred mask (N, R, R, 1), if training is masked.
    """

    target: Tensor
    face: Tensor
    wanted: Tensor
    got: Tensor
    weight: Tensor


def compare(target: Tensor, mask: Tensor, face: Tensor, settings: LossSettings) -> MaskedPair:
    """Prepare one side's target and prediction for the terms."""
    if settings.blur_out_mask:
        target = blur_out(target, mask, settings.resolution)
    weight = blurred_mask(mask, settings)
    wanted, got = (target * weight, face * weight) if settings.masked_training else (target, face)
    return MaskedPair(target, face, wanted, got, weight)


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


def picture_terms(wanted: Tensor, got: Tensor, settings: LossSettings) -> dict[str, Tensor]:
    """The terms that compare two pictures as a whole, by name, each (N,)."""
    if settings.similarity == "dssim":
        filters = settings.dssim_filters
        return {
            "dssim": sum(ops.mean((10 / len(filters)) * dssim(wanted, got, size), axis=1) for size in filters),
            "square": mean_squared_error(wanted, got, 10),
        }
    similarity = 10 * (1 - ops.mean(ms_ssim(wanted, got), axis=1))
    if settings.similarity == "ms_ssim":
        return {"ms_ssim": similarity, "square": mean_squared_error(wanted, got, 10)}
    absolute = ops.mean(10 * ops.abs(wanted - got), axis=(1, 2, 3))
    return {"ms_ssim": MS_SSIM_SHARE * similarity, "absolute": (1 - MS_SSIM_SHARE) * absolute}


def mean_squared_error(wanted: Tensor, got: Tensor, weight: float) -> Tensor:
    """Mean of weight * (wanted - got)^2 over all but the batch, (N,)."""
    return ops.mean(weight * ops.square(wanted - got), axis=(1, 2, 3))


def side_terms(
    target: Tensor, mask: Tensor, eyes_mouth: Tensor, face: Tensor, face_mask: Tensor, settings: LossSettings
) -> dict[str, Tensor]:
    """The loss terms of one side by name, each (N,): those of picture_terms, mask, and one for each priority.

    target, mask, eyes_mouth: what should come out. face, face_mask: what came out. eyes_mouth: one channel for each of
    the settings' priorities, None without.
    """
    pair = compare(target, mask, face, settings)
    terms = picture_terms(pair.wanted, pair.got, settings)
    terms["mask"] = mean_squared_error(mask, face_mask, 10)
    for channel, (name, weight) in enumerate(settings.priorities.items()):
        part = eyes_mouth[..., channel : channel + 1]
        terms[name] = ops.mean(weight * ops.abs(pair.target * part - face * part), axis=(1, 2, 3))
    return terms


def side_loss(
    target: Tensor, mask: Tensor, eyes_mouth: Tensor, face: Tensor, face_mask: Tensor, settings: LossSettings
) -> Tensor:
    """Sum of side_terms, (N,)."""
    return sum(side_terms(target, mask, eyes_mouth, face, face_mask, settings).values())


def total_variation(x: Tensor) -> Tensor:
    """Sum of squared differences between neighbours in rows and columns, (N,).

    The original, on a graphics card, took channels for rows by mistake; this is what it meant and does on a CPU.
    """
    rows, columns = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
    return ops.sum(ops.square(rows), axis=(1, 2, 3)) + ops.sum(ops.square(columns), axis=(1, 2, 3))


def amp_background_loss(dst: MaskedPair) -> Tensor:
    """What AMP adds for dst outside the mask, (N,): weak, so that nothing wild grows there. Not in the shown loss."""
    outside = 1 - dst.weight
    return mean_squared_error(dst.target * outside, dst.face * outside, 0.1) + 1e-6 * total_variation(
        dst.face * outside
    )
