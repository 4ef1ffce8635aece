"""Stage `train`: choose the model, check the facesets, train until stopped, keep everything that was reached."""

import gc
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dfl.base.errors import UserError
from dfl.base.locks import hold_folders
from dfl.base.report import NullReport, Report
from dfl.base.stopping import stop_signals
from dfl.models.checkpoint import Checkpoint, finished_checkpoints, model_folder, read_checkpoint
from dfl.models.device import ask_device, use_device
from dfl.models.engine import Engine, scope_of, start_engine
from dfl.models.kinds import kind_of
from dfl.models.lock import hold_model
from dfl.models.model_store import model_path
from dfl.training.ask_run import ask_class, ask_minutes, going_on, remember_model
from dfl.training.choose_model import choose_name, import_original, load_or_new, silent_start
from dfl.training.distributed import ProcessGroup, check_shares, process_group_of
from dfl.training.memory_estimate import (
    available_bytes,
    estimate_memory,
    fitting_batch,
    is_out_of_memory,
    memory_advice,
    memory_summary,
)
from dfl.training.monitoring.options_table import MARK, options_table
from dfl.training.options import AUTO, TrainRunOptions, given_model_options
from dfl.training.plan import STATE_KEY, TrainingPlan, plan_of
from dfl.training.presets import Device, find_device
from dfl.training.preview.window import PreviewWindow, open_window
from dfl.training.training_faces import SideFaces, check_faces, faces_to_train_on
from dfl.training.warm_start import begin
from dfl.workspace import Workspace

if TYPE_CHECKING:
    from dfl.training.objectives.objective import Objective


def run(workspace: Workspace, options: TrainRunOptions, report: Report) -> None:
    """Train until the target, the time, or Ctrl-C; goes on exactly where it stopped."""
    if options.silent_start:
        options = silent_start(workspace.model, options)
    if options.ask:
        options = going_on(workspace, options, report) or ask_class(workspace, options, report)
    check_faces(workspace, options.model, options.pretraining_faces)
    with process_group_of(options.engine) as group:
        if group and not group.is_leader:
            _follow(workspace, options, group, report)
        else:
            _lead(workspace, options, group, report)


def _lead(workspace: Workspace, options: TrainRunOptions, group: ProcessGroup | None, report: Report) -> None:
    """Choose the model and train it, with what it takes to keep it."""
    options = import_original(workspace, options, report)
    name = choose_name(workspace, options, report)
    use_device(_device(workspace, options, report))
    remember_model(workspace, name, options, report)
    folder = model_folder(workspace.model, name, options.model)
    with (
        model_path(folder),
        hold_model(folder),
        open_window(options.preview) as window,
        ExitStack() as stack,
    ):
        saved = load_or_new(workspace, name, options, report)
        options = ask_minutes(workspace, options, saved, report)
        stack.enter_context(_hold_faces(workspace, saved, report))
        shares = group.count if group else options.device_count
        if not _is_auto(options):
            check_shares(int(saved.options["batch_size"]), shares)
        engine = start_engine(options.engine, options.device_count)
        report.line(f"{engine}{f' {group.count} processes.' if group else ''}")
        _report_precision(engine, saved, report)
        device = find_device(engine)
        if _is_auto(options):
            saved = _with_fitting_batch(saved, shares, device, report)
        known = finished_checkpoints(folder)
        while True:
            gc.collect()  # what a batch that was too large needed is still held, by references in circles
            report.line(memory_summary(kind_of(saved.class_name).read_options(saved.options), device))
            try:
                with scope_of(engine):
                    _train(workspace, folder, saved, options, window, group, report)
                return
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if finished_checkpoints(folder) != known:  # else what is there may be what this run begins anew
                    saved = replace(read_checkpoint(folder, report.warn), options=saved.options)
                saved = _with_smaller_batch(saved, folder.name, options, group, device, error)
                shown = f"iteration {saved.iteration} with batch size {saved.options['batch_size']}"
                report.warn(f"Out of memory: going on from {shown}.")


