"""Which model is trained: its name, and its saved set with what is changed now, or a new one."""

from pathlib import Path
from typing import Any

from dfl.base.asking import ask_options, ask_text, ask_yes
from dfl.base.errors import UserError
from dfl.base.options import declared
from dfl.base.report import Report
from dfl.models.keep import check_name, rename_model, trash_model
from dfl.models.open_model import XSEG
from dfl.models.options import AmpOptions, ModelOptions, Quick96Options, SaehdOptions, XsegOptions
from dfl.models.saved_set import SavedSet, list_models, model_folder, read_set
from dfl.training.new_start import after_pretraining, started_from
from dfl.training.options import AUTO, TrainRunOptions, given_model_options
from dfl.training.presets import find_device, preset_options
from dfl.workspace import Workspace

OPTION_CLASSES: dict[str, type[ModelOptions]] = {
    "SAEHD": SaehdOptions,
    "AMP": AmpOptions,
    "Quick96": Quick96Options,
    XSEG: XsegOptions,
}


def choose_name(workspace: Workspace, options: TrainRunOptions) -> str:
    """The name that was given, else the model that was saved last, or `new`; with questions, the original's list.

    XSeg, of which a workspace has one, is called so. UserError for a name that no folder can have.
    """
    if options.model == XSEG and options.name not in (None, XSEG):
        raise UserError("The XSeg model has no other name.", "Leave --name out.")
    if options.model == XSEG or options.name:
        return check_name(options.name or XSEG)
    if options.ask:
        return check_name(_ask_name(workspace, options.model))
    names = [name for name, _ in list_models(workspace.model, options.model)]
    return names[0] if names and not options.start_from else "new"


def silent_start(models: Path, options: TrainRunOptions) -> TrainRunOptions:
    """Without questions, and unless the user names it, of the class that was saved last."""
    classes = [kind for _, kind in list_models(models) if kind in OPTION_CLASSES]
    is_free = classes and "model" not in options.model_fields_set
    return options.model_copy(update={"ask": False} | ({"model": classes[0]} if is_free else {}))


def _ask_name(workspace: Workspace, class_name: str) -> str:
    """The original's list of models: a number chooses, r renames, d deletes, anything else is a new model's name."""
    while True:
        names = [name for name, _ in list_models(workspace.model, class_name)]
        if not names:
            return ask_text("No saved models found. Enter a name of a new model", "new").replace("_", " ")
        for index, name in enumerate(names):
            print(f"[{index}] : {name}{' - latest' if index == 0 else ''}")
        print("[r] : rename\n[d] : delete")
        answer = ask_text("Choose a saved model, or enter a name to create a new one", "0")
        if answer.isdigit():
            return names[min(int(answer), len(names) - 1)]
        if answer not in ("r", "d"):
            return answer.replace("_", " ")
        try:
            _rename_or_delete(workspace, class_name, names, answer)
        except UserError as error:
            print(f"{error.what} {error.todo}")


def _rename_or_delete(workspace: Workspace, class_name: str, names: list[str], answer: str) -> None:
    """Do what [r] and [d] of the list do."""
    word = "rename" if answer == "r" else "delete"
    typed = ask_text(f"Which model to {word}, by number or name", "")
    name = names[int(typed)] if typed.isdigit() and int(typed) < len(names) else typed
    if name not in names:
        return
    if answer == "r":
        rename_model(workspace.model, name, class_name, ask_text("New name", name))
    elif ask_yes(f"Move {name} with its backups to {workspace.model_trash.name}?", False):
        trash_model(workspace.model, name, class_name, workspace.model_trash)


