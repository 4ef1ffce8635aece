"""Orders of values and single layers against numbers recorded from the original."""

import numpy as np
import pytest

from dfl.models.engine import start_engine
from tests.recorded import RECORDS

start_engine("tensorflow")

import keras  # noqa: E402

from dfl.nets import layout  # noqa: E402
from dfl.nets.layers import (  # noqa: E402
    BlurPool,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Downscale,
    FilterResponseNorm,
    ResidualBlock,
    ThresholdedLinear,
    Upscale,
    leaky_relu,
    named_weights,
    pixel_norm,
    set_computing,
)

UNITS = np.load(RECORDS / "units.npz")
MORE_UNITS = np.load(RECORDS / "units_networks.npz")
X = UNITS["x"]


def test_flatten_goes_channel_by_channel_and_back(agrees):
    flat = layout.flatten(X)
    agrees("units flatten", flat, UNITS["flatten"], 0)
    agrees("units reshape_4D", layout.unflatten(flat, X.shape[3], X.shape[1]), UNITS["reshape_4D"], 0)


def test_depth_to_space_takes_the_block_first(agrees):
    agrees("units depth_to_space2", layout.depth_to_space(X), UNITS["depth_to_space2"], 0)


def test_pixel_norm(agrees):
    agrees("units pixel_norm_last", pixel_norm(UNITS["flatten"]), UNITS["pixel_norm_last"], 1e-5)


@pytest.mark.parametrize(
    ("record", "layer"),
    [
        ("conv_k5_s2", lambda: Conv2D(5, 8, 6, stride=2)),
        ("conv_k3", lambda: Conv2D(3, 8, 6)),
        ("conv_k1", lambda: Conv2D(1, 8, 6)),
        ("dense", lambda: Dense(128, 10)),
    ],
)
def test_recorded_layer(record, layer, agrees):
    made = layer()
    made.weight.assign(UNITS[f"{record}|l|weight:0"])
    made.bias.assign(UNITS[f"{record}|l|bias:0"])
    wanted = UNITS[f"{record}|out"]
    x = layout.flatten(X) if record == "dense" else X
    agrees(f"units {record}", made(x), wanted, 1e-5 * np.abs(wanted).max())


def test_stride_two_on_odd_maps_reads_the_last_row():
    layer = Conv2D(5, 1, 1, stride=2)
    layer.weight.assign(np.ones((5, 5, 1, 1), np.float32))
    picture = np.zeros((1, 3, 3, 1), np.float32)
    picture[0, 2, 2, 0] = 1
    assert np.array(layer(picture)).shape == (1, 2, 2, 1)
    assert np.array(layer(picture))[0, 1, 1, 0] == 1


@pytest.mark.parametrize(
    ("record", "layer"),
    [
        ("convT_s2", lambda: Conv2DTranspose(8, 6)),
        ("frnorm", lambda: FilterResponseNorm(8)),
        ("tlu", lambda: ThresholdedLinear(8)),
        ("blurpool", lambda: BlurPool(4)),
    ],
)
def test_recorded_layer_of_xseg_and_discriminators(record, layer, agrees):
    made = layer()
    for name, weight in named_weights(made).items():
        weight.assign(MORE_UNITS[f"{record}|l|{name}:0"])
    wanted = MORE_UNITS[f"{record}|out"]
    agrees(f"units {record}", made(X), wanted, 1e-5 * np.abs(wanted).max())


def test_transposed_convolution_of_stride_one_keeps_the_place():
    layer = Conv2DTranspose(1, 1, stride=1)
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = 1
    layer.weight.assign(kernel)
    assert np.array_equal(layer(X[..., :1]), X[..., :1])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_blurpool_keeps_the_brightness_inside(size):
    halved = np.array(BlurPool(size)(np.ones((1, 8, 8, 2), np.float32)))
    assert halved.shape == (1, 4, 4, 2)
    assert np.allclose(halved[0, 1:-1, 1:-1], 1)


def test_a_kernel_of_four_pads_two_on_every_side():
    for side, result in ((8, 5), (4, 3), (5, 3)):
        assert tuple(Conv2D(4, 1, 1, stride=2)(np.ones((1, side, side, 1), np.float32)).shape) == (1, result, result, 1)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: Downscale(8, 6, leaky_relu),
        lambda: Upscale(8, 6, leaky_relu),
        lambda: ResidualBlock(8, leaky_relu),
        lambda: Conv2DTranspose(8, 6),
    ],
)
def test_shorter_numbers_give_nearly_the_same_maps_from_the_same_weights(make, precision):
    layer = make()
    wanted = np.array(keras.ops.convert_to_numpy(layer(X)))
    set_computing(layer, precision)
    got = layer(X)
    assert keras.backend.standardize_dtype(got.dtype) == precision
    assert {weight.dtype for weight in named_weights(layer).values()} == {"float32"}
    difference = np.abs(keras.ops.convert_to_numpy(keras.ops.cast(got, "float32")) - wanted).max()
    assert 0 < difference < 0.02 * np.abs(wanted).max()
    set_computing(layer, "float32")
    assert np.array_equal(keras.ops.convert_to_numpy(layer(X)), wanted), "nothing of it stays"


def test_norms_and_dense_layers_compute_in_float32_whatever_comes():
    short = keras.ops.cast(X, "bfloat16")
    exact = keras.ops.cast(short, "float32")
    dense = Dense(128, 10)
    wanted = keras.ops.convert_to_numpy(dense(layout.flatten(exact)))
    assert np.array_equal(keras.ops.convert_to_numpy(dense(layout.flatten(short))), wanted)
    norm = FilterResponseNorm(8)
    wanted = keras.ops.convert_to_numpy(norm(exact))
    got = keras.ops.convert_to_numpy(keras.ops.cast(norm(short), "float32"))
    assert np.allclose(got, wanted, rtol=0.02, atol=0.01)
