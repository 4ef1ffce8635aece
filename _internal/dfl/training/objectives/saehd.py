"""SAEHD and Quick96 in training: reconstruction of both people, and the terms that the options add."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from dfl.base.pictures import Picture
from dfl.faces.face_type import FaceType
from dfl.models.compiled import compiled
from dfl.models.saehd import Outputs, Saehd
from dfl.nets.discriminators import CodeDiscriminator, UNetPatchDiscriminator
from dfl.nets.layers import named_weights
from dfl.training.losses.adversarial import (
    SAEHD_SHARE,
    GanSettings,
    code_discriminator_loss,
    gan_discriminator_loss,
    gan_generator_terms,
    true_face_loss,
)
from dfl.training.losses.reconstruction import LossSettings, MaskedPair, compare, side_terms
from dfl.training.losses.style import background_style_loss, face_style_loss
from dfl.training.losses.terms import Tensor, Terms, in_group
from dfl.training.objectives.objective import Arrays, Batch, DiscriminatorTask, is_collapsed
from dfl.training.preview.pages import swap_pages
from dfl.training.seed_generator import seed_generator

SIDES = ("src", "dst")


@dataclass(frozen=True)
class ExtraTerms:
    """What may be learned beside reconstruction; power 0 leaves a term out. See models.options for the meaning."""

    gan: GanSettings | None = None
    gan_patch_size: int = 16
    gan_dims: int = 16
    true_face_power: float = 0.0
    face_style_power: float = 0.0
    bg_style_power: float = 0.0


class SaehdObjective:
    """See Objective."""

    loss_names: tuple[str, ...] = SIDES

    def __init__(self, network: Saehd, losses: LossSettings, extra: ExtraTerms, seed: int = 0) -> None:
        self.network = network
        self._losses = losses
        self._extra = extra
        self._random = seed_generator(seed)
        self._code_discriminator = self._patch_discriminator = None
        tasks = []  # named as in the original's files, so that imported ones go on
        if extra.true_face_power:
            self._code_discriminator = CodeDiscriminator(*network.code_shape)
            weights = _named("dis", self._code_discriminator)
            tasks.append(DiscriminatorTask("dis", weights, self._code_discriminator_losses))
        if extra.gan:
            self._patch_discriminator = UNetPatchDiscriminator(extra.gan_patch_size, network.resolution, extra.gan_dims)
            weights = _named("D_src", self._patch_discriminator)
            tasks.append(DiscriminatorTask("D_src", weights, self._patch_discriminator_losses))
        self.discriminators = tuple(tasks)
        self._predict = compiled(self._predictions)

    def losses(self, batch: Batch) -> Terms:
        """Terms of both sides, src's with those of style, then those against the discriminators."""
        outputs = self.network.forward(batch["src_warped"], batch["dst_warped"])
        terms: Terms = {}
        for side, face, mask in (
            ("src", outputs.src_face, outputs.src_mask),
            ("dst", outputs.dst_face, outputs.dst_mask),
        ):
            of_side = side_terms(
                batch[f"{side}_target"],
                batch[f"{side}_mask"],
                batch.get(f"{side}_eyes_mouth"),
                face,
                mask,
                self._losses,
            )
            terms |= in_group(side, of_side)
        return terms | in_group("src", self._style_terms(batch, outputs)) | self._adversarial_terms(batch, outputs)

    def preview_pages(self, batch: Arrays) -> dict[str, Picture]:
        """Columns S, SS, D, DD, SD, and the same inside the masks."""
        predicted = self._predict(batch["src_target"], batch["dst_target"])
        pairs = {side: (batch[f"{side}_target"], batch[f"{side}_mask"]) for side in SIDES}
        return swap_pages(pairs["src"], pairs["dst"], predicted, self.network.face_type == FaceType.HEAD)

    def is_collapsed(self, batch: Arrays) -> bool:
        predicted = self._predict(batch["src_target"], batch["dst_target"])
        return any(is_collapsed(batch[f"{side}_target"], face) for side, face in zip(SIDES, predicted[:2], strict=True))

    def _style_terms(self, batch: Batch, outputs: Outputs) -> Terms:
        extra = self._extra
        terms: Terms = {}
        if extra.face_style_power:
            swapped, swapped_mask = self.network.as_src(ops.stop_gradient(outputs.swap_code))
            terms["face_style"] = face_style_loss(
                swapped, swapped_mask, outputs.dst_face, outputs.dst_mask, extra.face_style_power, self._losses
            )
        if extra.bg_style_power:
            swapped, _ = self.network.as_src(outputs.swap_code)
            src, dst = self._pair(batch, outputs, "src"), self._pair(batch, outputs, "dst")
            terms["bg_style"] = background_style_loss(
                swapped, dst.whole_target, src.weight, extra.bg_style_power, self._losses
            )
        return terms

    def _adversarial_terms(self, batch: Batch, outputs: Outputs) -> Terms:
        extra, terms = self._extra, Terms()
        if self._code_discriminator is not None:
            terms["true_face/generator"] = true_face_loss(
                self._code_discriminator(outputs.src_code), extra.true_face_power
            )
        if self._patch_discriminator is not None and extra.gan:
            src = self._pair(batch, outputs, "src")
            maps, is_masked = self._patch_discriminator(src.pred), self._losses.masked_training
            terms |= in_group("gan", gan_generator_terms(maps, src, extra.gan, has_background=is_masked))
        return terms

    def _pair(self, batch: Batch, outputs: Outputs, side: str) -> MaskedPair:
        face = outputs.src_face if side == "src" else outputs.dst_face
        return compare(batch[f"{side}_target"], batch[f"{side}_mask"], face, self._losses)

    def _code_discriminator_losses(self, batch: Batch) -> Terms:
        outputs = self.network.forward(batch["src_warped"], batch["dst_warped"])
        discriminator = self._code_discriminator
        assert discriminator is not None
        src, dst = (discriminator(ops.stop_gradient(code)) for code in (outputs.src_code, outputs.dst_code))
        return {"true_face/discriminator": code_discriminator_loss(src, dst)}

    def _patch_discriminator_losses(self, batch: Batch) -> Terms:
        outputs = self.network.forward(batch["src_warped"], batch["dst_warped"])
        src, discriminator = self._pair(batch, outputs, "src"), self._patch_discriminator
        assert discriminator is not None
        assert self._extra.gan
        real, fake = discriminator(src.target), discriminator(ops.stop_gradient(src.pred))
        loss = gan_discriminator_loss(real, fake, SAEHD_SHARE, self._extra.gan, self._random)
        return {"gan/discriminator": loss}

    def _predictions(self, src: Tensor, dst: Tensor) -> tuple[Tensor, ...]:
        """SS, DD, SD, DD's mask, SD's mask for unwarped faces."""
        src_face = self.network.reconstruct(src, dst)[0]
        swapped, swapped_mask, dst_face, dst_mask = self.network.swap(dst)
        return src_face, dst_face, swapped, dst_mask, swapped_mask


def _named(name: str, network: Any) -> dict[str, keras.Variable]:
    return {f"{name}/{key}": weight for key, weight in named_weights(network).items()}
