"""From a checkpoint's class and options to what a trainer needs: objective, batches, optimizer settings."""

from dataclasses import dataclass
from typing import Any

import keras

from dfl.data.xseg_sample import XsegSettings
from dfl.faces.face_type import FaceType
from dfl.faceset.faceset import FaceFile
from dfl.models.checkpoint import Checkpoint
from dfl.models.engine import start_engine
from dfl.models.open_model import build_network
from dfl.models.options import AmpOptions, XsegOptions
from dfl.models.saehd import Saehd
from dfl.nets.amp import Amp
from dfl.nets.layers import set_computing
from dfl.nets.xseg import XSeg
from dfl.training.batch_source import BatchSource, SwapBatchSource
from dfl.training.choose_model import OPTION_CLASSES
from dfl.training.objectives.amp import AmpObjective, chosen_channels
from dfl.training.objectives.objective import Arrays, Objective
from dfl.training.objectives.saehd import SaehdObjective
from dfl.training.objectives.xseg import XsegObjective
from dfl.training.training_config import swap_config
from dfl.training.xseg_batch_source import XsegBatchSource
from dfl.workspace import Side

# As in the original: RMSprop with learning rate dropout.
XSEG_OPTIMIZER: dict[str, Any] = {"is_adabelief": False, "learning_rate": 1e-4, "keep_prob": 0.3}


@dataclass(frozen=True, eq=False)
class TrainingParts:
    """What a trainer needs beside the checkpoint."""

    objective: Objective
    batch_source: BatchSource
    optimizer: dict[str, Any]


def build_training(
    saved: Checkpoint, faces: dict[Side, list[FaceFile]], seed: int, has_symmetric_warp: bool
) -> TrainingParts:
    """Networks initialised from `seed`, and batches from the saved iteration on. The engine must be started.

    faces: of both sides; while pretraining, the pretraining set as both.
    """
    keras.utils.set_random_seed(seed)
    network, options = build_network(saved.class_name, saved.options), OPTION_CLASSES[saved.class_name](**saved.options)
    engine = start_engine()
    for part in [network] if isinstance(network, XSeg) else network.parts.values():
        set_computing(
            part,
            options.precision,
            recompute=options.recompute,
            multiplies=engine.multiplies,
            imitates=engine.imitates(options.precision),
        )
    batch_size = options.batch_size
    if isinstance(network, Saehd):
        config = swap_config(options, has_symmetric_warp)
        objective = SaehdObjective(network, config.losses, config.extra, seed)
        batch_source = SwapBatchSource(faces, config, batch_size, seed, saved.iteration, state=saved.optimizer)
        return TrainingParts(objective, batch_source, config.optimizer)
    if isinstance(network, Amp):
        assert isinstance(options, AmpOptions)
        return _amp(network, options, saved, faces, seed, has_symmetric_warp)
    assert isinstance(options, XsegOptions)
    samples = XsegSettings(
        FaceType.from_name(options.face_type),
        "pretraining" if options.pretrain else "labelled",
        resolution=network.resolution,
    )
    xseg_source = XsegBatchSource(faces, samples, batch_size, seed, saved.iteration)
    optimizer = XSEG_OPTIMIZER | {"scales_loss": options.precision == "float16"}
    return TrainingParts(XsegObjective(network, options.pretrain), xseg_source, optimizer)


def _amp(
    network: Amp,
    options: AmpOptions,
    saved: Checkpoint,
    faces: dict[Side, list[FaceFile]],
    seed: int,
    has_symmetric_warp: bool,
) -> TrainingParts:
    config, batch_size = swap_config(options, has_symmetric_warp), options.batch_size
    extra = config.extra
    gan = (extra.gan, extra.gan_patch_size, extra.gan_dims)
    objective = AmpObjective(network, config.losses, options.morph_factor, *gan, seed=seed)

    def channels(iteration: int) -> Arrays:
        return chosen_channels(batch_size, options.inter_dims, options.morph_factor, seed, iteration)

    return TrainingParts(
        objective,
        SwapBatchSource(faces, config, batch_size, seed, saved.iteration, channels, saved.optimizer),
        config.optimizer,
    )
