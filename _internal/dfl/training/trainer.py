"""Training of one model: batches in, steps, history, saves and previews. The engine must be started before import."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import write_picture
from dfl.faces.face_type import FaceType
from dfl.faceset.faceset import FaceFile
from dfl.models.compiled import compiled
from dfl.models.open_model import build_network, set_weights
from dfl.models.saved_set import SavedSet, write_set
from dfl.samples.batches import BatchMaker
from dfl.samples.sample import SampleSettings, SideBatch
from dfl.training.losses import Tensor, side_loss
from dfl.training.optimizers import Optimizer
from dfl.training.preview import preview_pages, with_graph
from dfl.training.recipe import Recipe
from dfl.training.step import make_step
from dfl.workspace import Side

# A window for previews taller than this is of no use (the original's limit).
PREVIEW_HEIGHT = 800
PREVIEW_ROWS = 4


class Trainer:
    """One model in memory, with its optimizer, its batches and its history."""

    def __init__(
        self,
        folder: Path,
        saved: SavedSet,
        recipe: Recipe,
        faces: dict[Side, list[FaceFile]],
        seed: int,
    ) -> None:
        """`saved` without weights is a new model: it starts from random weights of `seed`."""
        self.folder = folder
        self.iteration = saved.iteration
        self._saved = saved
        self._recipe = recipe
        self._seed = seed
        self._losses: list[NDArray[np.float32]] = list(saved.history)
        self._saved_at = saved.iteration if saved.weights else -1
        keras.utils.set_random_seed(seed)
        self._network = build_network(saved.class_name, saved.options)
        if saved.weights:
            set_weights(self._network, saved.weights, folder.name)
        trained = self._network.trained_weights()
        self._optimizer = Optimizer(trained, seed=seed, **recipe.optimizer)
        for name, variable in self._optimizer.state().items():
            if name in saved.optimizer and saved.optimizer[name].shape == tuple(variable.shape):
                variable.assign(saved.optimizer[name])
        self._step = make_step(self._batch_losses, list(trained.values()), self._optimizer)
        self._predict = compiled(self._preview_predictions)
        settings: dict[Side, SampleSettings] = {"src": recipe.src_samples, "dst": recipe.dst_samples}
        batch_size = int(saved.options["batch_size"])
        # Going on at an iteration that takes the batch before again needs that batch.
        again = bool(recipe.reuses_every and self.iteration and self.iteration % recipe.reuses_every == 0)
        self._batches = {
            side: BatchMaker(
                faces[side],
                settings[side],
                batch_size,
                seed=_side_seed(seed, side),
                first_batch=self.iteration - again,
                uniform_yaw=recipe.has_uniform_yaw,
            )
            for side in settings
        }
        self._last = {side: next(maker) for side, maker in self._batches.items()} if again else {}
        self._preview_faces = {side: self._faces_to_show(faces[side], settings[side], side) for side in settings}

    def iterate(self) -> tuple[float, float]:
        """One step; returns the mean src and dst loss. A loss that is no number raises UserError, nothing is saved."""
        batches = self._next_batches()
        src, dst = self._step(*_arrays(batches["src"]), *_arrays(batches["dst"]))
        losses = np.array([src.mean(), dst.mean()], np.float32)
        if not np.isfinite(losses).all():
            raise UserError(
                f"The loss became {losses[0]}, {losses[1]} at iteration {self.iteration + 1}: training broke down.",
                f"The last saved set in {self.folder} is good. Start again with --clipgrad, or check the facesets.",
            )
        self.iteration += 1
        self._losses.append(losses)
        return float(losses[0]), float(losses[1])

    @property
    def problems(self) -> list[str]:
        """Faces that could not be read, one text each."""
        return [text for maker in self._batches.values() for text in maker.problems]

    @property
    def waited_seconds(self) -> float:
        """How long steps waited for samples so far."""
        return sum(maker.waited_seconds for maker in self._batches.values())

    def mean_losses(self, since: int) -> tuple[float, float]:
        """Mean src and dst loss of the iterations after `since`."""
        recent = np.array(self._losses[since - self.iteration :] if since < self.iteration else self._losses[-1:])
        return float(recent[:, 0].mean()), float(recent[:, 1].mean())

    def save(self) -> None:
        """Write a new set, unless nothing has happened since the last one; then the preview pictures."""
        if self.iteration == self._saved_at:
            return
        write_set(
            self.folder,
            replace(
                self._saved,
                iteration=self.iteration,
                weights=_to_numpy(self._network.weights()),
                optimizer=_to_numpy(self._optimizer.state()),
                history=self.history(),
                state=self._saved.state | {"seed": self._seed},
            ),
        )
        self._saved_at = self.iteration
        self.write_previews()

    def history(self) -> NDArray[np.float32]:
        """(iterations, 2): mean src and dst loss of every iteration."""
        return np.array(self._losses, np.float32).reshape(-1, 2)

    def write_previews(self) -> None:
        """`preview.png` and `preview_masked.png` into the model's folder: faces under the loss graph."""
        src, dst = self._preview_faces["src"], self._preview_faces["dst"]
        predictions = self._predict(src.target, dst.target)
        is_head = self._recipe.src_samples.face_type == FaceType.HEAD
        pages = preview_pages(src, dst, predictions, is_head)
        for name, page in pages.items():
            write_picture(self.folder / f"{name}.png", with_graph(page, self.history(), self.iteration))

    def close(self) -> None:
        """Stop making batches."""
        for maker in self._batches.values():
            maker.close()

    def _next_batches(self) -> dict[Side, SideBatch]:
        """The batch of this iteration for each side; Quick96 takes every third one again, unwarped."""
        every = self._recipe.reuses_every
        if every and self.iteration % every == 0 and self._last:
            batches = {side: replace(batch, warped=batch.target) for side, batch in self._last.items()}
            self._last = {}
            for maker in self._batches.values():
                next(maker)  # keeps the number of the batch equal to the iteration
            return batches
        self._last = {side: next(maker) for side, maker in self._batches.items()}
        return self._last

    def _batch_losses(self, *arrays: Tensor) -> tuple[Tensor, Tensor]:
        """Per-sample losses of src and dst; the arrays are those of _arrays for src, then for dst."""
        half = len(arrays) // 2
        src, dst = arrays[:half], arrays[half:]
        src_face, src_mask, dst_face, dst_mask = self._network.reconstruct(src[0], dst[0])
        settings = self._recipe.losses
        eyes_mouth = (src[3], dst[3]) if settings.eyes_mouth_prio else (None, None)
        return (
            side_loss(src[1], src[2], eyes_mouth[0], src_face, src_mask, settings),
            side_loss(dst[1], dst[2], eyes_mouth[1], dst_face, dst_mask, settings),
        )

    def _preview_predictions(self, src: Tensor, dst: Tensor) -> tuple[Tensor, ...]:
        """SS, DD, SD, DD's mask, SD's mask for unwarped faces."""
        src_face = self._network.reconstruct(src, dst)[0]
        swapped, swapped_mask, dst_face, dst_mask = self._network.swap(dst)
        return src_face, dst_face, swapped, dst_mask, swapped_mask

    def _faces_to_show(self, faces: list[FaceFile], settings: SampleSettings, side: str) -> SideBatch:
        """The same faces in every preview of this model, so that progress can be seen."""
        rows = max(1, min(PREVIEW_ROWS, PREVIEW_HEIGHT // settings.resolution))
        maker = BatchMaker(
            faces, replace(settings, warp=False), rows, seed=_side_seed(self._seed, f"preview {side}"), workers=1
        )
        try:
            return next(maker)
        finally:
            maker.close()


def _side_seed(seed: int, side: str) -> int:
    """Different random streams from one seed."""
    return int(np.random.SeedSequence([seed, *side.encode()]).generate_state(1)[0])


def _arrays(batch: SideBatch) -> list[NDArray[np.float32]]:
    arrays = [batch.warped, batch.target, batch.mask]
    return arrays if batch.eyes_mouth is None else [*arrays, batch.eyes_mouth]


def _to_numpy(variables: dict[str, keras.Variable]) -> dict[str, NDArray[Any]]:
    return {name: np.array(ops.convert_to_numpy(variable)) for name, variable in variables.items()}
