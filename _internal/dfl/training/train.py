"""Stage `train`: choose the model, check the facesets, train until stopped, keep everything that was reached."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from dfl.base.asking import ask_options, ask_text, ask_yes
from dfl.base.errors import UserError
from dfl.base.options import declared
from dfl.base.report import Report
from dfl.faceset.faceset import FaceFile
from dfl.models.engine import start_engine
from dfl.models.options import AmpOptions, ModelOptions, Quick96Options, SaehdOptions
from dfl.models.saved_set import SavedSet, list_models, model_folder, read_set
from dfl.samples.batches import load_training_faces
from dfl.training.options import TrainRunOptions, given_model_options
from dfl.workspace import Side, Workspace

if TYPE_CHECKING:
    from dfl.training.trainer import Trainer

SIDES: tuple[Side, ...] = ("src", "dst")
OPTION_CLASSES: dict[str, type[ModelOptions]] = {"SAEHD": SaehdOptions, "AMP": AmpOptions, "Quick96": Quick96Options}


def run(workspace: Workspace, options: TrainRunOptions, report: Report) -> None:
    """Train until the target, the time, or Ctrl-C; goes on exactly where it stopped."""
    if options.ask:
        options = options.model_copy(update={"model": ask_text("Model", options.model, choices=tuple(OPTION_CLASSES))})
    name = options.name or _choose_name(workspace.model, options)
    folder = model_folder(workspace.model, name, options.model)
    faces = {side: load_training_faces(workspace.aligned(side), report) for side in SIDES}
    folder.mkdir(parents=True, exist_ok=True)
    with _only_trainer(folder):
        saved = _load_or_new(folder, name, options, report)
        report.line(str(start_engine(options.engine)))
        from dfl.training.setup import set_up
        from dfl.training.trainer import Trainer

        seed = int(saved.state.get("seed", options.seed if options.seed is not None else _fresh_seed()))
        _say_start(name, options, saved, faces, report)
        setup = set_up(saved, faces, seed, options.symmetric_warp)
        trainer = Trainer(folder, saved, setup.goal, setup.feeder, setup.optimizer, seed)
        try:
            _train(trainer, options, int(saved.options["target_iter"]), report)
        finally:
            trainer.close()


def _train(trainer: "Trainer", options: TrainRunOptions, target: int, report: Report) -> None:
    """The loop: step, line, save now and then; a save at the end, whatever ended it."""
    start = last_save = time.monotonic()
    since = first = trainer.iteration
    reason = ""
    with _stop_request() as stop:
        while not target or trainer.iteration < target:
            begin = time.perf_counter()
            losses = trainer.iterate()
            report.status(iteration_line(trainer.iteration, time.perf_counter() - begin, *losses))
            _tell(trainer, report)
            now = time.monotonic()
            reason = "stopped" if stop else "time is up" if 0 < options.minutes * 60 <= now - start else ""
            if reason:
                break
            if trainer.iteration == 1 or now - last_save >= options.save_minutes * 60:
                _save(trainer, since, report)
                since, last_save = trainer.iteration, time.monotonic()
        if trainer.iteration > since:
            _save(trainer, since, report)
    for problem in trainer.problems:
        report.warn(problem)
    done = trainer.iteration - first
    seconds = time.monotonic() - start
    waited = trainer.waited_seconds / seconds
    pace = f", {seconds / done:.2f} s each, {waited:.1%} of it waiting for samples" if done else ""
    report.done(
        f"{(reason or 'target reached').capitalize()}: iteration {trainer.iteration}, {done} in this run{pace}."
        f" Model and previews: {trainer.folder}",
        iteration=trainer.iteration,
        iterations=done,
    )


def _save(trainer: "Trainer", since: int, report: Report) -> None:
    """Save, and leave a line with the mean losses since the save before."""
    begin = time.perf_counter()
    losses = trainer.mean_losses(since)
    trainer.save()
    report.line(iteration_line(trainer.iteration, time.perf_counter() - begin, *losses) + " saved")


def _tell(trainer: "Trainer", report: Report) -> None:
    """Pass on what the trainer has to say."""
    for message in trainer.messages:
        report.warn(message)
    trainer.messages.clear()


def iteration_line(iteration: int, seconds: float, *losses: float) -> str:
    """The original's line: `[12:34:56][#001234][0123ms][0.1234][0.2345]`."""
    spent = f"{seconds * 1000:04.0f}ms" if seconds < 10 else f"{seconds:.4f}"[:5] + "s"
    shown = "".join(f"[{loss:.4f}]" for loss in losses)
    return f"[{time.strftime('%H:%M:%S')}][#{iteration:06d}][{spent}]{shown}"


