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
    gan_background_loss,
    gan_discriminator_loss,
    gan_generator_loss,
    true_face_loss,
)
from dfl.training.losses.reconstruction import LossSettings, MaskedPair, compare, side_loss
from dfl.training.losses.style import background_style_loss, face_style_loss
from dfl.training.objectives.objective import Arrays, Batch, DiscriminatorTask, Tensor, is_blind
from dfl.training.preview.pages import swap_pages

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
    """See goal.Goal."""

    loss_names: tuple[str, ...] = SIDES

    def __init__(self, network: Saehd, losses: LossSettings, extra: ExtraTerms, seed: int = 0) -> None:
        self.network = network
        self._losses = losses
        self._extra = extra
        self._random = keras.random.SeedGenerator(seed)
        self._gan = self._code_judge = None
        opponents = []  # named as in the original's files, so that imported ones go on
        if extra.true_face_power:
            self._code_judge = CodeDiscriminator(*network.code_shape)
            opponents.append(DiscriminatorTask("dis", _named("dis", self._code_judge), self._code_judge_losses))
        if extra.gan:
            self._gan = UNetPatchDiscriminator(extra.gan_patch_size, network.resolution, extra.gan_dims)
            opponents.append(DiscriminatorTask("D_src", _named("D_src", self._gan), self._gan_losses))
        self.opponents = tuple(opponents)
        self._predict = compiled(self._predictions)

    def losses(self, batch: Batch) -> tuple[Tensor, ...]:
        """See goal.Goal: src and dst, and with GAN or true face a third that is not shown."""
        outputs = self.network.forward(batch["src_warped"], batch["dst_warped"])
        src, dst = (
            side_loss(
                batch[f"{side}_target"],
                batch[f"{side}_mask"],
                batch.get(f"{side}_eyes_mouth"),
                face,
                mask,
                self._losses,
            )
            for side, face, mask in (
                ("src", outputs.src_face, outputs.src_mask),
                ("dst", outputs.dst_face, outputs.dst_mask),
            )
        )
        src = src + self._style(batch, outputs)
        hidden = self._against_opponents(batch, outputs)
        return (src, dst) if hidden is None else (src, dst, hidden)

    def show(self, batch: Arrays) -> dict[str, Picture]:
        """See goal.Goal: columns S, SS, D, DD, SD, and the same inside the masks."""
        predicted = self._predict(batch["src_target"], batch["dst_target"])
        pairs = {side: (batch[f"{side}_target"], batch[f"{side}_mask"]) for side in SIDES}
        return swap_pages(pairs["src"], pairs["dst"], predicted, self.network.face_type == FaceType.HEAD)

    def is_blind(self, batch: Arrays) -> bool:
        """See goal.Goal."""
        predicted = self._predict(batch["src_target"], batch["dst_target"])
        return any(is_blind(batch[f"{side}_target"], face) for side, face in zip(SIDES, predicted[:2], strict=True))

    def _style(self, batch: Batch, outputs: Outputs) -> Tensor:
        extra = self._extra
        total: Tensor = 0.0
        if extra.face_style_power:
            swapped, swapped_mask = self.network.as_src(ops.stop_gradient(outputs.swap_code))
            total = total + face_style_loss(
                swapped, swapped_mask, outputs.dst_face, outputs.dst_mask, extra.face_style_power, self._losses
            )
        if extra.bg_style_power:
            swapped, _ = self.network.as_src(outputs.swap_code)
            src, dst = self._compared(batch, outputs, "src"), self._compared(batch, outputs, "dst")
            total = total + background_style_loss(swapped, dst.target, src.weight, extra.bg_style_power, self._losses)
        return total

    def _against_opponents(self, batch: Batch, outputs: Outputs) -> Tensor | None:
        total: Tensor | None = None
        if self._code_judge is not None:
            total = true_face_loss(self._code_judge(outputs.src_code), self._extra.true_face_power)
        if self._gan is not None and self._extra.gan:
            src = self._compared(batch, outputs, "src")
            loss = gan_generator_loss(self._gan(src.got), self._extra.gan)
            if self._losses.masked_training:
                loss = loss + gan_background_loss(src)
            total = loss if total is None else total + loss
        return total

    def _compared(self, batch: Batch, outputs: Outputs, side: str) -> MaskedPair:
        face = outputs.src_face if side == "src" else outputs.dst_face
        return compare(batch[f"{side}_target"], batch[f"{side}_mask"], face, self._losses)

    def _code_judge_losses(self, batch: Batch) -> Tensor:
        outputs = self.network.forward(batch["src_warped"], batch["dst_warped"])
        assert self._code_judge is not None
        src, dst = (self._code_judge(ops.stop_gradient(code)) for code in (outputs.src_code, outputs.dst_code))
        return code_discriminator_loss(src, dst)

    def _gan_losses(self, batch: Batch) -> Tensor:
        outputs = self.network.forward(batch["src_warped"], batch["dst_warped"])
        src = self._compared(batch, outputs, "src")
        assert self._gan is not None
        assert self._extra.gan
        real, fake = self._gan(src.wanted), self._gan(ops.stop_gradient(src.got))
        return gan_discriminator_loss(real, fake, SAEHD_SHARE, self._extra.gan, self._random)

    def _predictions(self, src: Tensor, dst: Tensor) -> tuple[Tensor, ...]:
        """SS, DD, SD, DD's mask, SD's mask for unwarped faces."""
        src_face = self.network.reconstruct(src, dst)[0]
        swapped, swapped_mask, dst_face, dst_mask = self.network.swap(dst)
        return src_face, dst_face, swapped, dst_mask, swapped_mask


def _named(name: str, network: Any) -> dict[str, keras.Variable]:
    return {f"{name}/{key}": weight for key, weight in named_weights(network).items()}
