"""FaceEnhancer, the original's network that shows a face at four times its size with invented detail.

A U-Net with pictures taken out at one, two and four times the size, each added to the one before it. Layers are named
as in the original's FaceEnhancerNetwork.npy.
"""

import numpy as np
from keras import ops

from dfl.nets.layers import Conv2D, Dense, Tensor, leaky_relu

SIDE = 192  # of the pictures that it was trained on
SCALE = 4
# The two numbers that it is given beside the picture, always these.
_PARAMETERS = (0.2, 1.0)


class FaceEnhancerNetwork:
    """BGR pictures (N, H, W, 3), float32 -1..1, sides multiples of 32 -> (N, 4H, 4W, 3), about -1..1."""

    def __init__(self) -> None:
        self.conv1 = Conv2D(3, 3, 64)
        self.dense1 = Dense(1, 64, has_bias=False)
        self.dense2 = Dense(1, 64, has_bias=False)
        self.e0_conv0 = Conv2D(3, 64, 64)
        self.e0_conv1 = Conv2D(3, 64, 64)
        self.e1_conv0 = Conv2D(3, 64, 112)
        self.e1_conv1 = Conv2D(3, 112, 112)
        self.e2_conv0 = Conv2D(3, 112, 192)
        self.e2_conv1 = Conv2D(3, 192, 192)
        self.e3_conv0 = Conv2D(3, 192, 336)
        self.e3_conv1 = Conv2D(3, 336, 336)
        self.e4_conv0 = Conv2D(3, 336, 512)
        self.e4_conv1 = Conv2D(3, 512, 512)
        self.center_conv0 = Conv2D(3, 512, 512)
        self.center_conv1 = Conv2D(3, 512, 512)
        self.center_conv2 = Conv2D(3, 512, 512)
        self.center_conv3 = Conv2D(3, 512, 512)
        self.d4_conv0 = Conv2D(3, 1024, 512)
        self.d4_conv1 = Conv2D(3, 512, 512)
        self.d3_conv0 = Conv2D(3, 848, 512)
        self.d3_conv1 = Conv2D(3, 512, 512)
        self.d2_conv0 = Conv2D(3, 704, 288)
        self.d2_conv1 = Conv2D(3, 288, 288)
        self.d1_conv0 = Conv2D(3, 400, 160)
        self.d1_conv1 = Conv2D(3, 160, 160)
        self.d0_conv0 = Conv2D(3, 224, 96)
        self.d0_conv1 = Conv2D(3, 96, 96)
        self.out1x_conv0 = Conv2D(3, 96, 48)
        self.out1x_conv1 = Conv2D(3, 48, 3)
        self.dec2x_conv0 = Conv2D(3, 96, 96)
        self.dec2x_conv1 = Conv2D(3, 96, 96)
        self.out2x_conv0 = Conv2D(3, 96, 48)
        self.out2x_conv1 = Conv2D(3, 48, 3)
        self.dec4x_conv0 = Conv2D(3, 96, 72)
        self.dec4x_conv1 = Conv2D(3, 72, 72)
        self.out4x_conv0 = Conv2D(3, 72, 36)
        self.out4x_conv1 = Conv2D(3, 36, 3)

    def __call__(self, pictures: Tensor) -> Tensor:
        inner = self._features(pictures)
        out = pictures + _detail(inner, self.out1x_conv0, self.out1x_conv1)
        inner = twice(_chain(inner, self.dec2x_conv0, self.dec2x_conv1))
        out = twice(out) + _detail(inner, self.out2x_conv0, self.out2x_conv1)
        inner = twice(_chain(inner, self.dec4x_conv0, self.dec4x_conv1))
        return twice(out) + _detail(inner, self.out4x_conv0, self.out4x_conv1)

    def _features(self, pictures: Tensor) -> Tensor:
        """The U-Net: pictures (N, H, W, 3) -> (N, H, W, 96)."""
        first, second = (ops.convert_to_tensor([[number]], dtype="float32") for number in _PARAMETERS)
        condition = self.dense1(first) + self.dense2(second)  # (1, 64), the same for all pixels
        x = _act(self.conv1(pictures) + ops.reshape(condition, (1, 1, 1, -1)))
        e0 = _chain(x, self.e0_conv0, self.e0_conv1)
        e1 = _chain(_half(e0), self.e1_conv0, self.e1_conv1)
        e2 = _chain(_half(e1), self.e2_conv0, self.e2_conv1)
        e3 = _chain(_half(e2), self.e3_conv0, self.e3_conv1)
        e4 = _chain(_half(e3), self.e4_conv0, self.e4_conv1)
        x = _half(e4)
        x = _chain(x, self.center_conv0, self.center_conv1, self.center_conv2, self.center_conv3)
        x = _chain(_beside(x, e4), self.d4_conv0, self.d4_conv1)
        x = _chain(_beside(x, e3), self.d3_conv0, self.d3_conv1)
        x = _chain(_beside(x, e2), self.d2_conv0, self.d2_conv1)
        x = _chain(_beside(x, e1), self.d1_conv0, self.d1_conv1)
        return _chain(_beside(x, e0), self.d0_conv0, self.d0_conv1)


def twice(x: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, 2H, 2W, C), as TensorFlow 1 doubled: out[2i] = in[i], between them the mean of both.

    The last row and column are repeated. Other bilinear resizes put pixels elsewhere, which the weights do not expect.
    """
    for axis in (1, 2):
        size = x.shape[axis]
        following = ops.take(x, np.minimum(np.arange(size) + 1, size - 1), axis=axis)
        shape = [-1, *x.shape[1:]]
        shape[axis] = 2 * size
        x = ops.reshape(ops.stack([x, (x + following) / 2], axis=axis + 1), shape)
    return x


def _chain(x: Tensor, *layers: Conv2D) -> Tensor:
    for layer in layers:
        x = _act(layer(x))
    return x


def _detail(x: Tensor, first: Conv2D, second: Conv2D) -> Tensor:
    """What is added to a picture: (N, H, W, C) -> (N, H, W, 3) in -1..1."""
    return ops.tanh(second(_act(first(x))))


def _beside(x: Tensor, skipped: Tensor) -> Tensor:
    return ops.concatenate([twice(x), skipped], axis=-1)


def _act(x: Tensor) -> Tensor:
    return leaky_relu(x, 0.1)


def _half(x: Tensor) -> Tensor:
    return ops.average_pool(x, 2, strides=2, padding="valid")
