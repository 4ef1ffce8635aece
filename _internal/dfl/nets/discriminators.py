"""The discriminators: a patch discriminator for GAN training, a code discriminator for true face.

Both return logits. Attributes are named and ordered as in the original's files (`..._GAN.npy`,
`..._code_discriminator.npy`).
"""

from itertools import pairwise

from keras import ops

from dfl.base.errors import UserError
from dfl.nets.layers import Conv2D, Conv2DTranspose, Tensor, leaky_relu
from dfl.nets.patch_size import patch_multiple, patch_strides

MAX_CHANNELS = 512


class UNetPatchDiscriminator:
    """Face (N, R, R, 3) -> logits of patches (N, r, r, 1) and of pixels (N, R, R, 1).

    The U-Net discriminator of E. Schoenfeld et al., A U-Net Based Discriminator for Generative Adversarial Networks,
    2020. The receptive field of the innermost map is about `patch_size` pixels; `base`: channels of the first layer.
    UserError where the resolution cannot be halved as often as the patch size needs.
    """

    def __init__(self, patch_size: int, resolution: int, base: int = 16) -> None:
        multiple = patch_multiple(patch_size)
        if resolution % multiple:
            raise UserError(
                f"A GAN patch size of {patch_size} needs a resolution that is a multiple of {multiple}, "
                f"{resolution} is not.",
                "Choose a smaller patch size, such as an eighth of the resolution.",
            )
        strides = patch_strides(patch_size)
        widths = [min(base * 2**level, MAX_CHANNELS) for level in range(len(strides) + 1)]
        levels = [(*pair, stride) for pair, stride in zip(pairwise(widths), strides, strict=True)]
        self.convs = [Conv2D(3, before, after, stride) for before, after, stride in levels]
        self.upconvs = [
            Conv2DTranspose(after if index == len(levels) - 1 else 2 * after, before, stride)
            for index, (before, after, stride) in reversed(list(enumerate(levels)))
        ]
        self.in_conv = Conv2D(1, 3, widths[0])
        self.out_conv = Conv2D(1, 2 * widths[0], 1)
        self.center_out = Conv2D(1, widths[-1], 1)
        self.center_conv = Conv2D(1, widths[-1], widths[-1])

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = leaky_relu(self.in_conv(x), 0.2)
        skips = []
        for conv in self.convs:
            skips.append(x)
            x = leaky_relu(conv(x), 0.2)
        patches = self.center_out(x)
        x = leaky_relu(self.center_conv(x), 0.2)
        for upconv, skip in zip(self.upconvs, reversed(skips), strict=True):
            x = ops.concatenate([skip, leaky_relu(upconv(x), 0.2)], axis=-1)
        return patches, self.out_conv(x)


class CodeDiscriminator:
    """The inter's feature map (N, side, side, channels) of a df model -> logits that it is a code of dst."""

    def __init__(self, channels: int, side: int) -> None:
        widths = [channels, *(256 * min(2**level, 8) for level in range(1 + side // 8))]
        self.convs = [
            Conv2D(4 if level == 0 else 3, before, after, stride=2)
            for level, (before, after) in enumerate(pairwise(widths))
        ]
        self.out_conv = Conv2D(1, widths[-1], 1)

    def __call__(self, code: Tensor) -> Tensor:
        for conv in self.convs:
            code = leaky_relu(conv(code), 0.1)
        return self.out_conv(code)
