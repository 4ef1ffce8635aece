"""Training of one model: steps, loss history, divergence, checkpoints, previews. Start the engine before importing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, write_picture
from dfl.models.checkpoint import Arrays as SavedArrays
from dfl.models.checkpoint import Checkpoint, finished_checkpoints, read_checkpoint, write_checkpoint
from dfl.models.open_model import set_weights
from dfl.training.batch_source import BatchSource
from dfl.training.carried_arrays import carried_arrays
from dfl.training.distributed import ProcessGroup
from dfl.training.loss_scale import all_finite
from dfl.training.losses.terms import is_in
from dfl.training.monitoring.divergence import DivergenceDetector
from dfl.training.monitoring.loss_history import LossHistory
from dfl.training.objectives.objective import Arrays, DiscriminatorTask, Objective
from dfl.training.optimizers import Optimizer
from dfl.training.plan import STATE_KEY, TrainingPlan
from dfl.training.preview.loss_graph import with_graph
from dfl.training.training_step import TrainingStep, make_training_step

# From this iteration on the check for mode collapse is meaningful.
_MIN_COLLAPSE_ITERATION = 500
# With more rollbacks than this training is given up.
_MAX_ROLLBACKS = 3
# Up to the first number skipped batches are reported one by one, then each hundredth.
_REPORTED_SINGLY, _REPORT_EVERY = 10, 100


class Trainer:
    """One model in memory, with its optimizers, its batches and its history."""

    def __init__(
        self,
        folder: Path,
        saved: Checkpoint,
        objective: Objective,
        batch_source: BatchSource,
        optimizer: dict[str, Any],
        seed: int,
        group: ProcessGroup | None = None,
        plan: TrainingPlan | None = None,
    ) -> None:
        """`saved` without weights is a new model. optimizer: settings of optimizers.Optimizer, also for discriminators.

        group: processes of data-parallel training; all start with the leader's variables. plan: its
        rate_share applies to the learning rate.
        """
        self.folder = folder
        self.iteration = saved.iteration
        self.left_out = 0  # batches of this run that changed no weights
        self.messages: list[str] = []  # for the user; the caller of iterate reports and clears them
        self._saved = replace(saved, weights={}, optimizer={})  # without the arrays, which the networks hold
        self._objective = objective
        self._batches = batch_source
        self._optimizer_settings = optimizer
        self._seed = seed
        self._losses = LossHistory(saved.history, len(objective.loss_names))
        self._saved_at = saved.iteration if saved.weights else -1
        self._divergence = DivergenceDetector()
        self._rollbacks = 0
        self._is_broken = False  # whether the weights in memory are unusable
        self._was_sound = False  # whether the last saved model was free of mode collapse
        self._preview_batches: dict[int, Arrays] = {}  # the latest preview faces, by their `draw`
        self._pages: tuple[tuple[int, int], dict[str, Picture]] = (-1, -1), {}
        self._group, self._plan = group, plan
        self._prepare()
        self._carried = carried_arrays(saved, *self._parts())
        self._load(saved)
        if group:
            self._share(group)

    def follow(self, group: ProcessGroup) -> None:
        """Do the leader's steps until it sends stop."""
        while (message := group.receive()) != "stop":
            if "step" in message:
                if self._plan:
                    self._plan.follow(message["step"])
                self.iterate()
                continue
            self.iteration, self._optimizer_settings = message["iteration"], message["optimizer"]
            self._prepare()
            self._share(group)
            self._divergence.forget()

    def release_followers(self) -> None:
        """End the followers after the last step, while the leader may still show the preview."""
        if self._group:
            self._group.broadcast("stop")

    def _share(self, group: ProcessGroup) -> None:
        """Copy all variables from the leader."""
        shared = group.share_arrays(_HostArrays(self._variables()))
        _assign(self._variables(), shared)

    def _variables(self) -> dict[str, keras.Variable]:
        """All variables that training changes: weights and optimizer states, of the discriminators too."""
        weights, optimizer = self._parts()
        return weights | _prefixed("optimizer", optimizer)

    def _parts(self) -> tuple[dict[str, keras.Variable], dict[str, keras.Variable]]:
        """Weights, and the optimizers' state, of the discriminators too, named as in a checkpoint."""
        weights, optimizer = dict(self._objective.network.weights()), self._optimizer.state()
        for task, own, _ in self._discriminators:
            weights |= task.weights
            optimizer |= _prefixed(f"{task.name}_opt", own.state())
        return weights, optimizer

    def _prepare(self) -> None:
        """Make the optimizers and steps from the current optimizer settings."""
        settings = self._optimizer_settings
        trained = self._objective.network.trained_weights()
        self._optimizer = Optimizer(trained, seed=self._seed, **settings)
        self._step = make_training_step(
            self._objective.losses, list(trained.values()), self._optimizer, self._objective.loss_names
        )
        self._discriminators: list[tuple[DiscriminatorTask, Optimizer, TrainingStep]] = []
        for task in self._objective.discriminators:
            own = Optimizer(task.weights, seed=self._seed, **settings)
            step = make_training_step(task.losses, list(task.weights.values()), own)
            self._discriminators.append((task, own, step))

    def _load(self, saved: Checkpoint) -> None:
        """Assign the arrays of a checkpoint; discriminators and states that it lacks keep their initial values."""
        if saved.weights:
            self._check_numbers(saved)
            set_weights(self._objective.network, saved.weights, self.folder.name)
        self._load_state(self._optimizer, saved.optimizer)
        for task, own, _ in self._discriminators:
            there = {name: saved.weights[name] for name in task.weights if name in saved.weights}
            if _fits(task.weights, there) and _are_finite(there):
                _assign(task.weights, there)
                self._load_state(own, saved.optimizer, f"{task.name}_opt/")
            elif there:
                why = "holds numbers that are not finite" if _fits(task.weights, there) else "has another size now"
                self.messages.append(f"The network {task.name} {why}: it is reinitialised.")

    def _check_numbers(self, saved: Checkpoint) -> None:
        """UserError for a checkpoint with weights that are not finite, which earlier versions could save."""
        own = {name: saved.weights[name] for name in self._objective.network.weights() if name in saved.weights}
        broken = next((name for name, array in own.items() if not _are_finite({name: array})), "")
        if broken:
            self._is_broken = True
            newest = next(reversed(finished_checkpoints(self.folder)), self.folder)
            raise UserError(
                f"Training broke down before iteration {saved.iteration} was saved: {broken} of {newest} holds numbers "
                "that are not finite.",
                "Move that folder away, then training continues from the checkpoint before it; or restore a backup: "
                "`dfl models restore`.",
            )

    def _load_state(self, optimizer: Optimizer, arrays: SavedArrays, prefix: str = "") -> None:
        """Assign an optimizer's saved state; none of it if any number is not finite.

        Dropping single arrays would not do: a first moment without its second makes the next steps huge.
        """
        state = optimizer.state()
        there = {name: arrays[prefix + name] for name in state if prefix + name in arrays}
        if _are_finite(there):
            _assign(state, there)
        else:
            self.messages.append("The optimizer's state holds numbers that are not finite: it is reinitialised.")

    def iterate(self) -> dict[str, float]:
        """One step; returns batch means by name: the reported losses first, then every term; see losses.terms.

        A batch without a finite loss or gradient changes no weights. On divergence the model is rolled back to its last
        checkpoint, with clipped gradients and half the learning rate, and `messages` gets a text. UserError when that
        does not help.
        """
        if self._group and self._group.is_leader:
            self._group.broadcast({"step": self._plan.state() if self._plan else None})
        if self._plan:
            share = self._plan.rate_share(self.iteration)
            for optimizer in (self._optimizer, *(own for _, own, _ in self._discriminators)):
                optimizer.rate_share.assign(share)
        batch = self._batches.next_batch(self.iteration)
        result = self._step(batch)
        means = np.array([losses.mean() for losses in result.sums], np.float32)
        is_finite, has_gradients = bool(np.isfinite(means).all()), result.has_finite_gradient
        unreported = [sum(value for name, value in result.terms.items() if not self._is_reported(name))]
        if not is_finite or not np.isfinite(unreported).all():
            self._leave_out("no finite loss")
        elif not has_gradients:
            self._leave_out("no finite gradient")
        losses = dict(zip(self.loss_names, map(float, means), strict=True)) | result.terms
        for task, _, step in self._discriminators if is_finite else []:
            own = step(batch)
            losses |= own.terms
            unreported.append(sum(own.terms.values()))
            has_gradients = has_gradients and own.has_finite_gradient
            if not np.isfinite(unreported[-1]) or not own.has_finite_gradient:
                self._leave_out(f"no finite loss or gradient of the network {task.name}")
        trouble = self._divergence.check(means, unreported, has_gradients)
        if trouble and self._group and not self._group.is_leader:
            return losses  # the leader rolls back and sends its variables
        if trouble:
            self._roll_back(trouble)
            return losses
        if is_finite:
            self._batches.report_losses(result.sums)
        self.iteration += 1
        self._losses.append(means)
        return losses

    def _is_reported(self, term: str) -> bool:
        return any(is_in(group, term) for group in self.loss_names)

    def _leave_out(self, why: str) -> None:
        """Count a batch that changed no weights; of many, only some are reported."""
        self.left_out += 1
        if self.left_out <= _REPORTED_SINGLY or self.left_out % _REPORT_EVERY == 0:
            count = f" ({self.left_out} in this run)" if self.left_out > 1 else ""
            self.messages.append(f"Iteration {self.iteration + 1} had {why}; its batch was left out{count}.")

    def _roll_back(self, trouble: str) -> None:
        """Go back to the last checkpoint, with clipped gradients and half the learning rate."""
        self._rollbacks += 1
        self._is_broken = True  # until the checkpoint is loaded
        advice = "Check the facesets for damaged pictures; try --clipgrad, a lower --learning-rate, precision float32."
        if self._rollbacks > _MAX_ROLLBACKS or self._saved_at < 0:
            saves = (
                f"The last checkpoint in {self.folder} is good." if self._saved_at >= 0 else "Nothing was saved yet."
            )
            raise UserError(f"Training broke down at iteration {self.iteration + 1}: {trouble}. {saves}", advice)
        settings = self._optimizer_settings
        self._optimizer_settings = settings | {"clip_norm": 1.0, "learning_rate": settings["learning_rate"] / 2}
        saved = read_checkpoint(self.folder, self.messages.append)
        self._prepare()
        self._load(saved)
        self._divergence.forget()
        self._is_broken = False
        self.messages.append(
            f"At iteration {self.iteration + 1} {trouble}: the model went back to iteration {saved.iteration}, "
            f"gradients are clipped and the learning rate is {self._optimizer_settings['learning_rate']:g} until the "
            f"next start. {advice}"
        )
        self.iteration = saved.iteration
        self._losses.cut(len(saved.history))
        if self._group:
            self._group.broadcast({"iteration": self.iteration, "optimizer": self._optimizer_settings})
            self._share(self._group)

    @property
    def problems(self) -> list[str]:
        """Faces that could not be read, one text each."""
        return self._batches.problems

    @property
    def waited_seconds(self) -> float:
        """Total time that steps have waited for samples."""
        return self._batches.waited_seconds

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the reported losses."""
        return self._objective.loss_names

    def mean_losses(self, since: int) -> tuple[float, ...]:
        """Mean of every reported loss over the iterations after `since`; steps without a finite loss do not count."""
        return self._losses.mean_of_last(self.iteration - since)

    def save(self) -> None:
        """Write a checkpoint, if there were steps since the last one.

        Weights that are not finite, or a model after mode collapse, are not saved over good ones but rolled back.
        """
        if not self.has_unsaved_steps:
            return
        if not self._is_finite():
            self._roll_back("the weights are not finite")
            return
        if self.iteration >= _MIN_COLLAPSE_ITERATION:
            is_collapsed = self._objective.is_collapsed(self._preview_batch(0))
            if is_collapsed and self._was_sound:
                self._roll_back("the model predicts the same picture for every face (mode collapse)")
                return
            if is_collapsed:
                self.messages.append(
                    f"After {self.iteration} iterations the model still predicts the same picture for every face (mode "
                    "collapse). Start a new one with a lower --learning-rate."
                )
            self._was_sound = not is_collapsed
        self._write()

    def save_at_last(self) -> bool:
        """After an error: save unsaved steps if the weights are usable. Returns whether a checkpoint was written.

        Previews are not computed: they may be what failed.
        """
        is_worth_it = self.has_unsaved_steps and not self._is_broken and self._is_finite()
        if is_worth_it:
            self._write()
        return is_worth_it

    @property
    def has_unsaved_steps(self) -> bool:
        """Whether there were steps since the last save."""
        return self.iteration != self._saved_at

    def _write(self) -> None:
        write_checkpoint(self.folder, self.as_checkpoint())
        self._saved_at = self.iteration

    def _is_finite(self) -> bool:
        """Whether all variables that a checkpoint stores are finite."""
        return bool(ops.convert_to_numpy(all_finite([variable.value for variable in self._variables().values()])))

    def as_checkpoint(self) -> Checkpoint:
        """The model's checkpoint at this iteration; arrays are read on access, so it is valid until the next step."""
        weights, optimizer = self._parts()
        carried_weights, carried_optimizer = self._carried
        return replace(
            self._saved,
            iteration=self.iteration,
            weights=_HostArrays({**weights, **carried_weights}),
            optimizer=_HostArrays({**optimizer, **self._batches.state(), **carried_optimizer}),
            history=self.history().copy(),
            state={name: value for name, value in self._saved.state.items() if name != STATE_KEY}
            | {"seed": self._seed}
            | ({STATE_KEY: self._plan.state()} if self._plan else {}),
        )

    def history(self) -> NDArray[np.float32]:
        """(iterations, losses): mean of every reported loss of every iteration; not a copy."""
        return self._losses.rows()

    def pages(self, draw: int = 0) -> dict[str, Picture]:
        """Preview pages by name, of unwarped faces. draw: number of the selection of faces, see BatchSource."""
        key = (self.iteration, draw)
        if self._pages[0] != key:
            self._pages = key, self._objective.preview_pages(self._preview_batch(draw))
        return self._pages[1]

    def _preview_batch(self, draw: int) -> Arrays:
        if draw not in self._preview_batches:
            first = {number: batch for number, batch in self._preview_batches.items() if number == 0}
            self._preview_batches = first | {draw: self._batches.preview_batch(draw)}
        return self._preview_batches[draw]

    def write_previews(self) -> None:
        """Write the preview pages as pictures into the model's folder, with the loss graph on top."""
        for name, page in self.pages().items():
            write_picture(self.folder / f"{name}.png", with_graph(page, self.history(), self.iteration))

    def close(self) -> None:
        """Stop making batches."""
        self._batches.close()


def _prefixed(name: str, variables: dict[str, keras.Variable]) -> dict[str, keras.Variable]:
    return {f"{name}/{key}": variable for key, variable in variables.items()}


def _fits(variables: dict[str, keras.Variable], arrays: Mapping[str, NDArray[Any]]) -> bool:
    return all(name in arrays and arrays[name].shape == tuple(variable.shape) for name, variable in variables.items())


def _are_finite(arrays: SavedArrays) -> bool:
    return all(np.isfinite(array).all() for array in arrays.values())


def _assign(variables: dict[str, keras.Variable], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Assign the arrays that exist and have the variable's shape."""
    for name, variable in variables.items():
        array = arrays.get(name)
        if array is not None and array.shape == tuple(variable.shape):
            variable.assign(array)


class _HostArrays(Mapping[str, NDArray[Any]]):
    """The current values of variables, each copied to host memory when it is accessed.

    Copying all at once would take as much memory again as the model and its optimizer.
    """

    def __init__(self, variables: dict[str, Any]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.asarray(ops.convert_to_numpy(self._variables[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)
