"""Three recorded steps of each optimizer, and the share that learning rate dropout keeps."""

import numpy as np
import pytest

from dfl.models.engine import start_engine
from tests.recorded import RECORDS

start_engine("tensorflow")

import keras  # noqa: E402

from dfl.training.optimizers import Optimizer  # noqa: E402

UNITS = np.load(RECORDS / "units.npz")
MORE_UNITS = np.load(RECORDS / "units_networks.npz")


@pytest.mark.parametrize(
    ("record", "settings"),
    [
        ("adabelief", {"is_adabelief": True}),
        ("adabelief_clip", {"is_adabelief": True, "clip_norm": 1.0}),
        ("rmsprop", {"is_adabelief": False}),
        ("adabelief_cos", {"is_adabelief": True, "cosine_period": 500}),
        ("adabelief_cos20", {"is_adabelief": True, "cosine_period": 20}),
        ("rmsprop_clip_cos", {"is_adabelief": False, "clip_norm": 1.0, "cosine_period": 500}),
    ],
)
def test_three_recorded_steps(record, settings, agrees):
    records = MORE_UNITS if "cosine_period" in settings else UNITS
    weights = {name: keras.Variable(records[f"{record}|{name}_0"]) for name in ("w1", "w2")}
    optimizer = Optimizer(weights, learning_rate=5e-5, **settings)
    for step in (1, 2, 3):
        optimizer.apply([records[f"{record}|g{index}_{step}"] for index in (1, 2)])
        for name, weight in weights.items():
            wanted = records[f"{record}|{name}_{step}"]
            agrees(f"units {record}", weight, wanted, 1e-5 * np.abs(wanted).max())
    assert int(optimizer.steps.value) == int(records[f"{record}|state|iters:0"])


def test_rate_dropout_moves_the_share_it_should():
    weights = {"w": keras.Variable(np.zeros((200, 100), np.float32))}
    optimizer = Optimizer(weights, is_adabelief=False, learning_rate=1.0, keep_prob=0.3, seed=3)
    optimizer.apply([np.ones((200, 100), np.float32)])
    first = keras.ops.convert_to_numpy(weights["w"]) != 0
    assert abs(first.mean() - 0.3) < 0.015, "the original moved 0.3004, 0.3019 and 0.3033"
    before = keras.ops.convert_to_numpy(weights["w"])
    optimizer.apply([np.ones((200, 100), np.float32)])
    assert (first != (keras.ops.convert_to_numpy(weights["w"]) != before)).any(), "the same numbers were kept twice"


def test_the_rate_swings_back_after_its_period():
    moved = []
    weights = {"w": keras.Variable(np.zeros(1, np.float32))}
    optimizer = Optimizer(weights, is_adabelief=False, learning_rate=1.0, cosine_period=8)
    for _ in range(16):
        before = float(weights["w"].value[0])
        optimizer.slots["a/w"].assign([1.0])
        optimizer.apply([np.ones(1, np.float32)])
        moved.append(before - float(weights["w"].value[0]))
    assert np.allclose(moved[:8], moved[8:], atol=1e-5)
    assert abs(moved[3]) < 1e-6, "half a period on nothing moves"
    assert np.argmax(moved) in (7, 15), "a whole period on everything moves"


def test_rate_dropout_keeps_the_state_of_all_numbers():
    weights = {"w": keras.Variable(np.zeros((50, 50), np.float32))}
    optimizer = Optimizer(weights, is_adabelief=True, learning_rate=1.0, keep_prob=0.3, seed=3)
    optimizer.apply([np.ones((50, 50), np.float32)])
    assert np.allclose(optimizer.slots["m/w"], 0.1)
    assert (keras.ops.convert_to_numpy(weights["w"]) == 0).any()
