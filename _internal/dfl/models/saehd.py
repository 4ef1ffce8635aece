"""SAEHD and Quick96: one encoder for two people, a decoding for each. Networks and predictions, no training."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dfl.faces.face_type import FaceType
from dfl.models.compiled import compiled
from dfl.models.options import QUICK96, Quick96Options, SaehdOptions
from dfl.models.prediction import Prediction
from dfl.nets.deepfake import Architecture, Decoder, Encoder, Inter
from dfl.nets.layers import Tensor, named_weights


@dataclass(frozen=True, eq=False)
class Outputs:
    """What training uses of a batch: faces (N, R, R, 3), masks (N, R, R, 1), codes (N, s, s, C).

    src_code, dst_code: of inter; with liae, of its part for both people. swap_code: what as_src makes the swap of dst
    from.
    """

    src_face: Tensor
    src_mask: Tensor
    dst_face: Tensor
    dst_mask: Tensor
    src_code: Tensor
    dst_code: Tensor
    swap_code: Tensor


class Saehd:
    """The networks of one model. `parts` are named as the original names its files."""

    def __init__(self, options: SaehdOptions) -> None:
        self.options = options
        self.resolution = options.resolution
        self.face_type = FaceType.from_name(options.face_type)
        self.architecture = Architecture.parse(options.archi)
        ae, shape = options.ae_dims, (options.resolution, self.architecture)
        self._encoder = Encoder(options.e_dims, *shape)
        if self.is_df:
            self._inter = Inter(self._encoder.length, ae, ae, *shape)
            self._decoder_src = Decoder(ae, options.d_dims, options.d_mask_dims, self.architecture)
            self._decoder_dst = Decoder(ae, options.d_dims, options.d_mask_dims, self.architecture)
            self.parts: dict[str, Any] = {
                "encoder": self._encoder,
                "inter": self._inter,
                "decoder_src": self._decoder_src,
                "decoder_dst": self._decoder_dst,
            }
        else:
            self._inter_ab = Inter(self._encoder.length, ae, 2 * ae, *shape)
            self._inter_b = Inter(self._encoder.length, ae, 2 * ae, *shape)
            self._decoder = Decoder(4 * ae, options.d_dims, options.d_mask_dims, self.architecture)
            self.parts = {
                "encoder": self._encoder,
                "inter_AB": self._inter_ab,
                "inter_B": self._inter_b,
                "decoder": self._decoder,
            }

    @property
    def is_df(self) -> bool:
        return self.architecture.kind == "df"

    def weights(self) -> dict[str, keras.Variable]:
        """All weights by name: `encoder/down1/downs_0/conv1/weight`."""
        return {
            f"{part}/{name}": weight
            for part, network in self.parts.items()
            for name, weight in named_weights(network).items()
        }

    def trained_weights(self) -> dict[str, keras.Variable]:
        """The weights that training updates. liae without random warp freezes inter_AB, as the original does."""
        frozen = "inter_AB/" if not self.is_df and not self.options.random_warp else "-"
        return {name: weight for name, weight in self.weights().items() if not name.startswith(frozen)}

    @property
    def code_shape(self) -> tuple[int, int]:
        """Channels and side of inter's output."""
        return self._inter.shape if self.is_df else self._inter_ab.shape

    def forward(self, src: Tensor, dst: Tensor) -> Outputs:
        """Both people reconstructed, and the codes between. src, dst: (N, R, R, 3).

        Both people pass the encoder (and, in liae, the decoder) as one batch, so that the weights are read once.
        """
        # In halves, not at src.shape[0]: an engine that has seen two batch sizes knows none beforehand.
        code = self._encoder(ops.concatenate([src, dst], axis=0))
        if self.is_df:
            code = self._inter(code)
            src_code, dst_code = ops.split(code, 2, axis=0)
            faces = (*self._decoder_src(src_code), *self._decoder_dst(dst_code))
            return Outputs(*faces, src_code, dst_code, dst_code)
        src_ab, dst_ab = ops.split(self._inter_ab(code), 2, axis=0)
        src_code = ops.concatenate([src_ab, src_ab], axis=-1)
        _, dst_encoded = ops.split(code, 2, axis=0)
        dst_code = ops.concatenate([self._inter_b(dst_encoded), dst_ab], axis=-1)
        face, mask = self._decoder(ops.concatenate([src_code, dst_code], axis=0))
        (src_face, dst_face), (src_mask, dst_mask) = ops.split(face, 2, axis=0), ops.split(mask, 2, axis=0)
        swap_code = ops.concatenate([dst_ab, dst_ab], axis=-1)
        return Outputs(src_face, src_mask, dst_face, dst_mask, src_ab, dst_ab, swap_code)

    def reconstruct(self, src: Tensor, dst: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As forward, without the codes: src face, src mask, dst face, dst mask."""
        outputs = self.forward(src, dst)
        return outputs.src_face, outputs.src_mask, outputs.dst_face, outputs.dst_mask

    def as_src(self, swap_code: Tensor) -> tuple[Tensor, Tensor]:
        """Face and mask decoded from a swap code as src."""
        face, mask = self._decoder_src(swap_code) if self.is_df else self._decoder(swap_code)
        return face, mask

    def swap(self, dst: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """dst (N, R, R, 3) decoded as src and as dst: swapped face, its mask, dst's own face and mask."""
        code = self._encoder(dst)
        if self.is_df:
            code = self._inter(code)
            return (*self._decoder_src(code), *self._decoder_dst(code))
        both = self._inter_ab(code)
        swapped = ops.concatenate([both, both], axis=-1)
        own = ops.concatenate([self._inter_b(code), both], axis=-1)
        return (*self._decoder(swapped), *self._decoder(own))

    def swap_for_merging(self, dst: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `swap` without dst's own face, which merging does not need: face, its mask, dst's mask."""
        code = self._encoder(dst)
        if self.is_df:
            code = self._inter(code)
            return (*self._decoder_src(code), self._decoder_dst.mask(code))
        both = self._inter_ab(code)
        own = ops.concatenate([self._inter_b(code), both], axis=-1)
        return (*self._decoder(ops.concatenate([both, both], axis=-1)), self._decoder.mask(own))

    def reconstruct_dst(self, dst: Tensor) -> tuple[Tensor, Tensor]:
        """dst (N, R, R, 3) decoded as dst: its own face and mask."""
        code = self._encoder(dst)
        if self.is_df:
            face, mask = self._decoder_dst(self._inter(code))
        else:
            face, mask = self._decoder(ops.concatenate([self._inter_b(code), self._inter_ab(code)], axis=-1))
        return face, mask


def build_quick96(options: Quick96Options) -> Saehd:
    """Quick96 is a df-ud of fixed size."""
    return Saehd(SaehdOptions(**(options.model_dump() | QUICK96)))


class SaehdSwapModel:
    """A trained model as merging sees it: faces in, Prediction out. digest: of its weights."""

    def __init__(self, network: Saehd, face_type: FaceType, name: str, iteration: int, digest: str = "") -> None:
        self.settings: dict[str, Any] = {}
        self.resolution = network.resolution
        self.face_type = face_type
        self.name = name
        self.iteration = iteration
        self.digest = digest
        self._swap = compiled(network.swap_for_merging)
        self._reconstruct = compiled(network.reconstruct_dst)

    def predict(self, faces: NDArray[np.float32]) -> Prediction:
        """faces: (N, R, R, 3) float32 BGR 0..1, any N."""
        face, face_mask, dst_mask = (np.clip(part, 0, 1) for part in self._swap(faces))
        return Prediction(face, face_mask, dst_mask)

    def reconstruct(self, faces: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """dst's own faces and masks, as the model draws them. faces: as for predict."""
        face, mask = (np.clip(part, 0, 1) for part in self._reconstruct(faces))
        return face, mask
