"""The face detector against plain numpy: names, shapes, and what a forward pass gives."""

import numpy as np
import pytest

from dfl.models.engine import start_engine
from tests.reference import plain_networks as plain

start_engine("tensorflow")

from dfl.models.compiled import compiled  # noqa: E402
from dfl.nets.layers import named_weights  # noqa: E402
from dfl.nets.s3fd import L2Norm, S3fd  # noqa: E402


@pytest.fixture(scope="module")
def network():
    return S3fd()


@pytest.fixture(scope="module")
def weights(network):
    made = plain.Weights(plain.shapes_of(named_weights(network)), seed=3)
    made.arrays["conv1_1/weight"] *= 0.01  # or every score would be 0 or 1
    made.put_into(named_weights(network))
    return made


def expected(pictures, w):
    """The whole network, from its description."""

    def chain(x, *names, **how):
        for name in names:
            x = plain.relu(plain.conv(x, w, name, **how))
        return x

    def pool(x):
        return plain.cells(x).max(axis=-1)

    def norm(x, name):
        return x / (np.sqrt((x * x).sum(axis=-1, keepdims=True)) + 1e-10) * w.of(name)

    x = pictures.astype(np.float64) - np.array([104, 117, 123])
    x = pool(chain(x, "conv1_1", "conv1_2"))
    x = pool(chain(x, "conv2_1", "conv2_2"))
    f3 = chain(x, "conv3_1", "conv3_2", "conv3_3")
    f4 = chain(pool(f3), "conv4_1", "conv4_2", "conv4_3")
    f5 = chain(pool(f4), "conv5_1", "conv5_2", "conv5_3")
    f7 = chain(chain(pool(f5), "fc6", padding=3), "fc7")
    f8 = chain(chain(f7, "conv6_1"), "conv6_2", stride=2)
    f9 = chain(chain(f8, "conv7_1"), "conv7_2", stride=2)
    taps = {
        "conv3_3_norm": norm(f3, "conv3_3_norm"),
        "conv4_3_norm": norm(f4, "conv4_3_norm"),
        "conv5_3_norm": norm(f5, "conv5_3_norm"),
        "fc7": f7,
        "conv6_2": f8,
        "conv7_2": f9,
    }
    maps = []
    for name, tap in taps.items():
        scores = plain.conv(tap, w, f"{name}_mbox_conf")
        if scores.shape[-1] == 4:
            scores = np.stack([scores[..., :3].max(axis=-1), scores[..., 3]], axis=-1)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        maps += [powers / powers.sum(axis=-1, keepdims=True), plain.conv(tap, w, f"{name}_mbox_loc")]
    return maps


def test_weights_are_the_originals(network):
    shapes = plain.shapes_of(named_weights(network))
    assert len(shapes) == 65
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 22_459_110
    assert shapes["fc6/weight"] == (3, 3, 512, 1024)
    assert shapes["conv3_3_norm/weight"] == (1, 1, 1, 256)
    assert shapes["conv3_3_norm_mbox_conf/bias"] == (4,)
    assert shapes["conv7_2_mbox_loc/weight"] == (3, 3, 256, 4)


# One even and one odd size for the layers of stride 2; no side is a multiple of 32.
@pytest.mark.parametrize("size", [(70, 50), (40, 101)])
def test_a_forward_pass_is_the_described_one(network, weights, size):
    pictures = np.random.default_rng(1).integers(0, 256, (2, *size, 3)).astype(np.float32)
    maps = compiled(network)(pictures)
    assert len(maps) == 12
    for number, (got, wanted) in enumerate(zip(maps, expected(pictures, weights), strict=True)):
        assert plain.close(got, wanted), number


def test_one_compiled_network_takes_pictures_of_every_size(network, weights):
    run = compiled(network)
    for height, width in ((32, 32), (48, 33), (33, 48), (64, 40)):
        maps = run(np.full((1, height, width, 3), 100, np.float32))
        assert maps[0].shape == (1, height // 4, width // 4, 2)
        assert np.allclose(maps[0].sum(axis=-1), 1, atol=1e-6)


def test_l2_norm_gives_every_pixel_length_one_times_its_weights():
    layer = L2Norm(3)
    layer.weight.assign(np.array([1, 2, 10], np.float32).reshape(1, 1, 1, 3))
    x = np.array([[3, 0, 4], [0, 0, 0]], np.float32).reshape(1, 1, 2, 3)
    assert np.allclose(np.asarray(layer(x))[0, 0], [[0.6, 0, 8], [0, 0, 0]])
