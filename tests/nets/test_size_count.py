"""Sizes are counted from shapes: of what is built, and of what is called, without an array."""

import pytest

from dfl.models.engine import start_engine

start_engine("tensorflow")

import keras  # noqa: E402

from dfl.nets.layers import (  # noqa: E402
    Conv2D,
    Conv2DTranspose,
    Dense,
    FilterResponseNorm,
    ResidualBlock,
    leaky_relu,
    named_weights,
)
from dfl.nets.size_count import counting  # noqa: E402


@pytest.mark.parametrize(
    ("make", "shape", "weights", "outputs"),
    [
        (lambda: Conv2D(5, 3, 8, stride=2), (2, 16, 16, 3), 5 * 5 * 3 * 8 + 8, 2 * 8 * 8 * 8),
        (lambda: Conv2DTranspose(4, 6), (1, 8, 8, 4), 3 * 3 * 4 * 6 + 6, 16 * 16 * 6),
        (lambda: Dense(10, 7), (3, 10), 77, 21),
        (lambda: Dense(10, 7, has_bias=False), (3, 10), 70, 21),
    ],
    ids=["convolution", "transposed", "dense", "no bias"],
)
def test_layers(make, shape, weights, outputs):
    with counting() as count:
        layer = make()
        layer(keras.KerasTensor(shape))
    assert (count.weights, count.outputs, count.block_outputs, count.norm_outputs) == (weights, outputs, 0, 0)
    assert {name: tuple(weight.shape) for name, weight in named_weights(layer).items()} == {
        name: tuple(weight.shape) for name, weight in named_weights(make()).items()
    }


def test_outputs_inside_blocks_and_of_norms_are_told_apart():
    with counting() as count:
        block, norm = ResidualBlock(4, leaky_relu), FilterResponseNorm(4)
        norm(Conv2D(3, 4, 4)(block(keras.KerasTensor((1, 8, 8, 4)))))
    assert (count.outputs, count.block_outputs, count.norm_outputs) == (3 * 256, 2 * 256, 256)


def test_outside_nothing_is_symbolic():
    with counting() as count:
        pass
    layer = Conv2D(3, 2, 2)
    assert isinstance(layer.weight, keras.Variable)
    assert count.weights == 0
