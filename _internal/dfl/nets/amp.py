"""AMP: one decoder for two people, whose codes are mixed channel by channel, so that the swap can be morphed.

The parts are those of a SAEHD `udt` model with the first dense layer in the encoder. Attributes are named and ordered
as in the original's files.
"""

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dfl.nets.deepfake import Architecture, Decoder, Encoder
from dfl.nets.layers import Dense, Tensor, named_weights
from dfl.nets.layout import unflatten

ARCHITECTURE = Architecture("df", "udt")
# The resolution must be a multiple of this, and is this many times the side of the innermost map.
MULTIPLE = 32


class AmpEncoder(Encoder):
    """Face (N, R, R, 3) -> code vector (N, `ae`). `e` is the width of the first layer."""

    def __init__(self, e: int, ae: int, resolution: int) -> None:
        super().__init__(e, resolution, ARCHITECTURE)
        self.dense1 = Dense(self.length, ae)

    def __call__(self, x: Tensor) -> Tensor:
        return self.dense1(super().__call__(x))


class AmpInter:
    """Code vector (N, `ae`) -> map (N, R/32, R/32, `channels`)."""

    def __init__(self, ae: int, channels: int, resolution: int) -> None:
        self._channels, self._side = channels, resolution // MULTIPLE
        self.dense2 = Dense(ae, self._side**2 * channels)

    def __call__(self, code: Tensor) -> Tensor:
        return unflatten(self.dense2(code), self._channels, self._side)


class AmpDecoder(Decoder):
    """Map (N, R/32, R/32, `inputs`) -> face (N, R, R, 3) and mask (N, R, R, 1), both 0..1."""

    def __init__(self, inputs: int, d: int, d_mask: int) -> None:
        super().__init__(inputs, d, d_mask, ARCHITECTURE)
        for name in ("out_convm", "out_conv", "out_conv1", "out_conv2", "out_conv3"):
            setattr(self, name, vars(self).pop(name))  # The original's AMP files have the mask's output first.


class Amp:
    """The networks of one model. `parts` are named as the original names its files.

    ae, inter: numbers of the code, channels of the mixed map. e, d, d_mask: widths of encoder and decoder.
    has_trained_inters: whether training updates the two inters; the original leaves them at their random start values.
    """

    def __init__(
        self, resolution: int, ae: int, inter: int, e: int, d: int, d_mask: int, *, has_trained_inters: bool = False
    ) -> None:
        self.resolution = resolution
        self.inter = inter
        self._has_trained_inters = has_trained_inters
        self._encoder = AmpEncoder(e, ae, resolution)
        self._inter_src = AmpInter(ae, inter, resolution)
        self._inter_dst = AmpInter(ae, inter, resolution)
        self._decoder = AmpDecoder(inter, d, d_mask)
        self.parts: dict[str, object] = {
            "encoder": self._encoder,
            "inter_src": self._inter_src,
            "inter_dst": self._inter_dst,
            "decoder": self._decoder,
        }

    def weights(self) -> dict[str, keras.Variable]:
        """All weights by name: `encoder/down1/conv1/weight`."""
        return {
            f"{part}/{name}": weight
            for part, network in self.parts.items()
            for name, weight in named_weights(network).items()
        }

    def trained_weights(self) -> dict[str, keras.Variable]:
        """The weights that training updates."""
        frozen = () if self._has_trained_inters else ("inter_src/", "inter_dst/")
        return {name: weight for name, weight in self.weights().items() if not name.startswith(frozen)}

    def reconstruct(self, src: Tensor, dst: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What training compares: both people reconstructed.

        src, dst: (N, R, R, 3). chosen: (N, inter) of `random_channels`, drawn anew for every step. Returns src face,
        src mask, dst face, dst mask.
        """
        # In halves, not at src.shape[0]: an engine that has seen two batch sizes knows none beforehand.
        code = self._encoder(ops.concatenate([src, dst], axis=0))
        src_code, _ = ops.split(code, 2, axis=0)
        src_as_dst, dst_as_dst = ops.split(self._inter_dst(code), 2, axis=0)
        mixed = mix(self._inter_src(src_code), src_as_dst, chosen)
        face, mask = self._decoder(ops.concatenate([mixed, dst_as_dst], axis=0))
        (src_face, dst_face), (src_mask, dst_mask) = ops.split(face, 2, axis=0), ops.split(mask, 2, axis=0)
        return src_face, src_mask, dst_face, dst_mask

    def swap(self, dst: Tensor, morph: Tensor = 1.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """dst (N, R, R, 3) morphed towards src by `morph`, one number 0..1: face, its mask, dst's own face and mask."""
        mixed, own = self._swap_codes(dst, morph)
        return (*self._decoder(mixed), *self._decoder(own))

    def swap_for_merging(self, dst: Tensor, morph: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `swap` without dst's own face: face, its mask, dst's mask."""
        mixed, own = self._swap_codes(dst, morph)
        return (*self._decoder(mixed), self._decoder.mask(own))

    def reconstruct_dst(self, dst: Tensor) -> tuple[Tensor, Tensor]:
        """dst (N, R, R, 3) decoded as dst: its own face and mask."""
        face, mask = self._decoder(self._inter_dst(self._encoder(dst)))
        return face, mask

    def _swap_codes(self, dst: Tensor, morph: Tensor) -> tuple[Tensor, Tensor]:
        code = self._encoder(dst)
        own = self._inter_dst(code)
        return mix(self._inter_src(code), own, first_channels(self.inter, morph)), own


def mix(src: Tensor, dst: Tensor, chosen: Tensor) -> Tensor:
    """Maps (N, s, s, C): src's channels where `chosen`, (N or 1, C) of 0 and 1, is 1, dst's elsewhere."""
    chosen = chosen[:, None, None, :]
    return src * chosen + dst * (1 - chosen)


def random_channels(count: int, channels: int, share: float, random: np.random.Generator) -> NDArray[np.float32]:
    """(count, channels): int(channels * share) ones in every row, in random order. For training's `reconstruct`."""
    row = np.arange(channels) < int(channels * share)
    return random.permuted(np.tile(row, (count, 1)), axis=1).astype(np.float32)


def first_channels(channels: int, morph: Tensor) -> Tensor:
    """(1, channels): the first int(channels * morph) are 1; morph is one number or an array of one number."""
    count = ops.floor(ops.cast(ops.reshape(morph, ()), "float32") * channels)
    return ops.cast(ops.arange(channels, dtype="float32") < count, "float32")[None]
