"""The layers that the original's networks are made of, on keras.ops, so that every engine computes the same.

Each layer is a plain object that holds its weights and is called with a map (N, H, W, C). Kernels are (k, k, in, out)
and dense weights (in, out), as the original stores them, so its arrays go in unchanged.

Weights are float32. `set_computing` may compute convolutions, and what follows on their maps, in 16 bits; vectors,
norms and a network's outputs stay float32.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol

import keras
import numpy as np
from keras import ops

from dfl.nets.convolution import convolve
from dfl.nets.layout import depth_to_space
from dfl.nets.size_count import counted, counted_block, make_weight

Tensor = Any
Precision = Literal["float32", "bfloat16", "float16"]


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


def as_float32(x: Tensor) -> Tensor:
    """The same numbers as float32; nothing to do for those that are."""
    return ops.cast(x, "float32")


def pixel_norm(x: Tensor) -> Tensor:
    """Vectors (N, D) scaled to mean square 1: x * rsqrt(mean(x^2) + 1e-6)."""
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-6)


def glorot_uniform(shape: tuple[int, ...]) -> Tensor:
    """The original's start values: U(-L, L), L = sqrt(6 / (fan in + fan out))."""
    return keras.initializers.GlorotUniform()(shape)


def _biased(maps: Tensor, bias: Tensor) -> Tensor:
    """maps + bias, of the maps' type. A bias's gradient sums over all pixels, too many for float16."""
    if keras.backend.standardize_dtype(maps.dtype) == "float16":
        return ops.cast(as_float32(maps) + bias, "float16")
    return maps + ops.cast(bias, maps.dtype)


class Conv2D:
    """Cross-correlation with symmetric zero padding, then a bias, if it has one. Stride 1 only with odd kernels.

    padding: pixels on every side; kernel // 2 if not given. With stride 2 this is not "same" of TensorFlow, which pads
    one less before and shifts the result by a pixel.
    """

    def __init__(
        self,
        kernel: int,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        padding: int | None = None,
        has_bias: bool = True,
    ) -> None:
        self._stride = stride
        self._padding = kernel // 2 if padding is None else padding
        self._is_same = stride == 1 and padding is None
        self._has_bias = has_bias
        self._precision: Precision = "float32"
        self._multiplies = self._emulates = False
        self.weight = make_weight(glorot_uniform, (kernel, kernel, inputs, outputs))
        if has_bias:
            self.bias = make_weight(ops.zeros, (outputs,))

    def compute_in(self, precision: Precision, *, matmul_gradients: bool, emulates: bool) -> None:
        """Take and give maps of this type; the weights stay float32. See set_computing."""
        self._precision, self._emulates = precision, emulates
        is_float32 = precision == "float32" or emulates
        self._multiplies = matmul_gradients and is_float32 and self._is_same and self.weight.shape[0] > 1

    def __call__(self, x: Tensor) -> Tensor:
        return self.apply(x, self.weight, self.bias if self._has_bias else None)

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What the layer makes of a map with another kernel and bias than its own, in its own precision."""
        x, weight = ops.cast(x, self._precision), ops.cast(weight, self._precision)
        if self._emulates:  # what a processor sums up exactly and rounds at the end, it does the same way
            x = ops.cast(self._convolved(as_float32(x), as_float32(weight)), self._precision)
        else:
            x = self._convolved(x, weight)
        return counted(x if bias is None else _biased(x, bias))

    def _convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        if self._multiplies:
            return convolve(x, weight)
        if self._is_same:
            return ops.conv(x, weight, padding="same")
        x = ops.pad(x, ((0, 0), self._pads(x.shape[1]), self._pads(x.shape[2]), (0, 0)))
        return ops.conv(x, weight, strides=self._stride, padding="valid")

    def _pads(self, size: int | None) -> tuple[int, int]:
        """Zeros before and after a map of `size` rows or columns (None: not known before it runs).

        An odd kernel of stride 2 never reads the last padded row of an even map: leaving it out saves nothing but is
        what engines like.
        """
        is_last_unread = self._stride == 2 and size is not None and size % 2 == 0 and self.weight.shape[0] % 2 == 1
        return self._padding, self._padding - 1 if is_last_unread else self._padding


def convolved_together(layers: Sequence[Conv2D], x: Tensor) -> Tensor:
    """What convolutions of stride 1, all with a bias, make of one map, one behind the other in channels.

    As one convolution with the largest of their kernels: libraries take as long for three outputs as for sixteen.
    """
    largest = max(layer.weight.shape[0] for layer in layers)

    def padded(layer: Conv2D) -> Tensor:
        around = (largest - layer.weight.shape[0]) // 2
        return ops.pad(layer.weight, ((around, around), (around, around), (0, 0), (0, 0))) if around else layer.weight

    weight = ops.concatenate([padded(layer) for layer in layers], axis=-1)
    return layers[-1].apply(x, weight, ops.concatenate([layer.bias for layer in layers], axis=0))


class Conv2DTranspose:
    """3x3 transposed convolution on square maps, then a bias: (N, H, W, in) -> (N, H*stride, W*stride, out).

    The kernel is (3, 3, out, in). What is scattered beyond the result is cut at the end first, as TensorFlow's "same".
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 2) -> None:
        self._stride = stride
        self._precision: Precision = "float32"
        self.weight = make_weight(glorot_uniform, (3, 3, outputs, inputs))
        self.bias = make_weight(ops.zeros, (outputs,))

    def compute_in(self, precision: Precision, **_: bool) -> None:
        """As Conv2D's."""
        self._precision = precision

    def __call__(self, x: Tensor) -> Tensor:
        side = x.shape[1] * self._stride
        cut = (3 - self._stride) // 2
        x, weight = ops.cast(x, self._precision), ops.cast(self.weight, self._precision)
        full = ops.conv_transpose(x, weight, strides=self._stride, padding="valid")
        return counted(_biased(full[:, cut : cut + side, cut : cut + side], self.bias))


