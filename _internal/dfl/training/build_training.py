"""From a checkpoint's class and options to what a trainer needs: objective, batches, optimizer settings."""

from dataclasses import dataclass
from typing import Any

import keras

from dfl.faceset.faceset import FaceFile
from dfl.models.checkpoint import Checkpoint
from dfl.models.engine import start_engine
from dfl.models.kinds import kind_of
from dfl.nets.layers import set_computing
from dfl.training.batch_source import BatchSource, SwapBatchSource
from dfl.training.objectives.objective import Arrays, Objective
from dfl.training.plan import TrainingPlan
from dfl.training.training_config import TRAINING, XsegConfig
from dfl.training.xseg_batch_source import XsegBatchSource
from dfl.workspace import Side


@dataclass(frozen=True, eq=False)
class TrainingParts:
    """What a trainer needs beside the checkpoint."""

    objective: Objective
    batch_source: BatchSource
    optimizer: dict[str, Any]


def build_training(
    saved: Checkpoint, faces: dict[Side, list[FaceFile]], seed: int, plan: TrainingPlan | None = None
) -> TrainingParts:
    """Networks initialised from `seed`, and batches from the saved iteration on. The engine must be started.

    faces: of both sides; while pretraining, the pretraining set as both.
    """
    keras.utils.set_random_seed(seed)
    kind, training = kind_of(saved.class_name), TRAINING[saved.class_name]
    options = kind.read_options(saved.options)
    if plan and not plan.has_gan(saved.iteration):
        options = options.model_copy(update={"gan_power": 0.0})
    network, engine = kind.build(options), start_engine()
    for part in network.parts.values():
        set_computing(
            part,
            options.precision,
            recompute=options.recompute,
            matmul_gradients=engine.matmul_gradients,
            emulates=engine.emulates(options.precision),
        )
    batch_size, config = options.batch_size, training.config(options)
    objective = training.objective(network, options, config, seed)
    batch_source: BatchSource
    if isinstance(config, XsegConfig):
        batch_source = XsegBatchSource(faces, config.samples, batch_size, seed, saved.iteration)
    else:

        def extra_arrays(iteration: int) -> Arrays:
            return config.extra_arrays(batch_size, seed, iteration) if config.extra_arrays else {}

        is_warped = plan.is_warped if plan else None
        batch_source = SwapBatchSource(
            faces, config, batch_size, seed, saved.iteration, extra_arrays, saved.optimizer, is_warped
        )
    return TrainingParts(objective, batch_source, config.optimizer)
