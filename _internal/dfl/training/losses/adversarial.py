"""Losses of training against discriminators: GAN on patches, true face on codes. Each is one number a sample, (N,).

A generator's loss moves the model, a discriminator's only the discriminator, in a step of its own after the model's.
Logits are maps (N, h, w, 1); the patch discriminator gives two of them for one picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
from keras import ops

from dfl.training.losses.reconstruction import MaskedPair, mean_squared_error, total_variation
from dfl.training.losses.terms import Tensor

# What a discriminator's loss is multiplied by: SAEHD shows it two sorts of pictures, AMP four.
SAEHD_SHARE, AMP_SHARE = 1 / 2, 1 / 8


@dataclass(frozen=True)
class GanSettings:
    """Settings of GAN training.

    power: weight of the generator's loss. label_smoothing: one-sided, the label of real pictures is 1 - this (Salimans
    et al. 2016). label_noise: share of the discriminator's labels that are flipped. The original has neither.
    """

    power: float
    label_smoothing: float = 0.0
    label_noise: float = 0.0


def cross_entropy(labels: Tensor, logits: Tensor) -> Tensor:
    """Mean over the map of the sigmoid cross entropy, (N,)."""
    return ops.mean(ops.binary_crossentropy(labels, logits, from_logits=True), axis=(1, 2, 3))


def gan_generator_terms(
    fake: Sequence[Tensor], src: MaskedPair, settings: GanSettings, has_background: bool
) -> dict[str, Tensor]:
    """What GAN adds to the model's loss, by name. fake: all logit maps of its faces."""
    terms = {"generator": gan_generator_loss(fake, settings)}
    return terms | {"background": gan_background_loss(src)} if has_background else terms


def gan_generator_loss(fake: Sequence[Tensor], settings: GanSettings) -> Tensor:
    """Non-saturating generator loss: cross entropy of the model's faces against the label "real"."""
    return settings.power * sum(cross_entropy(ops.ones_like(logits), logits) for logits in fake)


def gan_background_loss(src: MaskedPair) -> Tensor:
    """Keeps bright dots from growing outside the mask; belongs to the generator's loss when training is masked."""
    outside = 1 - src.weight
    return 1e-6 * total_variation(src.whole_pred) + mean_squared_error(
        src.whole_pred * outside, src.whole_target * outside, 0.02
    )


def gan_discriminator_loss(
    real: Sequence[Tensor],
    fake: Sequence[Tensor],
    share: float,
    settings: GanSettings,
    random: keras.random.SeedGenerator,
) -> Tensor:
    """Cross entropy of the discriminator. real, fake: all its logit maps; share: SAEHD_SHARE or AMP_SHARE."""
    total: Tensor = 0.0
    for label, maps in ((1.0, real), (0.0, fake)):
        for logits in maps:
            total = total + cross_entropy(discriminator_labels(label, logits, settings, random), logits)
    return share * total


def discriminator_labels(
    label: float, logits: Tensor, settings: GanSettings, random: keras.random.SeedGenerator
) -> Tensor:
    """The labels of a map of logits, of its shape; only label noise draws from `random`."""
    labels = ops.ones_like(logits) * label
    if settings.label_noise:
        is_wrong = keras.random.uniform(ops.shape(logits), seed=random) < settings.label_noise
        labels = ops.where(is_wrong, 1 - labels, labels)
    return labels * (1 - settings.label_smoothing)


def true_face_loss(src_logits: Tensor, power: float) -> Tensor:
    """Generator loss against the code discriminator: pulls src's codes towards dst's distribution. For df models."""
    return power * cross_entropy(ops.ones_like(src_logits), src_logits)


def code_discriminator_loss(src_logits: Tensor, dst_logits: Tensor) -> Tensor:
    """Cross entropy of the code discriminator: label 1 for codes of dst, 0 for codes of src."""
    real = cross_entropy(ops.ones_like(dst_logits), dst_logits)
    return (real + cross_entropy(ops.zeros_like(src_logits), src_logits)) / 2
