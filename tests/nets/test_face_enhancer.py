"""The enhancer's network against plain numpy: names, shapes, and what a forward pass gives."""

import numpy as np
import pytest

from dfl.models.engine import start_engine
from tests.reference import plain_networks as plain

start_engine("tensorflow")

from dfl.models.compiled import compiled  # noqa: E402
from dfl.nets.face_enhancer import FaceEnhancerNetwork, twice  # noqa: E402
from dfl.nets.layers import named_weights  # noqa: E402


@pytest.fixture(scope="module")
def network():
    return FaceEnhancerNetwork()


def doubled(x):
    """out[2i] = in[i], out[2i+1] = mean of in[i] and in[min(i+1, n-1)], in both directions."""
    _, height, width, _ = x.shape
    rows = np.empty((x.shape[0], 2 * height, width, x.shape[3]))
    for i in range(height):
        rows[:, 2 * i] = x[:, i]
        rows[:, 2 * i + 1] = (x[:, i] + x[:, min(i + 1, height - 1)]) / 2
    out = np.empty((x.shape[0], 2 * height, 2 * width, x.shape[3]))
    for i in range(width):
        out[:, :, 2 * i] = rows[:, :, i]
        out[:, :, 2 * i + 1] = (rows[:, :, i] + rows[:, :, min(i + 1, width - 1)]) / 2
    return out


def expected(pictures, w):
    """The whole network, from its description."""

    def chain(x, *names):
        for name in names:
            x = plain.leaky(plain.conv(x, w, name))
        return x

    def detail(x, name):
        return np.tanh(plain.conv(chain(x, f"{name}_conv0"), w, f"{name}_conv1"))

    picture = pictures.astype(np.float64)
    x = plain.leaky(plain.conv(picture, w, "conv1") + 0.2 * w.of("dense1")[0] + w.of("dense2")[0])
    skips = []
    for level in range(5):
        x = chain(x, f"e{level}_conv0", f"e{level}_conv1")
        skips.append(x)
        x = plain.cells(x).mean(axis=-1)
    x = chain(x, *(f"center_conv{i}" for i in range(4)))
    for level in (4, 3, 2, 1, 0):
        x = np.concatenate([doubled(x), skips[level]], axis=-1)
        x = chain(x, f"d{level}_conv0", f"d{level}_conv1")
    out = picture + detail(x, "out1x")
    for size in ("2x", "4x"):
        x = doubled(chain(x, f"dec{size}_conv0", f"dec{size}_conv1"))
        out = doubled(out) + detail(x, f"out{size}")
    return out


def test_weights_are_the_originals(network):
    shapes = plain.shapes_of(named_weights(network))
    assert len(shapes) == 72
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 33_111_401
    assert list(shapes)[:4] == ["conv1/weight", "conv1/bias", "dense1/weight", "dense2/weight"]
    assert list(shapes)[-2:] == ["out4x_conv1/weight", "out4x_conv1/bias"]
    assert shapes["dense1/weight"] == (1, 64)
    assert shapes["d3_conv0/weight"] == (3, 3, 848, 512)


@pytest.mark.slow
def test_a_forward_pass_is_the_described_one(network):
    weights = plain.Weights(plain.shapes_of(named_weights(network)), seed=11)
    weights.put_into(named_weights(network))
    pictures = np.random.default_rng(5).uniform(-1, 1, (2, 64, 32, 3)).astype(np.float32)
    (enlarged,) = compiled(lambda x: (network(x),))(pictures)
    assert enlarged.shape == (2, 256, 128, 3)
    assert plain.close(enlarged, expected(pictures, weights), 1e-4)


def test_doubling_is_tensorflow_ones_and_nobody_elses():
    row = np.array([0, 1, 2, 3], np.float32).reshape(1, 1, 4, 1)
    assert np.asarray(twice(row))[0, 0, :, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]
    column = row.transpose(0, 2, 1, 3)
    assert np.asarray(twice(column))[0, :, 1, 0].tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]
