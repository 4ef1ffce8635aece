"""How well a model does on faces that it is not trained on: the same few of both sides at every save."""

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
from dfl.training.objectives.objective import Arrays, Objective
from dfl.training.training_config import swap_config
from dfl.workspace import Side

SideFaces = dict[Side, list[FaceFile]]


def split_sides(faces: SideFaces, count: int, seed: int) -> tuple[SideFaces, SideFaces]:
    """Faces of both sides to train on, and at most `count` of each held out, the same in every run with this seed.

    Small facesets hold out none, and then neither does the other side.
    """
    pairs = {side: validation_split(found, count, seed) for side, found in faces.items()}
    if not count or not all(held for _, held in pairs.values()):
        return faces, {side: [] for side in faces}
    return {side: pair[0] for side, pair in pairs.items()}, {side: pair[1] for side, pair in pairs.items()}


def held_out_batches(faces: SideFaces, options: ModelOptions, batch_size: int) -> Iterator[Arrays]:
    """Batches of held-out faces as they are: not warped, turned, moved, mirrored or coloured.

    As many of each side as the side with fewer has; the last batch may be smaller. What AMP draws at random is the
    same every time.
    """
    recipe = swap_config(options, True)
    settings: dict[Side, SampleSettings] = {"src": recipe.src_samples, "dst": recipe.dst_samples}
    count = min(len(found) for found in faces.values())
    for start in range(0, count, batch_size):
        size = min(batch_size, count - start)
        batch = arrays_of({side: _as_they_are(faces[side][start : start + size], settings[side]) for side in SIDES})
        if recipe.extra_arrays:
            batch |= recipe.extra_arrays(size, 0, start)
        yield batch


def _as_they_are(faces: list[FaceFile], settings: SampleSettings) -> Any:
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
    maker = BatchMaker(faces, plain, len(faces), seed=0, order=lambda place: place % len(faces), workers=1)
    try:
        return next(maker)
    finally:
        maker.close()


class ValidationLoss:
    """The losses of held-out faces, by training's own formulas."""

    def __init__(self, goal: Objective, batches: list[Arrays]) -> None:
        """batches: see held_out_batches; kept in memory."""
        self._batches, self._shown = batches, len(goal.loss_names)
        names = list(batches[0])
        self._losses = compiled(lambda *arrays: goal.losses(dict(zip(names, arrays, strict=True))))

    def losses(self) -> tuple[float, ...]:
        """Mean of every shown loss over all held-out faces."""
        rows: list[NDArray[np.float32]] = []
        for batch in self._batches:
            rows.append(np.stack(self._losses(*batch.values())[: self._shown], axis=1))
        return tuple(float(mean) for mean in np.concatenate(rows).mean(axis=0))
