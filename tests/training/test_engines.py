"""Both engines train alike: the same losses on the same batches, step after step."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

STEPS = 20
PROGRAM = """
import json, sys
import numpy as np
from dfl.models.engine import start_engine
start_engine(sys.argv[1])
from dfl.models.options import SaehdOptions
from dfl.models.saehd import Saehd
from dfl.training.optimizers import Optimizer
from dfl.training.training_config import swap_config
from dfl.training.objectives.saehd import SaehdObjective
from dfl.training.training_step import make_training_step

options = SaehdOptions(resolution=64, archi=sys.argv[2], ae_dims=16, e_dims=8, d_dims=8, d_mask_dims=4,
                       eyes_mouth_prio=True, gan_power=0.1, gan_patch_size=8, face_style_power=1.0, bg_style_power=1.0)
config = swap_config(options)
objective = SaehdObjective(Saehd(options), config.losses, config.extra)
random = np.random.default_rng(3)
weights = objective.network.trained_weights()
for named in (weights, *(discriminator.weights for discriminator in objective.discriminators)):
    for name, weight in named.items():
        weight.assign(random.normal(0, 0.05, weight.shape).astype(np.float32))
steps = [make_training_step(objective.losses, list(weights.values()), Optimizer(weights, **config.optimizer),
                            ("src", "dst"))]
for discriminator in objective.discriminators:
    steps.append(make_training_step(discriminator.losses, list(discriminator.weights.values()),
                                    Optimizer(discriminator.weights, **config.optimizer)))
channels = {"warped": 3, "target": 3, "mask": 1, "eyes_mouth": 1}
for _ in range(int(sys.argv[3])):
    batch = {f"{side}_{part}": random.random((2, 64, 64, count), np.float32)
             for side in ("src", "dst") for part, count in channels.items()}
    found = [step(batch) for step in steps]
    gan = [sum(value for name, value in one.terms.items() if name.startswith("gan/")) for one in found]
    print(json.dumps([*map(float, found[0].sums.mean(axis=1)), *gan]))
"""


def _losses(engine: str, archi: str) -> np.ndarray:
    command = [sys.executable, "-c", PROGRAM, engine, archi, str(STEPS)]
    without = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}  # this process's engine
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=without)
    return np.array([json.loads(line) for line in run.stdout.splitlines() if line.startswith("[")])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("archi", ["df-ud", "liae-ud"])
def test_tensorflow_and_torch_have_the_same_losses_over_twenty_steps(archi: str) -> None:
    tensorflow, torch = _losses("tensorflow", archi), _losses("torch", archi)
    assert tensorflow.shape == (STEPS, 4)  # src, dst, GAN's terms, the discriminator's
    assert np.abs(torch / tensorflow - 1).max() < 1e-3
