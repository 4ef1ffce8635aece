"""Warm starts: a model that begins with the weights of another one, or with its own from pretraining."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dfl.base.files import move
from dfl.base.report import Report
from dfl.models.backups import make_backup
from dfl.models.checkpoint import Checkpoint, finished_checkpoints, peek, write_checkpoint
from dfl.models.kinds import KINDS, kind_of
from dfl.training.preview.history import history_folder

if TYPE_CHECKING:
    from dfl.models.open_model import KerasNetwork

# In a checkpoint's state: prefixes of the weights that get start values. Only between reading it and `begin`.
_ANEW = "starts_anew"
# Prefixes of the discriminators' weights.
_DISCRIMINATORS = tuple({f"{name}/" for kind in KINDS.values() for name, _, _ in kind.discriminators})


def after_pretraining(saved: Checkpoint, options: dict[str, Any], report: Report) -> Checkpoint:
    """A pretrained model with `options` that switch pretraining off, as the original goes on with it.

    Iterations and losses are counted anew and the networks between encoder and decoder get start values; all other
    weights and the optimizers' state stay.
    """
    parts = _inter_parts(saved.class_name, options)
    anew = f"{_names(parts)} {'begin' if len(parts) > 1 else 'begins'} with start values, " if parts else ""
    report.line(
        f"Pretraining is over after {saved.iteration} iterations: they and the losses are counted anew, {anew}"
        "everything else is kept. The pretrained model becomes a backup."
    )
    state = saved.state | ({_ANEW: list(parts)} if parts else {})
    return Checkpoint(saved.class_name, options, 0, saved.weights, saved.optimizer, saved.history[:0], state)


def started_from(
    source: Checkpoint, options: dict[str, Any], has_new_inter: bool, name: str, report: Report
) -> Checkpoint:
    """A new model with the weights of a trained one. name: of the trained one.

    Iteration, losses, optimizers, discriminators and the faces of previews begin anew; with `has_new_inter` also the
    networks between encoder and decoder.
    """
    parts = _inter_parts(source.class_name, options) if has_new_inter else ()
    weights = {key: array for key, array in source.weights.items() if not key.startswith(_DISCRIMINATORS)}
    anew = ["iteration, history, optimizer, discriminators, preview faces", *([_names(parts)] if parts else [])]
    report.line(
        f"Starts from {name} at iteration {source.iteration}. Kept: weights and fixed options. Anew: {', '.join(anew)}."
    )
    return Checkpoint(source.class_name, options, 0, weights, {}, source.history[:0], {_ANEW: list(parts)})


def begin(
    folder: Path, saved: Checkpoint, network: "KerasNetwork", seed: int, warn: Callable[[str], None] = lambda _: None
) -> Checkpoint:
    """Give the parts that begin anew the start values of `network`, and save that as the model's first checkpoint.

    That is so after pretraining, with --start-from, and with --restart, whose checkpoint has no weights. What the
    folder held before becomes a backup; its history is set aside, and `warn` is told where it cannot be. Other
    checkpoints are returned as they are.
    """
    is_over_another = saved.iteration == 0 and bool(finished_checkpoints(folder)) and peek(folder)["iteration"] > 0
    if _ANEW not in saved.state and not is_over_another:
        return saved
    from keras import ops

    parts = tuple(saved.state.get(_ANEW, ())) if saved.weights else ("",)
    fresh = {
        name: np.array(ops.convert_to_numpy(weight))
        for name, weight in network.weights().items()
        if parts and name.startswith(parts)
    }
    state = {key: value for key, value in saved.state.items() if key != _ANEW} | {"seed": seed}
    begun = replace(saved, weights={**saved.weights, **fresh}, state=state)
    if finished_checkpoints(folder):
        make_backup(folder)
        what = "pretraining" if saved.weights else "restart"
        _set_aside(folder / "history.csv", what, warn)
        _set_aside(history_folder(folder), what, warn)
    write_checkpoint(folder, begun)
    return begun


def _set_aside(path: Path, what: str, warn: Callable[[str], None]) -> None:
    """Rename a file or folder: `history.csv` to `history-pretraining.csv`, or with a number behind."""
    if not path.exists():
        return
    target, number = path.with_name(f"{path.stem}-{what}{path.suffix}"), 2
    while target.exists():
        target, number = path.with_name(f"{path.stem}-{what}-{number}{path.suffix}"), number + 1
    try:
        move(path, target)
    except OSError as error:
        # On Windows a spreadsheet or viewer that has it open forbids this; it may allow reading.
        try:
            shutil.copytree(path, target) if path.is_dir() else shutil.copyfile(path, target)
        except OSError:
            warn(f"{path} could not be set aside as {target.name}: {error.strerror or error}.")


def _inter_parts(class_name: str, options: dict[str, Any]) -> tuple[str, ...]:
    """What the names of weights between encoder and decoder begin with: `inter/`."""
    return tuple(f"{part}/" for part in kind_of(class_name).inter_parts(options))


def _names(parts: Sequence[str]) -> str:
    return " and ".join(part.rstrip("/") for part in parts)
