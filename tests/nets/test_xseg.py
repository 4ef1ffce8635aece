"""XSeg: names and shapes of weights as the original's file has them, and its masks."""

import numpy as np
import pytest

from dfl.models.engine import start_engine

start_engine("tensorflow")

from keras import ops  # noqa: E402

from dfl.nets.layers import named_weights  # noqa: E402
from dfl.nets.xseg import XSeg  # noqa: E402


@pytest.fixture(scope="module")
def tiny():
    """Base 2 at 128 pixels, with weights that leave nothing at its neutral start value."""
    network, random = XSeg(2, 128), np.random.default_rng(4)
    for name, weight in named_weights(network).items():
        if name.split("/")[-1] in ("bias", "tau", "eps"):
            weight.assign(random.normal(0, 0.1, weight.shape).astype(np.float32))
    return network


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(1).random((2, 128, 128, 3), np.float32)


def test_weights_are_those_of_the_originals_file():
    weights = named_weights(XSeg())
    assert len(weights) == 222
    assert sum(int(np.prod(weight.shape)) for weight in weights.values()) == 17_569_317
    names = list(weights)
    assert names[:6] == [
        "conv01/conv/weight", "conv01/conv/bias", "conv01/frn/weight", "conv01/frn/bias", "conv01/frn/eps",
        "conv01/tlu/tau",
    ]  # fmt: skip
    layers = list(dict.fromkeys(name.split("/")[0] for name in names))
    assert " ".join(layers) == (
        "conv01 conv02 conv11 conv12 conv21 conv22 conv31 conv32 conv33 conv41 conv42 conv43 conv51 conv52 conv53 "
        "dense1 dense2 up5 uconv53 uconv52 uconv51 up4 uconv43 uconv42 uconv41 up3 uconv33 uconv32 uconv31 "
        "up2 uconv22 uconv21 up1 uconv12 uconv11 up0 uconv02 uconv01 out_conv"
    )
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    assert shapes["dense1/weight"] == (4096, 512)
    assert shapes["up5/conv/weight"] == (3, 3, 128, 256)
    assert shapes["uconv53/conv/weight"] == (3, 3, 384, 256)
    assert shapes["uconv22/conv/weight"] == (3, 3, 256, 128)
    assert shapes["out_conv/weight"] == (3, 3, 32, 1)


@pytest.mark.slow
def test_logits_equal_a_second_implementation(tiny, faces):
    torch_networks = pytest.importorskip("tests.reference.torch_networks", reason="torch is not installed")
    arrays = {name: np.array(ops.convert_to_numpy(weight)) for name, weight in named_weights(tiny).items()}
    wanted = torch_networks.xseg_logits(arrays, faces)
    logits, mask = (np.array(output) for output in tiny(faces))
    assert np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert np.abs(mask - 1 / (1 + np.exp(-wanted))).max() < 1e-4


def test_pretraining_must_pass_the_bottleneck(tiny, faces):
    """Without skips only the bottleneck speaks: silence it and every face gets the same answer."""
    before = ops.convert_to_numpy(tiny.dense1.weight).copy()
    tiny.dense1.weight.assign(np.zeros_like(before))
    try:
        pretrained, normal = np.array(tiny(faces, is_pretraining=True)[0]), np.array(tiny(faces)[0])
    finally:
        tiny.dense1.weight.assign(before)
    assert np.allclose(pretrained[0], pretrained[1], atol=1e-5)
    assert not np.allclose(normal[0], normal[1], atol=1e-3)
