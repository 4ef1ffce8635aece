"""The convolution for processors: values and gradients as the engine's own."""

import numpy as np
import pytest

from dfl.models.engine import start_engine

start_engine("tensorflow")

import tensorflow as tf  # noqa: E402
from keras import ops  # noqa: E402

from dfl.nets.convolution import convolve  # noqa: E402
from dfl.nets.layers import Conv2D, set_computing  # noqa: E402


@pytest.mark.parametrize(
    ("kernel", "height", "width", "inputs", "outputs"),
    [
        (3, 8, 8, 5, 7),
        (3, 6, 9, 4, 3),  # not square
        (5, 8, 8, 3, 2),
        (3, 1, 1, 6, 4),  # all but the middle of the kernel sees zeros
    ],
)
def test_gradients_are_those_of_the_engine(kernel: int, height: int, width: int, inputs: int, outputs: int) -> None:
    random = np.random.default_rng(0)
    x = tf.constant(random.standard_normal((2, height, width, inputs)), tf.float32)
    weight = tf.constant(random.standard_normal((kernel, kernel, inputs, outputs)), tf.float32)
    wanted = tf.constant(random.standard_normal((2, height, width, outputs)), tf.float32)
    found = []
    for function in (convolve, lambda x, weight: ops.conv(x, weight, padding="same")):
        with tf.GradientTape() as tape:
            tape.watch([x, weight])
            result = function(x, weight)
            loss = tf.reduce_sum(tf.square(result - wanted))
        found.append((result, *tape.gradient(loss, [x, weight])))
    for own, engine in zip(*found, strict=True):
        np.testing.assert_allclose(own, engine, rtol=1e-4, atol=1e-3)


def test_only_plain_convolutions_of_float32_take_it() -> None:
    def multiplies(layer: Conv2D, precision: str = "float32", wanted: bool = True) -> bool:
        set_computing(layer, precision, matmul_gradients=wanted)  # type: ignore[arg-type]
        return layer._multiplies

    assert multiplies(Conv2D(3, 4, 4))
    assert not multiplies(Conv2D(3, 4, 4), wanted=False)
    assert not multiplies(Conv2D(3, 4, 4), "bfloat16")
    assert not multiplies(Conv2D(5, 4, 4, stride=2))
    assert not multiplies(Conv2D(1, 4, 4))
