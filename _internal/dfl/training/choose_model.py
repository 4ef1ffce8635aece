"""The model to train: its name, and its checkpoint with the options given now, or a new one."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from dfl.base.asking import ask_yes
from dfl.base.errors import UserError
from dfl.base.options import checked, declared
from dfl.base.report import Report
from dfl.interop.offer import offer_import
from dfl.models.backups import list_backups
from dfl.models.checkpoint import Checkpoint, list_models, model_folder, peek, read_checkpoint
from dfl.models.engine import start_engine
from dfl.models.kinds import KINDS, SWAP_CLASSES, kind_of
from dfl.models.model_store import check_name
from dfl.models.open_model import check_xseg_name
from dfl.models.options import ModelOptions
from dfl.training.ask_model import ModelQuestions
from dfl.training.ask_run import ask_name
from dfl.training.options import AUTO, TrainRunOptions, given_model_options
from dfl.training.presets import Device, PresetName, find_device, preset_options
from dfl.training.warm_start import after_pretraining, started_from
from dfl.workspace import Workspace

# Keys of a checkpoint's state: the preset, or the other model, that it was started with.
BEGUN_BY_PRESET, BEGUN_FROM = "begun_by_preset", "begun_from"
_NOT_THESE = "Give another value, or leave the option out."
_RESTART_HELP = "y: begin with fresh weights; the last checkpoint becomes a backup. n: go on."
_CHANGE_HELP = (
    "y: put the questions about its options; those that cannot change any more are left out. n: go on as it is."
)


def choose_name(workspace: Workspace, options: TrainRunOptions, report: Report) -> str:
    """The name that was given, else that of the model saved last, or `new`; with questions, the original's list.

    XSeg has no other name: a workspace has one. UserError for a name that no folder can have.
    """
    if not kind_of(options.model).swaps_faces:
        if options.name not in (None, options.model):
            raise UserError(f"The {options.model} model has no other name.", "Leave --name out.")
        return options.model
    if options.name:
        return check_name(options.name, options.model)
    if options.ask:
        return ask_name(workspace, options, report)
    names = [name for name, _ in list_models(workspace.model, options.model)]
    if options.start_from or options.preset:  # the same command again continues the model that it started
        begun = [name for name in names if is_begun_by(model_folder(workspace.model, name, options.model), options)]
        return begun[0] if begun else "new" if options.start_from or not names else names[0]
    return names[0] if names else "new"


def is_begun_by(folder: Path, options: TrainRunOptions) -> bool:
    """Whether this model was started with the same --preset or --start-from."""
    try:
        state = peek(folder)["state"]
    except UserError:
        return False
    return any(
        value is not None and state.get(key) == value
        for key, value in ((BEGUN_BY_PRESET, options.preset), (BEGUN_FROM, options.start_from))
    )


def import_original(workspace: Workspace, options: TrainRunOptions, report: Report) -> TrainRunOptions:
    """Offer to import a model of the original from the folder `model`; the returned options name it.

    Without questions: UserError that gives the command.
    """
    swaps_faces = kind_of(options.model).swaps_faces
    any_class = swaps_faces and "model" not in options.model_fields_set and not options.ask
    wanted = options.start_from or options.name
    otherwise = "Or start a new one under another name: --name NAME."
    if not swaps_faces:
        wanted = None
        otherwise = f"Or start a new one: move its files ({options.model}_...) to another folder first."
    elif options.start_from:
        otherwise = ""
    for classes in ((options.model,), *((SWAP_CLASSES,) if any_class else ())):
        imported = offer_import(workspace, wanted, classes, options.ask, otherwise, report)
        if imported and not options.start_from:
            return options.model_copy(update={"name": imported[0], "model": imported[1], "preset": None})
    return options


def silent_start(models: Path, options: TrainRunOptions) -> TrainRunOptions:
    """The options without questions; the class is that of the model saved last unless the user named one."""
    classes = [kind for _, kind in list_models(models) if kind in KINDS]
    is_free = classes and "model" not in options.model_fields_set
    return options.model_copy(update={"ask": False} | ({"model": classes[0]} if is_free else {}))


def load_or_new(workspace: Workspace, name: str, options: TrainRunOptions, report: Report) -> Checkpoint:
    """The saved model with changed options, or a new one without weights.

    A batch size of `auto` is left out here: it is found when the device is known.
    """
    folder = model_folder(workspace.model, name, options.model)
    kind, questions = kind_of(options.model).options, ModelQuestions(workspace, options, report)
    given = {key: value for key, value in given_model_options(options).items() if value != AUTO}
    foreign = sorted(set(given) - set(kind.model_fields))
    if foreign:
        raise UserError(f"{options.model} has no option {', '.join(foreign)}.", "Leave it out, or use --model SAEHD.")
    if (name, options.model) not in list_models(folder.parent, options.model):
        _check_nothing_is_left(folder, name, options)
        if options.start_from:
            return _start_from(workspace.model, kind, options, questions, report)
        return _new(kind, options, _preset(options, report) | given, questions)
    saved = read_checkpoint(folder, report.warn, set_aside=True)
    if options.start_from or options.preset:
        _check_same_start(saved, kind, options, given, name, report)
    if options.seed is not None and saved.state.get("seed", options.seed) != options.seed:
        report.line(f"--seed applies to new models only: {name} keeps its own, {saved.state['seed']}.")
    asks_restart = options.ask and not kind_of(options.model).swaps_faces
    if options.restart or (asks_restart and ask_yes("Restart training?", False, help=_RESTART_HELP)):
        report.line(
            f"{name} restarts with new weights; its checkpoint of iteration {saved.iteration} becomes a backup."
        )
        return _new(kind, options, saved.options | given, questions)
    fixed = {key for key in kind.model_fields if _is_fixed(kind, key)}
    _refuse_other({key: saved.options.get(key) for key in fixed}, given, name)
    answers = {}
    if options.ask and kind.has_questions:
        left = questions.left_changes(folder.name, saved.iteration)
        if ask_yes("Change the model's options?", bool(left), help=_CHANGE_HELP):
            known = saved.options | left | given
            answers = questions.ask_changes(kind, folder.name, saved.iteration, known, fixed | set(given))
    changed = checked(kind, saved.options | answers | given, _NOT_THESE).model_dump()
    for key, value in changed.items():
        if key in saved.options and value != saved.options[key]:
            report.line(f"{key}: {saved.options[key]} -> {value}")
    if saved.options.get("pretrain") and not changed["pretrain"]:
        return after_pretraining(saved, changed, report)
    return Checkpoint(
        saved.class_name, changed, saved.iteration, saved.weights, saved.optimizer, saved.history, saved.state
    )


def _check_nothing_is_left(folder: Path, name: str, options: TrainRunOptions) -> None:
    """UserError where the folder of a new model holds backups of an older one."""
    if not kind_of(options.model).swaps_faces:
        check_xseg_name(folder.parent)
    if list_backups(folder):
        raise UserError(
            f"The model {name} ({options.model}) has no whole checkpoint any more, but backups.",
            f'Restore the newest (`dfl models restore --name "{name}" --model {options.model}`), or start a new model '
            "under another name: --name NAME.",
        )


def _check_same_start(
    saved: Checkpoint,
    kind: type[ModelOptions],
    options: TrainRunOptions,
    given: dict[str, Any],
    name: str,
    report: Report,
) -> None:
    """Allow --preset or --start-from for an existing model only if it was started so; UserError otherwise."""
    state = saved.state
    what, word = f"--preset {options.preset}", "applies"
    if options.start_from:
        what = f"--start-from {options.start_from}"
        is_same = state.get(BEGUN_FROM) == options.start_from
        if options.preset:
            what, word = f"{what} and --preset", "apply"
    elif state.get(BEGUN_BY_PRESET) == options.preset:
        is_same = True
    else:
        wanted = preset_options(cast(PresetName, options.preset), options.model, _device(options)) | given
        is_same = all(saved.options.get(key) == value for key, value in wanted.items() if _is_fixed(kind, key))
    if not is_same:
        raise UserError(
            f"The model {name} ({options.model}) exists, and {what} would start a different one.",
            "Name a new one (--name NAME), or leave that option out to continue it.",
        )
    report.line(f"{what} {word} to new models only: {name} continues from iteration {saved.iteration} as it is.")


def _device(options: TrainRunOptions) -> Device:
    """The device of training; starts the engine to find it."""
    return find_device(start_engine(options.engine, options.device_count))


def _preset(options: TrainRunOptions, report: Report) -> dict[str, Any]:
    """The options that the preset sets; reports them."""
    if not options.preset:
        return {}
    device = _device(options)
    chosen = preset_options(options.preset, options.model, device)
    report.line(
        f"Preset {options.preset} for {device}: {', '.join(f'{key} {value}' for key, value in chosen.items())}."
    )
    return chosen


def _start_from(
    models: Path, kind: type[ModelOptions], options: TrainRunOptions, questions: ModelQuestions, report: Report
) -> Checkpoint:
    """A new model with another one's weights and fixed options; the others are given, asked for, or defaults."""
    source_name = str(options.start_from)
    if (source_name, options.model) not in list_models(models, options.model):
        have = ", ".join(name for name, _ in list_models(models, options.model)) or "none"
        raise UserError(f"There is no {options.model} model {source_name} to start from. Models: {have}.", "Name one.")
    source = read_checkpoint(model_folder(models, source_name, options.model), report.warn)
    fixed = {key: value for key, value in source.options.items() if key in kind.model_fields and _is_fixed(kind, key)}
    given = {key: value for key, value in given_model_options(options).items() if value != AUTO}
    _refuse_other(fixed, given, source_name)
    begun = _begun(kind, options.ask, fixed | given, set(fixed | given), questions)
    saved = started_from(source, begun, options.reset_inter, source_name, report)
    return replace(saved, state=saved.state | {BEGUN_FROM: source_name})


