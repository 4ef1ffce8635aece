"""Discriminators: answers and weights as recorded from the original."""

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.models.engine import start_engine
from tests.recorded import RECORDS

start_engine("tensorflow")

from dfl.nets.discriminators import CodeDiscriminator, UNetPatchDiscriminator  # noqa: E402
from dfl.nets.layers import named_weights  # noqa: E402

NETWORKS = np.load(RECORDS / "units_networks.npz")
FACES = np.load(RECORDS / "units.npz")["a"].astype(np.float32)


def shapes(network):
    return {name: tuple(weight.shape) for name, weight in named_weights(network).items()}


def numbers(network):
    return sum(int(np.prod(shape)) for shape in shapes(network).values())


def test_recorded_answers(agrees):
    network = UNetPatchDiscriminator(16, 64, base=8)
    for name, weight in named_weights(network).items():
        weight.assign(NETWORKS[f"unet16|{name}:0".replace("/", "|")].astype(np.float32))
    patches, pixels = network(FACES)
    agrees("units unet16 patches", patches, NETWORKS["unet16|out_center"], 1e-5)
    agrees("units unet16 pixels", pixels, NETWORKS["unet16|out_full"], 1e-5)


def test_worked_example_of_patch_size_8():
    network = UNetPatchDiscriminator(8, 64, base=16)
    kernels = {name.split("/")[0]: shape for name, shape in shapes(network).items() if name.endswith("weight")}
    assert list(kernels.items()) == [
        ("convs_0", (3, 3, 16, 32)), ("convs_1", (3, 3, 32, 64)), ("upconvs_0", (3, 3, 32, 64)),
        ("upconvs_1", (3, 3, 16, 64)), ("in_conv", (1, 1, 3, 16)), ("out_conv", (1, 1, 32, 1)),
        ("center_out", (1, 1, 64, 1)), ("center_conv", (1, 1, 64, 64)),
    ]  # fmt: skip
    assert numbers(network) == 55_154


def test_recorded_weights_of_every_patch_size(shared):
    import json

    recorded = json.loads((shared / "original" / "units" / "units.json").read_text())
    for patch_size, wanted in recorded["unet_patch"].items():
        got = shapes(UNetPatchDiscriminator(int(patch_size), 64, base=8))
        assert list(got.items()) == [(name.removesuffix(":0"), tuple(shape)) for name, shape in wanted.items()]
    wanted = recorded["code_discriminator_16_res4"]
    got = shapes(CodeDiscriminator(16, 4))
    assert list(got.items()) == [(name.removesuffix(":0"), tuple(shape)) for name, shape in wanted.items()]


def test_width_ends_at_512_channels():
    network = UNetPatchDiscriminator(32, 64, base=256)
    assert shapes(network)["convs_3/weight"] == (3, 3, 512, 512)
    assert shapes(network)["upconvs_0/weight"] == (3, 3, 512, 512)
    assert shapes(network)["upconvs_1/weight"] == (3, 3, 512, 1024)


def test_every_patch_size_answers_for_every_pixel():
    for patch_size in (8, 20, 24, 64):
        patches, pixels = UNetPatchDiscriminator(patch_size, 64, base=4)(FACES)
        assert tuple(pixels.shape) == (2, 64, 64, 1)
        assert patches.shape[-1] == 1


def test_a_patch_size_too_large_for_the_resolution_is_refused():
    with pytest.raises(UserError, match="multiple of 32"):
        UNetPatchDiscriminator(64, 80)


@pytest.mark.parametrize(("side", "layers", "result"), [(4, 1, 3), (8, 2, 3), (16, 3, 3), (5, 1, 3)])
def test_code_discriminator_takes_every_code(side, layers, result):
    network = CodeDiscriminator(6, side)
    assert len(network.convs) == layers
    assert tuple(network(np.ones((2, side, side, 6), np.float32)).shape) == (2, result, result, 1)


def test_code_discriminators_worked_example():
    assert shapes(CodeDiscriminator(32, 4)) == {
        "convs_0/weight": (4, 4, 32, 256), "convs_0/bias": (256,),
        "out_conv/weight": (1, 1, 256, 1), "out_conv/bias": (1,),
    }  # fmt: skip
