"""Batches for a model that swaps faces: both sides; seed and iteration alone decide which faces come."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dfl.data.augmentation.degradation import Degradations
from dfl.data.batches import BatchMaker
from dfl.data.sample import SampleSettings, SideBatch
from dfl.data.sampler import HardExampleSampler
from dfl.faceset.faceset import FaceFile
from dfl.training.objectives.objective import Arrays
from dfl.training.training_config import TrainingConfig
from dfl.workspace import Side

SIDES: tuple[Side, ...] = ("src", "dst")
# A window for previews taller than this is of no use (the original's limit).
PREVIEW_HEIGHT = 800
PREVIEW_ROWS = 4


class BatchSource(Protocol):
    """What a trainer takes its batches from."""

    @property
    def problems(self) -> list[str]:
        """Faces that could not be read, one text each."""

    @property
    def waited_seconds(self) -> float:
        """How long steps waited for samples so far."""

    def next_batch(self, iteration: int) -> Arrays:
        """The batch of an iteration; iterations are asked for one after another."""

    def preview_batch(self, draw: int = 0) -> Arrays:
        """Unwarped faces for previews. draw: number of the selection; that of 0 is the same in all runs of a model."""

    def report_losses(self, losses: NDArray[np.float32]) -> None:
        """Called after each step. losses: (groups, N), the reported losses of each sample of the batch."""

    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint needs to continue with the same batches, beside seed and iteration."""

    def close(self) -> None:
        """Stop making batches."""


class SwapBatchSource:
    """See BatchSource. extra_arrays: what else a batch needs, by iteration (AMP's channels). state: as saved.

    is_warped: whether samples are warped, by iteration; see BatchMaker.
    """

    def __init__(
        self,
        faces: dict[Side, list[FaceFile]],
        config: TrainingConfig,
        batch_size: int,
        seed: int,
        iteration: int,
        extra_arrays: Callable[[int], Arrays] | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
        is_warped: Callable[[int], bool] | None = None,
    ) -> None:
        self._config, self._faces, self._seed, self._extra_arrays = config, faces, seed, extra_arrays
        self._settings: dict[Side, SampleSettings] = {"src": config.src_samples, "dst": config.dst_samples}
        # Continuing at an iteration that repeats the batch before it needs that batch.
        is_repeated = bool(config.reuses_every and iteration and iteration % config.reuses_every == 0)
        self._number = iteration - is_repeated - 1  # of the batch that was given last
        self._samplers = (
            self._hard_example_samplers(batch_size, iteration, state or {}) if config.retrains_high_loss else {}
        )
        self._makers = {
            side: BatchMaker(
                faces[side],
                self._settings[side],
                batch_size,
                seed=side_seed(seed, side),
                first_batch=iteration - is_repeated,
                partners=faces["dst"],
                uniform_yaw=config.has_uniform_yaw,
                sampler=self._samplers.get(side),
                is_warped=is_warped,
            )
            for side in SIDES
        }
        self._last = {side: next(maker) for side, maker in self._makers.items()} if is_repeated else {}

    @property
    def problems(self) -> list[str]:
        return [text for maker in self._makers.values() for text in maker.problems]

    @property
    def waited_seconds(self) -> float:
        return sum(maker.waited_seconds for maker in self._makers.values())

    def next_batch(self, iteration: int) -> Arrays:
        self._number += 1
        every = self._config.reuses_every
        if every and iteration % every == 0 and self._last:
            batches = {side: replace(batch, warped=batch.target) for side, batch in self._last.items()}
            self._last = {}
            for maker in self._makers.values():
                next(maker)  # keeps the number of the batch equal to the iteration
        else:
            batches = self._last = {side: next(maker) for side, maker in self._makers.items()}
        return arrays_of(batches) | (self._extra_arrays(iteration) if self._extra_arrays else {})

    def preview_batch(self, draw: int = 0) -> Arrays:
        rows = max(1, min(PREVIEW_ROWS, PREVIEW_HEIGHT // self._config.src_samples.resolution))
        return arrays_of({side: self._unwarped(side, rows, draw) for side in SIDES})

    def report_losses(self, losses: NDArray[np.float32]) -> None:
        for index, side in enumerate(self._samplers):
            self._samplers[side].update(self._number, self._last[side].faces, losses[index])

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            f"order/{side}/{name}": array
            for side, sampler in self._samplers.items()
            for name, array in sampler.state().items()
        }

    def close(self) -> None:
        for maker in self._makers.values():
            maker.close()

    def _hard_example_samplers(
        self, batch_size: int, iteration: int, state: Mapping[str, NDArray[Any]]
    ) -> dict[Side, HardExampleSampler]:
        """For src and dst, in the order of the reported losses."""
        samplers = {}
        for side in SIDES:
            start = f"order/{side}/"
            saved = {name.removeprefix(start): array for name, array in state.items() if name.startswith(start)}
            seed = side_seed(self._seed, f"order {side}")
            samplers[side] = HardExampleSampler(len(self._faces[side]), batch_size, (seed,), iteration, saved or None)
        return samplers

    def _unwarped(self, side: Side, count: int, draw: int) -> SideBatch:
        settings = replace(self._settings[side], warp=False, degrade=Degradations(), hsv_power=0.0)
        seed = side_seed(self._seed, f"preview {side}")
        named = [face for face in self._faces[side] if face.name in self._config.preview_faces] if draw == 0 else []
        maker = BatchMaker(named or self._faces[side], settings, count, seed, draw, self._faces["dst"], workers=1)
        try:
            return next(maker)
        finally:
            maker.close()


def side_seed(seed: int, side: str) -> int:
    """Different random streams from one seed."""
    return int(np.random.SeedSequence([seed, *side.encode()]).generate_state(1)[0])


def arrays_of(batches: dict[Side, SideBatch]) -> Arrays:
    """A batch of both sides as an objective takes it."""
    arrays: Arrays = {}
    for side, batch in batches.items():
        arrays |= {f"{side}_warped": batch.warped, f"{side}_target": batch.target, f"{side}_mask": batch.mask}
        if batch.eyes_mouth is not None:
            arrays[f"{side}_eyes_mouth"] = batch.eyes_mouth
    return arrays