def _device(workspace: Workspace, options: TrainRunOptions, report: Report) -> str | None:
    """The device, or the devices that were named."""
    if "," in options.devices:
        return options.devices
    return ask_device(workspace.answers, "train", options.device, options.ask, report)


def _hold_faces(workspace: Workspace, saved: Checkpoint, report: Report) -> AbstractContextManager[None]:
    """Keep stages away that change the faces which are trained on; while a model is pretrained they are others."""
    stage = "train" if kind_of(saved.class_name).swaps_faces else "xseg-train"
    reads = ("model",) if saved.options.get("pretrain") else ("model", "data_src/aligned", "data_dst/aligned")
    if obstacle := workspace.obstacle(reads):
        raise obstacle
    return hold_folders(workspace.running, stage, reads, (), report.warn)


def _follow(workspace: Workspace, options: TrainRunOptions, group: ProcessGroup, report: Report) -> None:
    """Take the steps of the leader, on the faces of this process's workspace."""
    from dfl.training.build_training import build_training
    from dfl.training.trainer import Trainer

    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN)  # the leader stops, and says so
    while received := group.receive():  # one for each stage of the plan, then nothing
        # Which faces come next may depend on losses of earlier runs: without them this would be a share of other
        # batches.
        batch_state = {name: np.array(values, np.float32) for name, values in received.pop("batch_source").items()}
        saved = Checkpoint(**received, weights={}, optimizer=batch_state)
        seed = int(saved.state["seed"])
        faces = faces_to_train_on(workspace, saved.class_name, saved.options, options.pretraining_faces, report)
        saved, faces, _ = _split_validation(saved, faces, None, seed, NullReport())
        plan = TrainingPlan.received(saved)
        setup = build_training(saved, faces, seed, plan)
        folder = model_folder(workspace.model, "follower", saved.class_name)
        trainer = Trainer(folder, saved, setup.objective, setup.batch_source, setup.optimizer, seed, group, plan)
        try:
            trainer.follow(group)
        finally:
            trainer.close()


def _train(
    workspace: Workspace,
    folder: Path,
    saved: Checkpoint,
    options: TrainRunOptions,
    window: PreviewWindow | None,
    group: ProcessGroup | None,
    report: Report,
) -> None:
    """Build what the checkpoint describes, and train it. The engine must be started."""
    from dfl.training.build_training import build_training
    from dfl.training.loop import TrainingLoop
    from dfl.training.trainer import Trainer

    seed = int(saved.state.get("seed", options.seed if options.seed is not None else _fresh_seed()))
    faces = faces_to_train_on(workspace, options.model, saved.options, options.pretraining_faces, report)
    saved, faces, validation = _split_validation(saved, faces, options.held_out, seed, report)
    _report_start(folder.name.removesuffix(f"_{options.model}"), options, saved, faces, report)
    plan = plan_of(saved, options)
    if plan:
        report.line(plan.summary())
    goes_on = True
    while goes_on:  # once, and again where the plan needs other networks
        setup = build_training(saved, faces, seed, plan)
        saved = begin(folder, saved, setup.objective.network, seed, report.warn)
        if group:
            state = saved.state | {"seed": seed} | ({STATE_KEY: plan.state()} if plan else {})
            group.broadcast(
                {
                    "class_name": saved.class_name,
                    "options": saved.options,
                    "iteration": saved.iteration,
                    "state": state,
                    "batch_source": {name: array.tolist() for name, array in setup.batch_source.state().items()},
                }
            )
        trainer = Trainer(folder, saved, setup.objective, setup.batch_source, setup.optimizer, seed, group, plan)
        try:
            validate = _validation_of(setup.objective, saved, validation)
            goes_on = TrainingLoop(trainer, options, saved.options, report, window, validate, plan).run()
        finally:
            trainer.close()
        if goes_on:
            saved = replace(read_checkpoint(folder, report.warn), options=saved.options)
            plan = plan_of(saved, options)
    if group:
        group.broadcast(None)


