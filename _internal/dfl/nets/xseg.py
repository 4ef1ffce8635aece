"""XSeg, which draws the mask of a face: a U-net of six halvings around a dense bottleneck.

Attributes are named and ordered as in the original's file (`XSeg_256.npy`).
"""

import keras
from keras import ops

from dfl.nets.layers import (
    Block,
    BlurPool,
    Conv2D,
    Conv2DTranspose,
    Dense,
    FilterResponseNorm,
    Tensor,
    ThresholdedLinear,
    as_float32,
    named_weights,
)
from dfl.nets.layout import flatten, unflatten

RESOLUTION = 256
BOTTLENECK = 512
HALVINGS = 6


class _Block(Block):
    """A convolution to `outputs` channels, norm, thresholded activation."""

    def __init__(self, conv: Conv2D | Conv2DTranspose, outputs: int) -> None:
        self.conv = conv
        self.frn = FilterResponseNorm(outputs)
        self.tlu = ThresholdedLinear(outputs)

    def _compute(self, x: Tensor) -> Tensor:
        return self.tlu(self.frn(self.conv(x)))


def _block(inputs: int, outputs: int) -> _Block:
    return _Block(Conv2D(3, inputs, outputs), outputs)


def _up(inputs: int, outputs: int) -> _Block:
    """Twice the size."""
    return _Block(Conv2DTranspose(inputs, outputs), outputs)


class XSeg:
    """Face (N, R, R, 3) BGR 0..1 -> logits of its mask and the mask 0..1, both (N, R, R, 1).

    R is 256 in every file of the original; here any multiple of 64. `base` is the width of the first level.
    """

    def __init__(self, base: int = 32, resolution: int = RESOLUTION) -> None:
        b = base
        self._resolution = resolution
        self._inner = (8 * b, resolution // 2**HALVINGS)  # channels and side of the innermost map
        length = self._inner[0] * self._inner[1] ** 2
        self._blurs = [BlurPool(size) for size in (4, 3, 2, 2, 2, 2)]
        self.conv01, self.conv02 = _block(3, b), _block(b, b)
        self.conv11, self.conv12 = _block(b, 2 * b), _block(2 * b, 2 * b)
        self.conv21, self.conv22 = _block(2 * b, 4 * b), _block(4 * b, 4 * b)
        self.conv31, self.conv32, self.conv33 = _block(4 * b, 8 * b), _block(8 * b, 8 * b), _block(8 * b, 8 * b)
        self.conv41, self.conv42, self.conv43 = _block(8 * b, 8 * b), _block(8 * b, 8 * b), _block(8 * b, 8 * b)
        self.conv51, self.conv52, self.conv53 = _block(8 * b, 8 * b), _block(8 * b, 8 * b), _block(8 * b, 8 * b)
        self.dense1, self.dense2 = Dense(length, BOTTLENECK), Dense(BOTTLENECK, length)
        self.up5 = _up(8 * b, 4 * b)
        self.uconv53, self.uconv52, self.uconv51 = _block(12 * b, 8 * b), _block(8 * b, 8 * b), _block(8 * b, 8 * b)
        self.up4 = _up(8 * b, 4 * b)
        self.uconv43, self.uconv42, self.uconv41 = _block(12 * b, 8 * b), _block(8 * b, 8 * b), _block(8 * b, 8 * b)
        self.up3 = _up(8 * b, 4 * b)
        self.uconv33, self.uconv32, self.uconv31 = _block(12 * b, 8 * b), _block(8 * b, 8 * b), _block(8 * b, 8 * b)
        self.up2 = _up(8 * b, 4 * b)
        self.uconv22, self.uconv21 = _block(8 * b, 4 * b), _block(4 * b, 4 * b)
        self.up1 = _up(4 * b, 2 * b)
        self.uconv12, self.uconv11 = _block(4 * b, 2 * b), _block(2 * b, 2 * b)
        self.up0 = _up(2 * b, b)
        self.uconv02, self.uconv01 = _block(2 * b, b), _block(b, b)
        self.out_conv = Conv2D(3, b, 1)

    @property
    def resolution(self) -> int:
        return self._resolution

    @property
    def parts(self) -> dict[str, object]:
        """As of the other kinds' networks: one, this."""
        return {"XSeg": self}

    def weights(self) -> dict[str, keras.Variable]:
        """All weights by name: `XSeg/conv01/conv/weight`."""
        return {f"XSeg/{name}": weight for name, weight in named_weights(self).items()}

    def trained_weights(self) -> dict[str, keras.Variable]:
        """The weights that training updates: all."""
        return self.weights()

    def __call__(self, x: Tensor, is_pretraining: bool = False) -> tuple[Tensor, Tensor]:
        """`is_pretraining` puts zeros in place of the skips, so that everything must pass the bottleneck."""
        blur = self._blurs
        x0 = self.conv02(self.conv01(x))
        x1 = self.conv12(self.conv11(blur[0](x0)))
        x2 = self.conv22(self.conv21(blur[1](x1)))
        x3 = self.conv33(self.conv32(self.conv31(blur[2](x2))))
        x4 = self.conv43(self.conv42(self.conv41(blur[3](x3))))
        x5 = self.conv53(self.conv52(self.conv51(blur[4](x4))))
        x = unflatten(self.dense2(self.dense1(flatten(blur[5](x5)))), *self._inner)

        def with_skip(up: _Block, skip: Tensor) -> Tensor:
            skip = ops.zeros_like(skip) if is_pretraining else skip
            return ops.concatenate([up(x), skip], axis=-1)

        x = self.uconv51(self.uconv52(self.uconv53(with_skip(self.up5, x5))))
        x = self.uconv41(self.uconv42(self.uconv43(with_skip(self.up4, x4))))
        x = self.uconv31(self.uconv32(self.uconv33(with_skip(self.up3, x3))))
        x = self.uconv21(self.uconv22(with_skip(self.up2, x2)))
        x = self.uconv11(self.uconv12(with_skip(self.up1, x1)))
        x = self.uconv01(self.uconv02(with_skip(self.up0, x0)))
        logits = as_float32(self.out_conv(x))
        return logits, ops.sigmoid(logits)
