"""FAN, the original's landmark network (2DFAN and 3DFAN have one structure): four stacked hourglasses.

A. Bulat, G. Tzimiropoulos, How far are we from solving the 2D & 3D face alignment problem?, 2017. Layers are named as
in the original's 2DFAN.npy and 3DFAN.npy.
"""

import keras
from keras import ops

from dfl.nets.layers import Conv2D, Tensor

SIDE = 256  # of the pictures
MAP_SIDE = 64  # of the heat maps
LANDMARKS = 68
_STACKS = 4
_DEPTH = 4
_WIDTH = 256


class BatchNorm:
    """Batch normalisation in inference mode: (x - mean) / sqrt(variance + 1e-5) * weight + bias, running statistics."""

    def __init__(self, channels: int) -> None:
        self.weight = keras.Variable(ops.ones((channels,)))
        self.bias = keras.Variable(ops.zeros((channels,)))
        self.running_mean = keras.Variable(ops.zeros((channels,)))
        self.running_var = keras.Variable(ops.ones((channels,)))

    def __call__(self, x: Tensor) -> Tensor:
        scale = self.weight * ops.rsqrt(self.running_var + 1e-5)
        return x * scale + (self.bias - self.running_mean * scale)


class ConvBlock:
    """Three convolutions in sequence, their outputs concatenated (1/2, 1/4, 1/4 of the channels), plus a skip."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self._widens = inputs != outputs
        half, quarter = outputs // 2, outputs // 4
        self.bn1 = BatchNorm(inputs)
        self.conv1 = Conv2D(3, inputs, half, has_bias=False)
        self.bn2 = BatchNorm(half)
        self.conv2 = Conv2D(3, half, quarter, has_bias=False)
        self.bn3 = BatchNorm(quarter)
        self.conv3 = Conv2D(3, quarter, quarter, has_bias=False)
        if self._widens:
            self.down_bn1 = BatchNorm(inputs)
            self.down_conv1 = Conv2D(1, inputs, outputs, has_bias=False)

    def __call__(self, x: Tensor) -> Tensor:
        first = self.conv1(ops.relu(self.bn1(x)))
        second = self.conv2(ops.relu(self.bn2(first)))
        third = self.conv3(ops.relu(self.bn3(second)))
        added = self.down_conv1(ops.relu(self.down_bn1(x))) if self._widens else x
        return ops.concatenate([first, second, third], axis=-1) + added


class Hourglass:
    """Recursive hourglass: a block at full size plus an upsampled hourglass of depth - 1 at half the size."""

    def __init__(self, depth: int) -> None:
        self.b1 = ConvBlock(_WIDTH, _WIDTH)
        self.b2 = ConvBlock(_WIDTH, _WIDTH)
        self.b2_plus: Hourglass | ConvBlock = Hourglass(depth - 1) if depth > 1 else ConvBlock(_WIDTH, _WIDTH)
        self.b3 = ConvBlock(_WIDTH, _WIDTH)

    def __call__(self, x: Tensor) -> Tensor:
        low = self.b3(self.b2_plus(self.b2(_half(x))))
        return self.b1(x) + ops.repeat(ops.repeat(low, 2, axis=1), 2, axis=2)


class Fan:
    """RGB pictures of faces (N, 256, 256, 3), float32 0..1 -> heat maps of the 68 landmarks (N, 64, 64, 68)."""

    def __init__(self) -> None:
        self.conv1 = Conv2D(7, 3, 64, stride=2)
        self.bn1 = BatchNorm(64)
        self.conv2 = ConvBlock(64, 128)
        self.conv3 = ConvBlock(128, 128)
        self.conv4 = ConvBlock(128, _WIDTH)
        self.m = [Hourglass(_DEPTH) for _ in range(_STACKS)]
        self.top_m = [ConvBlock(_WIDTH, _WIDTH) for _ in range(_STACKS)]
        self.conv_last = [Conv2D(1, _WIDTH, _WIDTH) for _ in range(_STACKS)]
        self.bn_end = [BatchNorm(_WIDTH) for _ in range(_STACKS)]
        self.l = [Conv2D(1, _WIDTH, LANDMARKS) for _ in range(_STACKS)]
        self.bl = [Conv2D(1, _WIDTH, _WIDTH) for _ in range(_STACKS - 1)]
        self.al = [Conv2D(1, LANDMARKS, _WIDTH) for _ in range(_STACKS - 1)]

    def __call__(self, pictures: Tensor) -> Tensor:
        x = ops.relu(self.bn1(self.conv1(pictures)))
        x = self.conv4(self.conv3(_half(self.conv2(x))))
        for stack in range(_STACKS):
            features = self.top_m[stack](self.m[stack](x))
            features = ops.relu(self.bn_end[stack](self.conv_last[stack](features)))
            maps = self.l[stack](features)
            if stack < _STACKS - 1:
                x = x + self.bl[stack](features) + self.al[stack](maps)
        return maps


def _half(x: Tensor) -> Tensor:
    return ops.average_pool(x, 2, strides=2, padding="valid")