def _is_auto(options: TrainRunOptions) -> bool:
    """Whether the batch size was left to us."""
    return given_model_options(options).get("batch_size") == AUTO


def _with_fitting_batch(saved: Checkpoint, shares: int, device: Device, report: Report) -> Checkpoint:
    """The set with the largest batch that fits and can be shared out evenly."""
    fitting = fitting_batch(kind_of(saved.class_name).read_options(saved.options), device)
    size = max(fitting // shares, 1) * shares
    report.line(f"Batch size {size} fits this machine.")
    return replace(saved, options=saved.options | {"batch_size": size})


def _with_smaller_batch(
    saved: Checkpoint, name: str, options: TrainRunOptions, group: ProcessGroup | None, device: Device, error: Exception
) -> Checkpoint:
    """The set with a smaller batch; UserError unless the batch size was left to us."""
    chosen = kind_of(saved.class_name).read_options(saved.options)
    largest = estimate_memory(chosen, device).largest_batch(available_bytes(device))
    smaller = min(chosen.batch_size * 3 // 4, max(largest, 1)) // options.device_count * options.device_count
    if not _is_auto(options) or not smaller or group:
        what = f"The memory does not suffice for {name} with batch size {chosen.batch_size}."
        raise UserError(f"{what} What was saved of it is whole.", memory_advice(chosen, max(smaller, 1))) from error
    return replace(saved, options=saved.options | {"batch_size": smaller})


def _split_validation(
    saved: Checkpoint, faces: SideFaces, wanted: int | None, seed: int, report: Report
) -> tuple[Checkpoint, SideFaces, SideFaces]:
    """The checkpoint with the number of validation faces in its state, the faces to train on, the validation faces."""
    count = int(saved.state.get("held_out", 0)) if wanted is None else wanted
    saved = replace(saved, state=saved.state | {"held_out": count})
    if not count or not kind_of(saved.class_name).swaps_faces or saved.options.get("pretrain"):
        return saved, faces, {}
    from dfl.training.monitoring.validation_loss import split_sides

    training, validation = split_sides(faces, count, seed)
    found = min(map(len, validation.values()))
    summary = f"{found} of each side are tested on at saves" if found else "none: the facesets are too small"
    report.line(f"Held out of training: {summary}.")
    return saved, training, validation if found else {}


def _validation_of(
    objective: "Objective", saved: Checkpoint, validation: SideFaces
) -> Callable[[], tuple[float, ...]] | None:
    """The function that computes the validation losses; None without validation faces."""
    if not validation:
        return None
    from dfl.training.monitoring.validation_loss import ValidationLoss, validation_batches

    options = kind_of(saved.class_name).read_options(saved.options)
    return ValidationLoss(objective, list(validation_batches(validation, options, options.batch_size))).losses


def _report_start(name: str, options: TrainRunOptions, saved: Checkpoint, faces: SideFaces, report: Report) -> None:
    """The run's first lines: model, options, faces."""
    report.line(f"Model {name} ({options.model}), iteration {saved.iteration}. {MARK}: not the default.")
    for line in options_table(kind_of(saved.class_name).options, saved.options):
        report.line(line)
    both = f"{len(faces['src'])} src, {len(faces['dst'])} dst"
    shown = f"{len(faces['src'])} to pretrain on" if saved.options.get("pretrain") else both
    report.line(f"Faces: {shown}. Ctrl-C saves and stops.")


def _report_precision(engine: Engine, saved: Checkpoint, report: Report) -> None:
    """Offer the precision that the device is fast with; say when the chosen one is only emulated."""
    chosen, fast = str(saved.options["precision"]), engine.reduced_precision
    if chosen == "float32" and fast:
        report.line(f"This device computes {fast} faster, about twice: --precision {fast}. Weights stay float32.")
    elif engine.emulates(chosen):
        report.line(f"This device has no {chosen}: float32 is rounded instead, which saves neither time nor memory.")


def _fresh_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])
