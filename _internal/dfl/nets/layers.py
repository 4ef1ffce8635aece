"""The layers that the original's networks are made of, on keras.ops, so that every engine computes the same.

Each layer is a plain object that holds its weights and is called with a map (N, H, W, C). Kernels are (k, k, in, out)
and dense weights (in, out), as the original stores them, so its arrays go in unchanged.
"""

from typing import Any, Protocol

import keras
from keras import ops

from dfl.nets.layout import depth_to_space

Tensor = Any


class Activation(Protocol):
    """An activation with a slope for negative values."""

    def __call__(self, x: Tensor, slope: float) -> Tensor: ...


def leaky_relu(x: Tensor, slope: float) -> Tensor:
    """x where positive, slope * x elsewhere."""
    return ops.leaky_relu(x, negative_slope=slope)


def x_cos_x(x: Tensor, slope: float) -> Tensor:
    """x * cos(x), the activation of the letter `c`; it has no slope."""
    del slope
    return x * ops.cos(x)


def pixel_norm(x: Tensor) -> Tensor:
    """Vectors (N, D) scaled to mean square 1: x * rsqrt(mean(x^2) + 1e-6)."""
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-6)


def glorot_uniform(shape: tuple[int, ...]) -> Tensor:
    """The original's start values: U(-L, L), L = sqrt(6 / (fan in + fan out))."""
    return keras.initializers.GlorotUniform()(shape)


class Conv2D:
    """Cross-correlation with symmetric zero padding (kernel - 1) // 2, then a bias.

    With stride 2 this is not "same" of TensorFlow, which pads one less before and shifts the result by a pixel.
    """

    def __init__(self, kernel: int, inputs: int, outputs: int, stride: int = 1) -> None:
        self._stride = stride
        self._padding = kernel // 2
        self.weight = keras.Variable(glorot_uniform((kernel, kernel, inputs, outputs)))
        self.bias = keras.Variable(ops.zeros((outputs,)))

    def __call__(self, x: Tensor) -> Tensor:
        if self._stride == 1:
            return ops.conv(x, self.weight, padding="same") + self.bias
        before = self._padding
        # On even maps the last padded row is never read: leaving it out saves nothing but is what engines like.
        after = before - 1 if x.shape[1] % 2 == 0 else before
        x = ops.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
        return ops.conv(x, self.weight, strides=self._stride, padding="valid") + self.bias


class Dense:
    """y = x W + b on vectors (N, in)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.weight = keras.Variable(glorot_uniform((inputs, outputs)))
        self.bias = keras.Variable(ops.zeros((outputs,)))

    def __call__(self, x: Tensor) -> Tensor:
        return ops.matmul(x, self.weight) + self.bias


class Downscale:
    """5x5 convolution of stride 2: half the size."""

    def __init__(self, inputs: int, outputs: int, activation: Activation) -> None:
        self._activation = activation
        self.conv1 = Conv2D(5, inputs, outputs, stride=2)

    def __call__(self, x: Tensor) -> Tensor:
        return self._activation(self.conv1(x), 0.1)


class Upscale:
    """3x3 convolution to four times the channels, then depth-to-space: twice the size."""

    def __init__(self, inputs: int, outputs: int, activation: Activation) -> None:
        self._activation = activation
        self.conv1 = Conv2D(3, inputs, 4 * outputs)

    def __call__(self, x: Tensor) -> Tensor:
        return depth_to_space(self._activation(self.conv1(x), 0.1))


class ResidualBlock:
    """Two 3x3 convolutions around which the input is added."""

    def __init__(self, channels: int, activation: Activation) -> None:
        self._activation = activation
        self.conv1 = Conv2D(3, channels, channels)
        self.conv2 = Conv2D(3, channels, channels)

    def __call__(self, x: Tensor) -> Tensor:
        inner = self.conv2(self._activation(self.conv1(x), 0.2))
        return self._activation(x + inner, 0.2)


def named_weights(network: object) -> dict[str, keras.Variable]:
    """All weights of a network or layer in build order, named as the original names them.

    A name is the path of attributes joined by "/"; a list adds "_<index>": `down1/downs_0/conv1/weight`.
    """
    weights: dict[str, keras.Variable] = {}
    for name, value in vars(network).items():
        if name.startswith("_"):
            continue
        parts = (
            {f"{name}_{index}": part for index, part in enumerate(value)} if isinstance(value, list) else {name: value}
        )
        for part_name, part in parts.items():
            if isinstance(part, keras.Variable):
                weights[part_name] = part
            else:
                weights |= {f"{part_name}/{inner}": weight for inner, weight in named_weights(part).items()}
    return weights
