"""The autoencoder of SAEHD and Quick96: encoder, inter and decoder of the architectures `df` and `liae`.

Letters after a dash: `u` pixel norm on the code; `d` half the size of the inter's feature map, and four output
convolutions joined by pixel shuffle; `t` residual blocks and one more downscale in the encoder, one more upscale in the
decoder; `c` activation x*cos(x). Attributes are named and ordered as in the original's files.
"""

from dataclasses import dataclass

from keras import ops

from dfl.base.errors import UserError
from dfl.nets.layers import (
    Activation,
    Conv2D,
    Dense,
    Downscale,
    ResidualBlock,
    Tensor,
    Upscale,
    as_float32,
    convolved_together,
    leaky_relu,
    pixel_norm,
    x_cos_x,
)
from dfl.nets.layout import depth_to_space, flatten, unflatten


@dataclass(frozen=True)
class Architecture:
    """A parsed architecture such as `liae-udt`: kind `df` or `liae`, and its letters in the order u, d, t, c."""

    kind: str
    letters: str

    @classmethod
    def parse(cls, text: str) -> "Architecture":
        """Read `df`, `liae`, `df-ud`...; UserError for anything else."""
        kind, dash, letters = text.lower().partition("-")
        if kind not in ("df", "liae") or (dash and not letters) or set(letters) - set("udtc"):
            raise UserError(f"{text} is no architecture.", "Expected df or liae, with letters of u, d, t, c: liae-ud.")
        return cls(kind, "".join(sorted(set(letters), key="udtc".index)))

    @property
    def multiple(self) -> int:
        """The resolution must be a multiple of this."""
        return 32 if {"d", "t"} & set(self.letters) else 16

    @property
    def activation(self) -> Activation:
        return x_cos_x if "c" in self.letters else leaky_relu

    def inner_side(self, resolution: int) -> int:
        """Size of the feature map after the inter's second dense layer."""
        return resolution // (32 if "d" in self.letters else 16)


