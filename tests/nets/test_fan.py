"""The landmark network against plain numpy: names, shapes, and what a forward pass gives."""

import numpy as np
import pytest

from dfl.models.engine import start_engine
from tests.reference import plain_networks as plain

start_engine("tensorflow")

from dfl.models.compiled import compiled  # noqa: E402
from dfl.nets.fan import BatchNorm, ConvBlock, Fan, Hourglass  # noqa: E402
from dfl.nets.layers import named_weights  # noqa: E402


@pytest.fixture(scope="module")
def network():
    return Fan()


def with_random_weights(layer, seed):
    weights = plain.Weights(plain.shapes_of(named_weights(layer)), seed)
    weights.put_into(named_weights(layer))
    return weights


def norm(x, w, name):
    mean, var = w.of(name, "running_mean"), w.of(name, "running_var")
    return (x - mean) / np.sqrt(var + 1e-5) * w.of(name) + w.of(name, "bias")


def block(x, w, path):
    first = plain.conv(plain.relu(norm(x, w, f"{path}bn1")), w, f"{path}conv1")
    second = plain.conv(plain.relu(norm(first, w, f"{path}bn2")), w, f"{path}conv2")
    third = plain.conv(plain.relu(norm(second, w, f"{path}bn3")), w, f"{path}conv3")
    if w.has(f"{path}down_conv1"):
        x = plain.conv(plain.relu(norm(x, w, f"{path}down_bn1")), w, f"{path}down_conv1")
    return np.concatenate([first, second, third], axis=-1) + x


def hourglass(x, w, path, depth):
    low = block(plain.cells(x).mean(axis=-1), w, f"{path}b2/")
    low = hourglass(low, w, f"{path}b2_plus/", depth - 1) if depth > 1 else block(low, w, f"{path}b2_plus/")
    low = block(low, w, f"{path}b3/")
    return block(x, w, f"{path}b1/") + low.repeat(2, axis=1).repeat(2, axis=2)


def expected(pictures, w):
    """The whole network, from its description."""
    x = plain.relu(norm(plain.conv(pictures.astype(np.float64), w, "conv1", stride=2), w, "bn1"))
    x = block(x, w, "conv2/")
    x = block(plain.cells(x).mean(axis=-1), w, "conv3/")
    x = block(x, w, "conv4/")
    for i in range(4):
        seen = block(hourglass(x, w, f"m_{i}/", 4), w, f"top_m_{i}/")
        seen = plain.relu(norm(plain.conv(seen, w, f"conv_last_{i}"), w, f"bn_end_{i}"))
        maps = plain.conv(seen, w, f"l_{i}")
        if i < 3:
            x = x + plain.conv(seen, w, f"bl_{i}") + plain.conv(maps, w, f"al_{i}")
    return maps


@pytest.mark.slow
def test_weights_are_the_originals(network):
    shapes = plain.shapes_of(named_weights(network))
    assert len(shapes) == 945
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 23_874_320
    assert shapes["m_0/b1/bn1/weight"] == (256,)
    assert shapes["m_0/b2_plus/b2_plus/b2_plus/b2_plus/conv1/weight"] == (3, 3, 256, 128)
    assert shapes["conv1/weight"] == (7, 7, 3, 64)
    assert shapes["conv2/down_conv1/weight"] == (1, 1, 64, 128)
    assert shapes["bn_end_0/running_mean"] == (256,)
    assert shapes["l_3/weight"] == (1, 1, 256, 68)
    assert {"al_2/bias", "bl_2/bias", "top_m_3/bn3/running_var"} < set(shapes)
    assert not {"al_3/bias", "conv2/conv1/bias", "conv3/down_conv1/weight"} & set(shapes)


@pytest.mark.slow
def test_a_forward_pass_is_the_described_one(network):
    weights = with_random_weights(network, 5)
    # 64 pixels leave a map of 1 x 1 in the middle of the hourglasses.
    pictures = np.random.default_rng(2).random((2, 64, 64, 3)).astype(np.float32)
    (maps,) = compiled(lambda x: (network(x),))(pictures)
    assert maps.shape == (2, 16, 16, 68)
    assert plain.close(maps, expected(pictures, weights), 1e-4)


@pytest.mark.parametrize(("inputs", "outputs"), [(8, 16), (16, 16)])
def test_conv_block(inputs, outputs):
    layer = ConvBlock(inputs, outputs)
    weights = with_random_weights(layer, 7)
    x = np.random.default_rng(3).normal(size=(2, 5, 7, inputs)).astype(np.float32)
    assert plain.close(layer(x), block(x, weights, ""))


def test_hourglass_on_a_tiny_map():
    layer = Hourglass(2)
    weights = with_random_weights(layer, 9)
    x = np.random.default_rng(4).normal(size=(1, 4, 8, 256)).astype(np.float32)
    assert plain.close(layer(x), hourglass(x, weights, "", 2))


def test_batch_norm_uses_the_stored_statistics():
    layer = BatchNorm(2)
    values = {"weight": [2, 1], "bias": [0.5, 0], "running_mean": [3, -1], "running_var": [4, 0]}
    for name, value in values.items():
        getattr(layer, name).assign(np.array(value, np.float32))
    got = np.asarray(layer(np.array([[[[7, -1]]]], np.float32)))
    assert np.allclose(got, [[[[4.5, 0]]]], atol=1e-5)