def load_or_new(folder: Path, name: str, options: TrainRunOptions, report: Report) -> SavedSet:
    """The saved model with the changes that were asked for, or a new one without weights.

    A batch size of `auto` changes nothing: it is found when the device is known.
    """
    kind = OPTION_CLASSES[options.model]
    given = {key: value for key, value in given_model_options(options).items() if value != AUTO}
    foreign = sorted(set(given) - set(kind.model_fields))
    if foreign:
        raise UserError(f"{options.model} has no option {', '.join(foreign)}.", "Leave it out, or use --model SAEHD.")
    if (name, options.model) not in list_models(folder.parent, options.model):
        if options.start_from:
            return _start_from(folder.parent, kind, options, report)
        return _new(kind, options, _preset(options, report) | given)
    if options.start_from or options.preset:
        raise UserError(
            f"{name} ({options.model}) exists; --start-from and --preset are for new models.",
            "Name a new one: --name NAME.",
        )
    saved = read_set(folder, report.warn, set_aside=True)
    asks_restart = options.ask and options.model == XSEG
    if options.restart or (asks_restart and ask_yes("Restart training?", False, help="Begin with fresh weights.")):
        report.line(f"{name} begins anew; what it has learned until iteration {saved.iteration} becomes a backup.")
        return _new(kind, options, saved.options | given)
    fixed = {key for key in kind.model_fields if _is_fixed(kind, key)}
    _refuse_other({key: saved.options.get(key) for key in fixed}, given, name)
    answers = {}
    if options.ask and ask_yes("Change the model's options?", False):
        answers = _ask_model(kind, saved.options | given, fixed | set(given))
    changed = kind(**(saved.options | answers | given)).model_dump()
    for key, value in changed.items():
        if key in saved.options and value != saved.options[key]:
            report.line(f"{key}: {saved.options[key]} -> {value}")
    if options.model == "SAEHD" and saved.options.get("pretrain") and not changed["pretrain"]:
        return after_pretraining(saved, changed, report)
    if options.model == XSEG and saved.options.get("pretrain") and not changed["pretrain"]:
        report.line(
            "Pretraining is over: the weights are kept, iterations are counted anew. The pretrained model becomes a "
            "backup."
        )
        return SavedSet(saved.class_name, changed, 0, saved.weights, saved.optimizer, state=saved.state)
    return SavedSet(
        saved.class_name, changed, saved.iteration, saved.weights, saved.optimizer, saved.history, saved.state
    )


def _preset(options: TrainRunOptions, report: Report) -> dict[str, Any]:
    """What the preset sets, every value told."""
    if not options.preset:
        return {}
    device = find_device()
    chosen = preset_options(options.preset, options.model, device)
    report.line(
        f"Preset {options.preset} for {device}: {', '.join(f'{key} {value}' for key, value in chosen.items())}."
    )
    return chosen


def _start_from(models: Path, kind: type[ModelOptions], options: TrainRunOptions, report: Report) -> SavedSet:
    """A new model with another one's weights and fixed options; the others are asked, given or as for a new model."""
    source_name = str(options.start_from)
    if (source_name, options.model) not in list_models(models, options.model):
        have = ", ".join(name for name, _ in list_models(models, options.model)) or "none"
        raise UserError(f"There is no {options.model} model {source_name} to start from. Models: {have}.", "Name one.")
    source = read_set(model_folder(models, source_name, options.model), report.warn)
    fixed = {key: value for key, value in source.options.items() if key in kind.model_fields and _is_fixed(kind, key)}
    given = given_model_options(options)
    _refuse_other(fixed, given, source_name)
    known = fixed | given | (_ask_model(kind, fixed | given, set(fixed | given)) if options.ask else {})
    defaults = {key: kind.default_of(key, known) for key in kind.model_fields}
    return started_from(source, kind(**(defaults | known)).model_dump(), options.reset_inter, source_name, report)


def _refuse_other(fixed: dict[str, Any], given: dict[str, Any], name: str) -> None:
    """UserError for a fixed option that is given another value."""
    for key in sorted(set(fixed) & set(given)):
        if given[key] != fixed[key]:
            raise UserError(
                f"Model {name} was made with {key} {fixed[key]}; it cannot become {given[key]}.",
                "Leave the option out, or start a new model: --name NAME.",
            )


def _new(kind: type[ModelOptions], options: TrainRunOptions, given: dict[str, Any]) -> SavedSet:
    """A model without weights. given: what need not be its default, and is not asked if the user said it."""
    said = set(given_model_options(options))
    known = given | (_ask_model(kind, given, said) if options.ask else {})
    defaults = {key: kind.default_of(key, known) for key in kind.model_fields}
    return SavedSet(options.model, kind(**(defaults | known)).model_dump(), 0, {})


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