class _Downscales:
    """A chain of downscales; a class of its own only for the original's variable names (`down1/downs_0`)."""

    def __init__(self, inputs: int, outputs: list[int], activation: Activation) -> None:
        self.downs = [
            Downscale(before, after, activation) for before, after in zip([inputs, *outputs], outputs, strict=False)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        for down in self.downs:
            x = down(x)
        return x


class Encoder:
    """Face (N, R, R, 3) -> code vector (N, `length`). `e`: channels of the first layer."""

    def __init__(self, e: int, resolution: int, architecture: Architecture) -> None:
        activation = architecture.activation
        self._has_pixel_norm = "u" in architecture.letters
        self._is_deep = "t" in architecture.letters
        self.down1: Downscale | _Downscales
        if self._is_deep:
            self.down1 = Downscale(3, e, activation)
            self.res1 = ResidualBlock(e, activation)
            self.down2 = Downscale(e, 2 * e, activation)
            self.down3 = Downscale(2 * e, 4 * e, activation)
            self.down4 = Downscale(4 * e, 8 * e, activation)
            self.down5 = Downscale(8 * e, 8 * e, activation)
            self.res5 = ResidualBlock(8 * e, activation)
        else:
            self.down1 = _Downscales(3, [e, 2 * e, 4 * e, 8 * e], activation)
        self._length = 8 * e * (resolution // (32 if self._is_deep else 16)) ** 2

    @property
    def length(self) -> int:
        return self._length

    def __call__(self, x: Tensor) -> Tensor:
        x = self.down1(x)
        if self._is_deep:
            x = self.res1(x)
            x = self.down5(self.down4(self.down3(self.down2(x))))
            x = self.res5(x)
        x = as_float32(flatten(x))
        return pixel_norm(x) if self._has_pixel_norm else x


class Inter:
    """Code vector (N, inputs) -> feature map (N, side, side, outputs) through a dense bottleneck of `ae` units."""

    def __init__(self, inputs: int, ae: int, outputs: int, resolution: int, architecture: Architecture) -> None:
        self._side = architecture.inner_side(resolution)
        self._outputs = outputs
        self._doubles = "t" not in architecture.letters
        self.dense1 = Dense(inputs, ae)
        self.dense2 = Dense(ae, self._side * self._side * outputs)
        if self._doubles:
            self.upscale1 = Upscale(outputs, outputs, architecture.activation)

    @property
    def shape(self) -> tuple[int, int]:
        """Channels and size of the feature map."""
        return self._outputs, self._side * (2 if self._doubles else 1)

    def __call__(self, x: Tensor) -> Tensor:
        x = unflatten(self.dense2(self.dense1(x)), self._outputs, self._side)
        return self.upscale1(x) if self._doubles else x


class Decoder:
    """Feature map (N, s, s, inputs) -> face (N, R, R, 3) and mask (N, R, R, 1), both 0..1.

    `d` and `d_mask`: base widths (channels) of the picture branch and of the mask branch.
    """

    def __init__(self, inputs: int, d: int, d_mask: int, architecture: Architecture) -> None:
        activation = architecture.activation
        self._is_deep = "t" in architecture.letters
        self._has_four_outputs = "d" in architecture.letters
        widths = [8, 8, 4, 2] if self._is_deep else [8, 4, 2]
        self.upscale0 = Upscale(inputs, widths[0] * d, activation)
        self.upscale1 = Upscale(widths[0] * d, widths[1] * d, activation)
        self.upscale2 = Upscale(widths[1] * d, widths[2] * d, activation)
        if self._is_deep:
            self.upscale3 = Upscale(widths[2] * d, widths[3] * d, activation)
        self.res0 = ResidualBlock(widths[0] * d, activation)
        self.res1 = ResidualBlock(widths[1] * d, activation)
        self.res2 = ResidualBlock(widths[2] * d, activation)
        if self._is_deep:
            self.res3 = ResidualBlock(widths[3] * d, activation)
        self.upscalem0 = Upscale(inputs, widths[0] * d_mask, activation)
        self.upscalem1 = Upscale(widths[0] * d_mask, widths[1] * d_mask, activation)
        self.upscalem2 = Upscale(widths[1] * d_mask, widths[2] * d_mask, activation)
        if self._is_deep:
            self.upscalem3 = Upscale(widths[2] * d_mask, widths[3] * d_mask, activation)
        self.out_conv = Conv2D(1, 2 * d, 3)
        if self._has_four_outputs:
            self.out_conv1 = Conv2D(3, 2 * d, 3)
            self.out_conv2 = Conv2D(3, 2 * d, 3)
            self.out_conv3 = Conv2D(3, 2 * d, 3)
            last = Upscale(2 * d_mask, d_mask, activation)
            if self._is_deep:
                self.upscalem4 = last
            else:
                self.upscalem3 = last
        self.out_convm = Conv2D(1, d_mask if self._has_four_outputs else 2 * d_mask, 1)

    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.face(z), self.mask(z)

    def face(self, z: Tensor) -> Tensor:
        """The picture branch alone."""
        x = self.res0(self.upscale0(z))
        x = self.res1(self.upscale1(x))
        x = self.res2(self.upscale2(x))
        if self._is_deep:
            x = self.res3(self.upscale3(x))
        if self._has_four_outputs:
            outputs = convolved_together([self.out_conv, self.out_conv1, self.out_conv2, self.out_conv3], x)
            return ops.sigmoid(as_float32(depth_to_space(outputs)))
        return ops.sigmoid(as_float32(self.out_conv(x)))

    def mask(self, z: Tensor) -> Tensor:
        """The mask branch alone."""
        x = self.upscalem2(self.upscalem1(self.upscalem0(z)))
        if self._is_deep or self._has_four_outputs:
            x = self.upscalem3(x)
        if self._is_deep and self._has_four_outputs:
            x = self.upscalem4(x)
        return ops.sigmoid(as_float32(self.out_convm(x)))
