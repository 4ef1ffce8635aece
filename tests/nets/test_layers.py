"""Orders of values and single layers against numbers recorded from the original."""

from pathlib import Path

import numpy as np
import pytest

from dfl.models.engine import start_engine

start_engine("tensorflow")

from dfl.nets import layout  # noqa: E402
from dfl.nets.layers import Conv2D, Dense, pixel_norm  # noqa: E402

UNITS = np.load(Path(__file__).parents[1] / "data" / "units.npz")
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