def _choose_name(models: Path, options: TrainRunOptions) -> str:
    """The model that was saved last, or `new`; with questions, the original's list of models."""
    names = [name for name, _ in list_models(models, options.model)]
    if not options.ask:
        return names[0] if names else "new"
    if not names:
        return ask_text("No saved models found. Enter a name of a new model", "new").replace("_", " ")
    for index, name in enumerate(names):
        print(f"[{index}] : {name}{' - latest' if index == 0 else ''}")
    answer = ask_text("Choose a saved model, or enter a name to create a new one", "0")
    return names[min(int(answer), len(names) - 1)] if answer.isdigit() else answer.replace("_", " ")


def _load_or_new(folder: Path, name: str, options: TrainRunOptions, report: Report) -> SavedSet:
    """The saved model with the changes that were asked for, or a new one without weights."""
    kind = OPTION_CLASSES[options.model]
    given = given_model_options(options)
    foreign = sorted(set(given) - set(kind.model_fields))
    if foreign:
        raise UserError(f"{options.model} has no option {', '.join(foreign)}.", "Leave it out, or use --model SAEHD.")
    if (name, options.model) not in list_models(folder.parent, options.model):
        known = (_ask_model(kind, given, set(given)) if options.ask else {}) | given
        defaults = {key: kind.default_of(key, known) for key in kind.model_fields}
        return SavedSet(options.model, kind(**(defaults | known)).model_dump(), 0, {})
    saved = read_set(folder, report.warn, set_aside=True)
    fixed = {key for key in kind.model_fields if _is_fixed(kind, key)}
    for key in sorted(fixed & set(given)):
        if given[key] != saved.options.get(key):
            raise UserError(
                f"Model {name} was made with {key} {saved.options.get(key)}; it cannot become {given[key]}.",
                "Leave the option out, or start a new model: --name NAME.",
            )
    answers = {}
    if options.ask and ask_yes("Change the model's options?", False):
        answers = _ask_model(kind, saved.options | given, fixed | set(given))
    changed = kind(**(saved.options | answers | given)).model_dump()
    for key, value in changed.items():
        if key in saved.options and value != saved.options[key]:
            report.line(f"{key}: {saved.options[key]} -> {value}")
    return SavedSet(
        saved.class_name, changed, saved.iteration, saved.weights, saved.optimizer, saved.history, saved.state
    )


def _ask_model(kind: type[ModelOptions], defaults: dict[str, Any], skip: set[str]) -> dict[str, Any]:
    """Put a model's questions; one that does not fit is explained and all are put again."""
    while True:
        answers = ask_options(kind, defaults, skip=skip)
        try:
            kind(**(defaults | answers))
        except UserError as error:
            print(f"{error.what} {error.todo}")
            continue
        return answers


def _is_fixed(kind: type[ModelOptions], key: str) -> bool:
    return bool(declared(kind.model_fields[key], "fixed"))


def _say_start(
    name: str, options: TrainRunOptions, saved: SavedSet, faces: dict[Side, list[FaceFile]], report: Report
) -> None:
    """What is trained on what: the run's first lines."""
    shown = ", ".join(f"{key} {value}" for key, value in saved.options.items())
    report.line(f"Model {name} ({options.model}), iteration {saved.iteration}: {shown}.")
    report.line(f"Faces: {len(faces['src'])} src, {len(faces['dst'])} dst. Ctrl-C saves and stops.")


def _fresh_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])


@contextmanager
def _only_trainer(folder: Path) -> Iterator[None]:
    """Hold the model's lock; a second trainer on the same model is refused."""
    lock = FileLock(folder / "training.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{folder.name} is being trained by another program.", "Close that one first.") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _stop_request() -> Iterator[list[int]]:
    """Collect Ctrl-C (and the system's request to end) instead of breaking off in the middle of a step or save."""
    requests: list[int] = []

    def remember(number: int, _: object) -> None:
        if not requests:
            print("\nFinishing this iteration, then saving.", flush=True)
        requests.append(number)

    numbers = [signal.SIGINT, signal.SIGTERM] + ([signal.SIGBREAK] if hasattr(signal, "SIGBREAK") else [])
    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