def _refuse_other(fixed: dict[str, Any], given: dict[str, Any], name: str) -> None:
    """UserError for a fixed option that is given another value."""
    for key in sorted(set(fixed) & set(given)):
        if given[key] != fixed[key]:
            raise UserError(
                f"Model {name} was made with {key} {fixed[key]}; it cannot become {given[key]}.",
                "Leave the option out, or start a new model: --name NAME.",
            )


def _new(
    kind: type[ModelOptions], options: TrainRunOptions, given: dict[str, Any], questions: ModelQuestions
) -> Checkpoint:
    """A model without weights. given: options that replace defaults; those of the command line are not asked for."""
    state = {BEGUN_BY_PRESET: options.preset} if options.preset else {}
    begun = _begun(kind, options.ask, given, set(given_model_options(options)), questions)
    return Checkpoint(options.model, begun, 0, {}, state=state)


def _begun(
    kind: type[ModelOptions], asks: bool, given: dict[str, Any], skip: set[str], questions: ModelQuestions
) -> dict[str, Any]:
    """All options of a new model: given, answered now unless in `skip`, answered for the last one, or defaults."""
    if asks:
        given = given | questions.ask_new(kind, questions.remembered(kind, given) | given, skip)
    known = questions.remembered(kind, given) | given
    defaults = {key: kind.default_of(key, known) for key in kind.model_fields}
    return checked(kind, defaults | known, _NOT_THESE).model_dump()


def _is_fixed(kind: type[ModelOptions], key: str) -> bool:
    return bool(declared(kind.model_fields[key], "fixed"))
