"""AMP: names, shapes and orders of weights as the original's files have them, and the mixing of codes."""

import numpy as np
import pytest

from dfl.models.engine import start_engine

start_engine("tensorflow")

from keras import ops  # noqa: E402

from dfl.nets.amp import Amp, first_channels, mix, random_channels  # noqa: E402
from dfl.nets.layers import named_weights  # noqa: E402

WORKED = {
    "encoder": "down1/conv1 5,5,3,16;res1/conv1 3,3,16,16;res1/conv2 3,3,16,16;down2/conv1 5,5,16,32;"
    "down3/conv1 5,5,32,64;down4/conv1 5,5,64,128;down5/conv1 5,5,128,128;res5/conv1 3,3,128,128;"
    "res5/conv2 3,3,128,128;dense1 512,32",
    "inter_src": "dense2 32,256",
    "inter_dst": "dense2 32,256",
    "decoder": "upscale0/conv1 3,3,64,512;upscale1/conv1 3,3,128,512;upscale2/conv1 3,3,128,256;"
    "upscale3/conv1 3,3,64,128;res0/conv1 3,3,128,128;res0/conv2 3,3,128,128;res1/conv1 3,3,128,128;"
    "res1/conv2 3,3,128,128;res2/conv1 3,3,64,64;res2/conv2 3,3,64,64;res3/conv1 3,3,32,32;res3/conv2 3,3,32,32;"
    "upscalem0/conv1 3,3,64,512;upscalem1/conv1 3,3,128,512;upscalem2/conv1 3,3,128,256;upscalem3/conv1 3,3,64,128;"
    "upscalem4/conv1 3,3,32,64;out_convm 1,1,16,1;out_conv 1,1,32,3;out_conv1 3,3,32,3;out_conv2 3,3,32,3;"
    "out_conv3 3,3,32,3",
}


@pytest.fixture(scope="module")
def tiny():
    return Amp(64, ae=8, inter=10, e=4, d=4, d_mask=2)


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(1).random((2, 64, 64, 3), np.float32)


def numpy_weights(network):
    return {name: np.array(ops.convert_to_numpy(weight)) for name, weight in network.weights().items()}


def test_weights_at_64_pixels():
    network = Amp(64, ae=32, inter=64, e=16, d=16, d_mask=16)
    assert list(network.parts) == list(WORKED)
    for part, entries in WORKED.items():
        lines = []
        for entry in entries.split(";"):
            name, shape = entry.split()
            lines += [f"{name}/weight {shape}", f"{name}/bias {shape.split(',')[-1]}"]
        got = named_weights(network.parts[part])
        assert [f"{name} {','.join(map(str, weight.shape))}" for name, weight in got.items()] == lines


def test_both_inters_stay_as_they_started_unless_they_shall_be_trained(tiny):
    frozen = set(tiny.weights()) - set(tiny.trained_weights())
    assert frozen == {f"inter_{who}/dense2/{kind}" for who in ("src", "dst") for kind in ("weight", "bias")}
    trained = Amp(64, ae=8, inter=10, e=4, d=4, d_mask=2, has_trained_inters=True)
    assert list(trained.trained_weights()) == list(trained.weights())


@pytest.mark.slow
@pytest.mark.parametrize(("morph", "ones"), [(0.0, 0), (0.45, 4), (1.0, 10)])
def test_swap_equals_a_second_implementation(tiny, faces, morph, ones):
    torch_networks = pytest.importorskip("tests.reference.torch_networks", reason="torch is not installed")
    face, mask, *_ = tiny.swap(faces[:1], np.array([morph], np.float32))
    wanted = torch_networks.amp_swap(numpy_weights(tiny), faces[:1], ones)
    assert np.abs(np.array(face) - wanted[0]).max() < 1e-5
    assert np.abs(np.array(mask) - wanted[1]).max() < 1e-5


def test_morph_zero_is_dst_itself(tiny, faces):
    face, mask, dst_face, dst_mask = tiny.swap(faces, np.float32(0))
    assert np.array_equal(face, dst_face)
    assert np.array_equal(mask, dst_mask)


def test_merging_predicts_the_same_as_the_preview(tiny, faces):
    whole, short = tiny.swap(faces, np.float32(0.6)), tiny.swap_for_merging(faces, np.float32(0.6))
    for one, other in zip((whole[0], whole[1], whole[3]), short, strict=True):
        assert np.abs(np.array(one) - np.array(other)).max() < 1e-6


def test_training_mixes_src_only(tiny, faces):
    src, dst = faces, faces[::-1].copy()
    nothing, all_src = np.zeros((2, 10), np.float32), np.ones((2, 10), np.float32)
    as_dst = tiny.reconstruct(src, dst, nothing)
    assert np.allclose(as_dst[0], tiny.swap(src, np.float32(0))[0], atol=1e-6)
    as_src = tiny.reconstruct(src, dst, all_src)
    assert np.allclose(as_src[0], tiny.swap(src, np.float32(1))[0], atol=1e-6)
    assert np.allclose(as_dst[2], as_src[2], atol=1e-6)
    assert np.allclose(as_dst[2], tiny.swap(dst, np.float32(0))[2], atol=1e-6)


def test_mixing_takes_whole_channels():
    src, dst = np.ones((2, 3, 3, 4), np.float32), np.zeros((2, 3, 3, 4), np.float32)
    chosen = np.array([[1, 0, 0, 1], [0, 1, 0, 0]], np.float32)
    assert np.array_equal(mix(src, dst, chosen), np.broadcast_to(chosen[:, None, None], (2, 3, 3, 4)))


@pytest.mark.parametrize(("channels", "morph", "ones"), [(1024, 0.5, 512), (10, 0.99, 9), (64, 1.0, 64), (7, 0.1, 0)])
def test_morph_counts_whole_channels(channels, morph, ones):
    chosen = np.array(first_channels(channels, np.array([morph], np.float32)))
    assert chosen.shape == (1, channels)
    assert np.array_equal(chosen[0], np.arange(channels) < ones)


def test_random_channels_are_exactly_the_share_and_differ_between_samples():
    chosen = random_channels(8, 101, 0.5, np.random.default_rng(3))
    assert (chosen.sum(axis=1) == 50).all()
    assert len(np.unique(chosen, axis=0)) == 8
    assert abs(chosen.mean(axis=0) - 0.5).max() <= 0.5
    assert np.array_equal(chosen, random_channels(8, 101, 0.5, np.random.default_rng(3)))
