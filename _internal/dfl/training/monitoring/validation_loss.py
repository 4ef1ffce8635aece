"""Validation loss: the losses of faces that a model is not trained on, the same few of both sides at every save."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.data.augmentation.degradation import Degradations
from dfl.data.augmentation.warp import AugmentRanges
from dfl.data.batches import BatchMaker
from dfl.data.sample import SampleSettings
from dfl.data.validation_split import validation_split
from dfl.faceset.faceset import FaceFile
from dfl.models.compiled import compiled
from dfl.models.options import ModelOptions
from dfl.training.batch_source import SIDES, arrays_of
from dfl.training.losses.terms import group_sums
from dfl.training.objectives.objective import Arrays, Objective
from dfl.training.training_config import swap_config
from dfl.workspace import Side

SideFaces = dict[Side, list[FaceFile]]


def split_sides(faces: SideFaces, count: int, seed: int) -> tuple[SideFaces, SideFaces]:
    """Split both sides into faces to train on and at most `count` validation faces; the same in every run of a seed.

    Small facesets have no validation faces, and then the other side has none either.
    """
    pairs = {side: validation_split(found, count, seed) for side, found in faces.items()}
    if not count or not all(held_out for _, held_out in pairs.values()):
        return faces, {side: [] for side in faces}
    return {side: pair[0] for side, pair in pairs.items()}, {side: pair[1] for side, pair in pairs.items()}


def validation_batches(faces: SideFaces, options: ModelOptions, batch_size: int) -> Iterator[Arrays]:
    """Batches of validation faces as they are: no augmentation, no colour transfer.

    As many of each side as the side with fewer has; the last batch may be smaller. AMP's random channels are
    the same every time.
    """
    config = swap_config(options)
    settings: dict[Side, SampleSettings] = {"src": config.src_samples, "dst": config.dst_samples}
    count = min(len(found) for found in faces.values())
    for start in range(0, count, batch_size):
        size = min(batch_size, count - start)
        batch = arrays_of(
            {side: _unaugmented_batch(faces[side][start : start + size], settings[side]) for side in SIDES}
        )
        if config.extra_arrays:
            batch |= config.extra_arrays(size, 0, start)
        yield batch


def _unaugmented_batch(faces: list[FaceFile], settings: SampleSettings) -> Any:
    """One batch of these faces, in their order."""
    plain = replace(
        settings,
        warp=False,
        flip=False,
        ranges=AugmentRanges(rotation=0, scale=0, shift=0),
        transfer="none",
        hsv_power=0.0,
        degrade=Degradations(),
    )
    maker = BatchMaker(faces, plain, len(faces), seed=0, sampler=lambda index: index % len(faces), workers=1)
    try:
        return next(maker)
    finally:
        maker.close()


class ValidationLoss:
    """The losses of validation faces, by the formulas of training."""

    def __init__(self, objective: Objective, batches: list[Arrays]) -> None:
        """batches: see validation_batches; kept in memory."""
        self._batches, names = batches, list(batches[0])
        self._losses = compiled(
            lambda *arrays: tuple(
                group_sums(objective.losses(dict(zip(names, arrays, strict=True))), objective.loss_names)
            )
        )

    def losses(self) -> tuple[float, ...]:
        """Mean of every reported loss over all validation faces."""
        rows: list[NDArray[np.float32]] = []
        for batch in self._batches:
            rows.append(np.stack(self._losses(*batch.values()), axis=1))
        return tuple(float(mean) for mean in np.concatenate(rows).mean(axis=0))
