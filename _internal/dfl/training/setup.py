"""From a saved set's class and options to what a trainer needs: goal, batches, optimizer settings."""

from dataclasses import dataclass
from typing import Any

import keras

from dfl.faceset.faceset import FaceFile
from dfl.models.open_model import build_network
from dfl.models.options import Quick96Options, SaehdOptions
from dfl.models.saehd import Saehd
from dfl.models.saved_set import SavedSet
from dfl.training.feeding import Feeder, SwapFeeder
from dfl.training.goal import Goal
from dfl.training.recipe import swap_recipe
from dfl.training.saehd_goal import SaehdGoal
from dfl.workspace import Side


@dataclass(frozen=True, eq=False)
class Setup:
    """What a trainer needs beside the saved set."""

    goal: Goal
    feeder: Feeder
    optimizer: dict[str, Any]


def set_up(saved: SavedSet, faces: dict[Side, list[FaceFile]], seed: int, has_symmetric_warp: bool) -> Setup:
    """Networks with start values of `seed`, and batches from the saved iteration on. The engine must be started.

    faces: of both sides; while pretraining, the pretraining set as both.
    """
    keras.utils.set_random_seed(seed)
    network = build_network(saved.class_name, saved.options)
    batch_size = int(saved.options["batch_size"])
    if isinstance(network, Saehd):
        kind = Quick96Options if saved.class_name == "Quick96" else SaehdOptions
        recipe = swap_recipe(kind(**saved.options), has_symmetric_warp)
        goal = SaehdGoal(network, recipe.losses, recipe.extra, seed)
        feeder = SwapFeeder(faces, recipe, batch_size, seed, saved.iteration)
        return Setup(goal, feeder, recipe.optimizer)
    raise TypeError(f"{saved.class_name} cannot be trained")