BLUR_TAPS = {2: (1, 1), 3: (1, 2, 1), 4: (1, 3, 3, 1)}


class BlurPool:
    """Half the size: every second value of the map under a fixed binomial filter of `size` 2, 3 or 4 taps.

    Zeros outside, (size - 1) // 2 before and the rest of size - 1 after (Zhang 2019, with zero padding).
    """

    def __init__(self, size: int) -> None:
        kernel = np.outer(BLUR_TAPS[size], BLUR_TAPS[size])
        self._kernel = (kernel / kernel.sum()).astype(np.float32)[:, :, None, None]
        self._padding = ((size - 1) // 2, size - 1 - (size - 1) // 2)

    def __call__(self, x: Tensor) -> Tensor:
        x = ops.pad(x, ((0, 0), self._padding, self._padding, (0, 0)))
        kernel = ops.cast(ops.convert_to_tensor(np.tile(self._kernel, (1, 1, x.shape[-1], 1))), x.dtype)
        return ops.depthwise_conv(x, kernel, strides=2, padding="valid", data_format="channels_last")


class FilterResponseNorm:
    """x / sqrt(mean of x^2 over the map + |eps|) * weight + bias, per sample and channel (Singh, Krishnan 2020).

    `eps` is trained too, and may become negative.
    """

    def __init__(self, channels: int) -> None:
        self.weight = make_weight(ops.ones, (channels,))
        self.bias = make_weight(ops.zeros, (channels,))
        self.eps = make_weight(lambda shape: ops.full(shape, 1e-6), (1,))

    def __call__(self, x: Tensor) -> Tensor:
        power = ops.mean(ops.square(as_float32(x)), axis=(1, 2), keepdims=True)
        scale = ops.rsqrt(power + ops.abs(self.eps)) * self.weight
        return counted(x * ops.cast(scale, x.dtype) + ops.cast(self.bias, x.dtype), is_norm=True)


class ThresholdedLinear:
    """max(x, tau) with a trained threshold for each channel: the activation after FilterResponseNorm."""

    def __init__(self, channels: int) -> None:
        self.tau = make_weight(ops.zeros, (channels,))

    def __call__(self, x: Tensor) -> Tensor:
        return ops.maximum(x, ops.cast(self.tau, x.dtype))


class Dense:
    """y = x W + b on vectors (N, in); no b without a bias."""

    def __init__(self, inputs: int, outputs: int, *, has_bias: bool = True) -> None:
        self._has_bias = has_bias
        self.weight = make_weight(glorot_uniform, (inputs, outputs))
        if has_bias:
            self.bias = make_weight(ops.zeros, (outputs,))

    def __call__(self, x: Tensor) -> Tensor:
        x = ops.matmul(as_float32(x), self.weight)
        return counted(x + self.bias if self._has_bias else x)


class Block:
    """A few layers on a map, whose activations can be recomputed in the backward pass (gradient checkpointing)."""

    _keeps_input_only = False

    def keep_input_only(self, is_on: bool) -> None:
        """Store the input only, and recompute the activations in the backward pass."""
        self._keeps_input_only = is_on

    def __call__(self, x: Tensor) -> Tensor:
        return keras.remat(self._compute)(x) if self._keeps_input_only else counted_block(self._compute, x)

    def _compute(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class Downscale(Block):
    """5x5 convolution of stride 2: half the size."""

    def __init__(self, inputs: int, outputs: int, activation: Activation) -> None:
        self._activation = activation
        self.conv1 = Conv2D(5, inputs, outputs, stride=2)

    def _compute(self, x: Tensor) -> Tensor:
        return self._activation(self.conv1(x), 0.1)


class Upscale(Block):
    """3x3 convolution to four times the channels, then depth-to-space: twice the size."""

    def __init__(self, inputs: int, outputs: int, activation: Activation) -> None:
        self._activation = activation
        self.conv1 = Conv2D(3, inputs, 4 * outputs)

    def _compute(self, x: Tensor) -> Tensor:
        return depth_to_space(self._activation(self.conv1(x), 0.1))


class ResidualBlock(Block):
    """Two 3x3 convolutions around which the input is added."""

    def __init__(self, channels: int, activation: Activation) -> None:
        self._activation = activation
        self.conv1 = Conv2D(3, channels, channels)
        self.conv2 = Conv2D(3, channels, channels)

    def _compute(self, x: Tensor) -> Tensor:
        inner = self.conv2(self._activation(self.conv1(x), 0.2))
        return self._activation(x + inner, 0.2)


def set_computing(
    network: object,
    precision: Precision,
    *,
    recompute: bool = False,
    matmul_gradients: bool = False,
    emulates: bool = False,
) -> None:
    """Let a network or layer compute in `precision` from now on, all that it is made of included.

    recompute: see Block.keep_input_only. matmul_gradients: take the gradients of convolutions as products
    of matrices (nets.convolution). emulates: the device lacks this number format, for which libraries may take 17
    times as long: accumulate in float32 and round the results.
    """
    for layer in _layers(network):
        if isinstance(layer, Conv2D | Conv2DTranspose):
            layer.compute_in(precision, matmul_gradients=matmul_gradients, emulates=emulates)
        elif isinstance(layer, Block):
            layer.keep_input_only(recompute)


def _layers(network: object) -> Iterator[object]:
    """A network and all layers that it is made of."""
    yield network
    for name, value in vars(network).items():
        if not name.startswith("_"):
            for part in value if isinstance(value, list) else [value]:
                if not isinstance(part, keras.Variable | keras.KerasTensor):
                    yield from _layers(part)


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
            if isinstance(part, keras.Variable | keras.KerasTensor):
                weights[part_name] = part
            else:
                weights |= {f"{part_name}/{inner}": weight for inner, weight in named_weights(part).items()}
    return weights
