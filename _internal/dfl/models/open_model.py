"""Open a saved model: networks with its weights, and what merging or xseg-apply calls."""

import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.models.checkpoint import Checkpoint, finished_checkpoints, list_models, model_folder, peek, read_checkpoint
from dfl.models.engine import start_engine
from dfl.models.kinds import SWAP_CLASSES, XSEG, kind_of
from dfl.models.original_files import find_models, not_imported

if TYPE_CHECKING:
    import keras

    from dfl.models.amp import AmpSwapModel
    from dfl.models.saehd import SaehdSwapModel
    from dfl.models.xseg import XsegModel


class KerasNetwork(Protocol):
    """The networks of a model: all weights by name, and those of them that training updates."""

    def weights(self) -> "dict[str, keras.Variable]": ...

    def trained_weights(self) -> "dict[str, keras.Variable]": ...


def find_model(models: Path, name: str | None, class_name: str | None = None) -> tuple[str, str] | None:
    """(name, class) of the model that swaps faces which was saved last, of those of that name and class."""
    found = ((own, kind) for own, kind in list_models(models, class_name) if kind in SWAP_CLASSES)
    return next(((own, kind) for own, kind in found if name in (None, own)), None)


def no_model(models: Path, name: str | None) -> UserError:
    """Why there is no model to merge with, and the way out."""
    have = ", ".join(f"{own} ({kind})" for own, kind in list_models(models)) or "none"
    return UserError(
        f"There is no model{f' {name}' if name else ''} in {models}. Models: {have}.",
        "Train one (3_train.bat, `dfl train`), or import one with `dfl import model FOLDER`.",
    )


def open_model(
    models: Path, name: str | None, class_name: str | None, engine: str | None, report: Report, **merge_options: Any
) -> "SaehdSwapModel | AmpSwapModel":
    """The model of that name and class, or the one that was saved last; starts the engine.

    merge_options: by name; what only other kinds have is ignored. Raises UserError when there is no model, or none of
    that name.
    """
    chosen = find_model(models, name, class_name)
    if chosen is None:
        raise no_model(models, name)
    saved = read_checkpoint(model_folder(models, *chosen), report.warn)
    report.line(str(start_engine(engine)))
    own = {key: value for key, value in merge_options.items() if key in kind_of(saved.class_name).merge_options}
    model: SaehdSwapModel | AmpSwapModel = _opened(saved, chosen[0], own)
    return model


def open_xseg(models: Path, engine: str | None, report: Report) -> "XsegModel":
    """The folder's XSeg model; starts the engine, without a word.

    UserError when there is none, or one that cannot draw masks yet.
    """
    saved = read_checkpoint(need_xseg(models), report.warn)
    start_engine(engine)
    model: XsegModel = _opened(saved, XSEG, {})
    return model


def need_xseg(models: Path) -> Path:
    """The folder of the XSeg model; UserError when there is none, or one that cannot draw masks yet."""
    folder = model_folder(models, XSEG, XSEG)
    if not finished_checkpoints(folder):
        check_xseg_name(models)
        if (XSEG, XSEG) in find_models(models):
            raise not_imported(models, XSEG, XSEG, "Or train a new one: move its files away first.")
        raise UserError(
            f"There is no XSeg model in {models}.",
            "Train one (`dfl xseg-train`), or import one with `dfl import model FOLDER`.",
        )
    if peek(folder)["options"].get("pretrain"):
        raise UserError(
            f"The XSeg model in {models} is still pretraining: it draws no masks.",
            "Train it on with pretraining switched off: `dfl xseg-train --no-pretrain`.",
        )
    return folder


def check_xseg_name(models: Path) -> None:
    """UserError when there is an XSeg model under another name only: no stage would find it."""
    names = [name for name, _ in list_models(models, XSEG)]
    if names and XSEG not in names:
        raise UserError(
            f"The XSeg model in {models} is called {names[0]}; it is found by the name XSeg only.",
            f'Rename it: `dfl models rename --name "{names[0]}" --model XSeg --new-name XSeg`.',
        )


def _opened(saved: Checkpoint, name: str, merge_options: dict[str, Any]) -> Any:
    """The predictor of a checkpoint. The engine must be started."""
    kind = kind_of(saved.class_name)
    network = build_network(saved.class_name, saved.options)
    set_weights(network, saved.weights, f"{name}_{saved.class_name}")
    face_type, _ = kind.face(saved.options)
    predictor = pkgutil.resolve_name(kind.predictor)
    return predictor(network, face_type, name, saved.iteration, saved.digest, **merge_options)


def build_network(class_name: str, options: dict[str, Any]) -> Any:
    """Networks with start values for a model's class and stored options. The engine must be started."""
    kind = kind_of(class_name)
    return kind.build(kind.read_options(options))


def set_weights(network: "KerasNetwork", arrays: Mapping[str, Any], name: str) -> None:
    """Put arrays into the networks; UserError names the first array that is missing or has another shape."""
    for key, weight in network.weights().items():
        array = arrays.get(key)
        shape = getattr(array, "shape", None)
        if shape != tuple(weight.shape):
            have = "is missing" if array is None else f"has shape {shape}"
            raise UserError(
                f"Model {name}: {key} {have}, expected shape {tuple(weight.shape)}.",
                "The file does not fit the model's options: use another copy of the model. Nothing was changed.",
            )
    for key, weight in network.weights().items():
        weight.assign(arrays[key])
