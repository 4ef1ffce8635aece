"""Open a saved model for merging."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dfl.base.errors import UserError
from dfl.base.options import checked
from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.models.checkpoint import finished_checkpoints, list_models, model_folder, read_checkpoint
from dfl.models.engine import start_engine
from dfl.models.options import AmpOptions, Quick96Options, SaehdOptions
from dfl.models.original_files import find_models, not_taken_over

if TYPE_CHECKING:
    import keras

    from dfl.models.amp import AmpSwapModel
    from dfl.models.saehd import Saehd, SaehdSwapModel
    from dfl.models.xseg import XsegModel
    from dfl.nets.amp import Amp
    from dfl.nets.xseg import XSeg

# Classes that swap faces; XSeg, whose one model has its class as its name, only draws masks.
SWAP_CLASSES = ("SAEHD", "AMP", "Quick96")
XSEG = "XSeg"
_OTHER_VERSION = "The model's options were changed or are those of a newer dfl: update dfl, or put a backup back."


class KerasNetwork(Protocol):
    """The networks of a model: weights by name, and those of them that a step moves."""

    def weights(self) -> "dict[str, keras.Variable]": ...

    def trained_weights(self) -> "dict[str, keras.Variable]": ...


def find_model(models: Path, name: str | None, class_name: str | None = None) -> tuple[str, str] | None:
    """(name, class) of the model that swaps faces which was saved last, of those of that name and class."""
    found = ((own, kind) for own, kind in list_models(models, class_name) if kind in SWAP_CLASSES)
    return next(((own, kind) for own, kind in found if name in (None, own)), None)


def open_model(
    models: Path, name: str | None, class_name: str | None, engine: str | None, report: Report, morph: float = 1.0
) -> "SaehdSwapModel | AmpSwapModel":
    """The model of that name and class, or the one that was saved last; starts the engine.

    morph: 0..1, how far AMP goes from dst to src. Raises UserError when there is none, or none of that name.
    """
    chosen = find_model(models, name, class_name)
    if chosen is None:
        have = ", ".join(f"{own} ({kind})" for own, kind in list_models(models)) or "none"
        raise UserError(
            f"There is no model{f' {name}' if name else ''} in {models}. Models: {have}.",
            "Train one (3_train.bat, `dfl train`), or import one with `dfl import model FOLDER`.",
        )
    saved = read_checkpoint(model_folder(models, *chosen), report.warn)
    report.line(str(start_engine(engine)))
    from dfl.models.amp import AmpSwapModel
    from dfl.models.saehd import Saehd, SaehdSwapModel
    from dfl.nets.xseg import XSeg

    network = build_network(saved.class_name, saved.options)
    assert not isinstance(network, XSeg)
    set_weights(network, saved.weights, f"{chosen[0]}_{chosen[1]}")
    if isinstance(network, Saehd):
        return SaehdSwapModel(network, chosen[0], saved.iteration, saved.digest)
    face_type = FaceType.from_name(saved.options["face_type"])
    return AmpSwapModel(network, face_type, chosen[0], saved.iteration, morph, saved.digest)


def open_xseg(models: Path, engine: str | None, report: Report) -> "XsegModel":
    """The folder's XSeg model; starts the engine, without a word.

    UserError when there is none, or one that cannot draw masks yet.
    """
    folder = model_folder(models, XSEG, XSEG)
    if not finished_checkpoints(folder):
        check_xseg_name(models)
        if (XSEG, XSEG) in find_models(models):
            raise not_taken_over(models, XSEG, XSEG, "Or train a new one: move its files away first.")
        raise UserError(
            f"There is no XSeg model in {models}.",
            "Train one (`dfl xseg-train`), or import one with `dfl import model FOLDER`.",
        )
    saved = read_checkpoint(folder, report.warn)
    if saved.options.get("pretrain"):
        raise UserError(
            f"The XSeg model in {models} is still pretraining: it draws no masks.",
            "Train it on with pretraining switched off: `dfl xseg-train --no-pretrain`.",
        )
    start_engine(engine)
    from dfl.models.xseg import XsegModel
    from dfl.nets.xseg import XSeg

    network = build_network(saved.class_name, saved.options)
    assert isinstance(network, XSeg)
    set_weights(network, saved.weights, folder.name)
    return XsegModel(network, FaceType.from_name(saved.options["face_type"]), saved.iteration, saved.digest)


def check_xseg_name(models: Path) -> None:
    """UserError when there is an XSeg model under another name only: no stage would find it."""
    names = [name for name, _ in list_models(models, XSEG)]
    if names and XSEG not in names:
        raise UserError(
            f"The XSeg model in {models} is called {names[0]}; it is found by the name XSeg only.",
            f'Rename it: `dfl models rename --name "{names[0]}" --model XSeg --new-name XSeg`.',
        )


def build_network(class_name: str, options: dict[str, Any]) -> "Saehd | Amp | XSeg":
    """Networks with start values for a model's class and stored options. The engine must be started."""
    from dfl.models.amp import build_amp
    from dfl.models.saehd import Saehd
    from dfl.models.xseg import build_xseg

    if class_name == XSEG:
        return build_xseg()
    if class_name == "AMP":
        return build_amp(checked(AmpOptions, options, _OTHER_VERSION))
    if class_name == "SAEHD":
        return Saehd(checked(SaehdOptions, options, _OTHER_VERSION))
    if class_name == "Quick96":
        return Saehd.quick96(checked(Quick96Options, options, _OTHER_VERSION))
    raise UserError(f"Models of class {class_name} are not known.", f"Known: {', '.join((*SWAP_CLASSES, XSEG))}.")


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
