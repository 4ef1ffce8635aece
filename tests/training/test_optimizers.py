"""Three recorded steps of each optimizer, and the share that learning rate dropout keeps."""

from pathlib import Path

import numpy as np
import pytest

from dfl.models.engine import start_engine

start_engine("tensorflow")

import keras  # noqa: E402

from dfl.training.optimizers import Optimizer  # noqa: E402

UNITS = np.load(Path(__file__).parents[1] / "data" / "units.npz")


@pytest.mark.parametrize(
    ("record", "settings"),
    [
        ("adabelief", {"is_adabelief": True}),
        ("adabelief_clip", {"is_adabelief": True, "clip": 1.0}),
        ("rmsprop", {"is_adabelief": False}),
    ],
)
def test_three_recorded_steps(record, settings, agrees):
    weights = {name: keras.Variable(UNITS[f"{record}|{name}_0"]) for name in ("w1", "w2")}
    optimizer = Optimizer(weights, rate=5e-5, **settings)
    for step in (1, 2, 3):
        optimizer.apply([UNITS[f"{record}|g{index}_{step}"] for index in (1, 2)])
        for name, weight in weights.items():
            wanted = UNITS[f"{record}|{name}_{step}"]
            agrees(f"units {record}", weight, wanted, 1e-5 * np.abs(wanted).max())
    assert int(optimizer.steps.value) == int(UNITS[f"{record}|state|iters:0"])


def test_rate_dropout_moves_the_share_it_should():
    weights = {"w": keras.Variable(np.zeros((200, 100), np.float32))}
    optimizer = Optimizer(weights, is_adabelief=False, rate=1.0, kept_share=0.3, seed=3)
    optimizer.apply([np.ones((200, 100), np.float32)])
    first = keras.ops.convert_to_numpy(weights["w"]) != 0
    assert abs(first.mean() - 0.3) < 0.015
    before = keras.ops.convert_to_numpy(weights["w"])
    optimizer.apply([np.ones((200, 100), np.float32)])
    assert (first != (keras.ops.convert_to_numpy(weights["w"]) != before)).any(), "the same numbers were kept twice"
