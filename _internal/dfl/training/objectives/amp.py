"""AMP in training: each person in their own look, src's codes mixed with dst's at random."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from dfl.base.pictures import Picture
from dfl.models.compiled import compiled
from dfl.nets.amp import Amp, random_channels
from dfl.nets.discriminators import UNetPatchDiscriminator
from dfl.nets.layers import named_weights
from dfl.training.losses.adversarial import (
    AMP_SHARE,
    GanSettings,
    gan_discriminator_loss,
    gan_generator_terms,
)
from dfl.training.losses.reconstruction import LossSettings, MaskedPair, amp_background_loss, compare, side_terms
from dfl.training.losses.terms import Tensor, Terms, in_group
from dfl.training.objectives.objective import Arrays, Batch, DiscriminatorTask, is_collapsed
from dfl.training.preview.pages import page
from dfl.training.seed_generator import seed_generator

SIDES = ("src", "dst")
# Shares of src's channels that the list of previews shows, in two rows of which the first begins with dst itself.
MORPHS = (0.25, 0.5, 0.65, 0.75, 1.0)


@dataclass(frozen=True)
class _Faces:
    """What came out for one side of a batch."""

    face: Tensor
    mask: Tensor


def chosen_channels(count: int, channels: int, share: float, seed: int, iteration: int) -> Arrays:
    """What a batch needs beside samples: `chosen`, (count, channels), drawn anew for every iteration."""
    return {"chosen": random_channels(count, channels, share, np.random.default_rng((seed, iteration)))}


class AmpObjective:
    """See Objective. A batch has `chosen` too: see chosen_channels.

    morph_factor: share of src's channels in training.
    """

    loss_names: tuple[str, ...] = SIDES

    def __init__(
        self,
        network: Amp,
        losses: LossSettings,
        morph_factor: float,
        gan: GanSettings | None = None,
        gan_patch_size: int = 16,
        gan_dims: int = 16,
        seed: int = 0,
    ) -> None:
        self.network = network
        self._losses = losses
        self._morph_factor = morph_factor
        self._gan = gan
        self._random = seed_generator(seed)
        self._discriminator: UNetPatchDiscriminator | None = None
        self.discriminators: tuple[DiscriminatorTask, ...] = ()
        if gan:
            self._discriminator = UNetPatchDiscriminator(gan_patch_size, network.resolution, gan_dims)
            weights = {f"GAN/{name}": weight for name, weight in named_weights(self._discriminator).items()}
            self.discriminators = (DiscriminatorTask("GAN", weights, self._discriminator_losses),)
        self._reconstruct = compiled(network.reconstruct)
        self._swap = compiled(network.swap)

    def losses(self, batch: Batch) -> Terms:
        """Terms of both sides, dst's background, and GAN's."""
        faces = self._faces(batch)
        terms: Terms = {}
        for side in SIDES:
            of_side = side_terms(
                batch[f"{side}_target"],
                batch[f"{side}_mask"],
                batch[f"{side}_eyes_mouth"],
                faces[side].face,
                faces[side].mask,
                self._losses,
            )
            terms |= in_group(side, of_side)
        pairs = self._pairs(batch, faces)
        terms["background/dst"] = amp_background_loss(pairs["dst"])
        if self._discriminator is not None and self._gan:
            maps = [logits for side in SIDES for logits in self._discriminator(pairs[side].pred)]
            terms |= in_group("gan", gan_generator_terms(maps, pairs["src"], self._gan, has_background=True))
        return terms

    def preview_pages(self, batch: Arrays) -> dict[str, Picture]:
        """Of the first sample, the original's pages.

        `preview`: src, dst, dst rebuilt inside its mask; below src rebuilt, dst rebuilt, the swap. `preview_morphs`:
        from dst to src in six steps; `preview_morphs_masked` the same inside the masks.
        """
        src, dst = batch["src_target"][:1], batch["dst_target"][:1]
        mixed = chosen_channels(1, self.network.inter, self._morph_factor, seed=0, iteration=0)["chosen"]
        src_face, _, dst_face, dst_mask = self._reconstruct(src, dst, mixed)
        morphed = [self._swap(dst, np.float32(morph))[:2] for morph in MORPHS]
        plain = [dst_face, *(face for face, _ in morphed)]
        masked = [dst_face * dst_mask, *(face * dst_mask * mask for face, mask in morphed)]
        return {
            "preview": _two_rows([src, dst, dst_face * dst_mask, src_face, dst_face, morphed[-1][0]]),
            "preview_morphs": _two_rows(plain),
            "preview_morphs_masked": _two_rows(masked),
        }

    def is_collapsed(self, batch: Arrays) -> bool:
        src, dst = batch["src_target"], batch["dst_target"]
        mixed = chosen_channels(len(src), self.network.inter, self._morph_factor, seed=0, iteration=0)["chosen"]
        src_face, _, dst_face, _ = self._reconstruct(src, dst, mixed)
        return is_collapsed(src, src_face) or is_collapsed(dst, dst_face)

    def _faces(self, batch: Batch) -> dict[str, _Faces]:
        parts = self.network.reconstruct(batch["src_warped"], batch["dst_warped"], batch["chosen"])
        return {"src": _Faces(*parts[:2]), "dst": _Faces(*parts[2:])}

    def _pairs(self, batch: Batch, faces: dict[str, _Faces]) -> dict[str, MaskedPair]:
        return {
            side: compare(batch[f"{side}_target"], batch[f"{side}_mask"], faces[side].face, self._losses)
            for side in SIDES
        }

    def _discriminator_losses(self, batch: Batch) -> Terms:
        discriminator = self._discriminator
        assert discriminator is not None
        assert self._gan
        pairs = self._pairs(batch, self._faces(batch))
        real = [logits for side in SIDES for logits in discriminator(pairs[side].target)]
        fake = [logits for side in SIDES for logits in discriminator(keras.ops.stop_gradient(pairs[side].pred))]
        return {"gan/discriminator": gan_discriminator_loss(real, fake, AMP_SHARE, self._gan, self._random)}


def _two_rows(faces: list[Any]) -> Picture:
    """Six faces of one sample, (1, R, R, 3) each, in two rows of three."""
    columns = [np.concatenate([upper, lower]) for upper, lower in zip(faces[:3], faces[3:], strict=True)]
    return page(columns)
