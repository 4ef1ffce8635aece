"""The questions about a run of training: go on with the model saved last, or which class, model, device and time."""

from collections.abc import Sequence
from typing import get_args

from dfl.base.answers import Answers
from dfl.base.asking import ask, ask_choice, ask_number, ask_text, ask_yes, choice_of, numbered
from dfl.base.errors import UserError
from dfl.base.key_press import key_pressed_within
from dfl.base.options import Choice
from dfl.base.report import Report
from dfl.models.checkpoint import Checkpoint, list_models, model_folder, peek
from dfl.models.kinds import kind_of
from dfl.models.model_store import check_name, model_choices, rename_model, trash_model
from dfl.training.options import TrainRunOptions
from dfl.training.plan import can_be_planned, minutes_planned
from dfl.training.training_faces import check_faces
from dfl.workspace import Workspace

# As the original's "Press enter in 2 seconds to override model settings".
_SECONDS = 2.0
# In the file of answers.
_RUN, _BEGUN = "train", "begun"
_ACTIONS = ("r", "d")
_CLASS_HELP = (
    "SAEHD: for most clips, with all options. AMP: goes any part of the way from dst to src. Quick96: a small one, for "
    "a quick trial. XSeg: draws masks, learned from outlines."
)
_LIST_HELP = (
    "A number, a name or the beginning of one name alone goes on with that model; any other word is the name of a new "
    "one. r: give a model another name. d: move one to model_trash."
)
_NAME_HELP = "The name of the model's folder; several models may be trained in one workspace."
_TRASH_HELP = "Nothing is deleted: moved back into the folder model, it is there again."
_MINUTES_HELP = (
    "Stages are planned for this time: random warp first, then detail. 0: train until you stop, without a plan."
)


def going_on(workspace: Workspace, options: TrainRunOptions, report: Report) -> TrainRunOptions | None:
    """The options without questions, for the model saved last, unless a key is pressed in two seconds; else None.

    None too where the user has named what to train, where a new model was begun and never saved, and where no terminal
    is: then the questions are put.
    """
    classes = _classes(options)
    models = [entry for entry in list_models(workspace.model) if entry[1] in classes]
    is_named = options.name or options.start_from or options.preset or options.restart
    if not models or is_named or unsaved_model(workspace, report, classes):
        return None
    name, class_name = models[0]
    try:
        saved = peek(model_folder(workspace.model, name, class_name))
    except UserError:  # what is wrong with it is told where it is opened
        return None
    minutes = options.minutes or minutes_planned(saved["state"], int(saved["iteration"]))
    shown = f"{name} ({class_name}), iteration {saved['iteration']}"
    report.line(f"{shown}, goes on in {_SECONDS:g} seconds. Press a key for another model, other options or device.")
    if key_pressed_within(_SECONDS):
        return None
    return options.model_copy(update={"ask": False, "model": class_name, "name": name, "minutes": minutes})


def unsaved_model(workspace: Workspace, report: Report, classes: Sequence[str]) -> tuple[str, str] | None:
    """(name, class) of the new model that was begun last, if it was never saved."""
    found = Answers(workspace.answers, report.warn).of(_RUN).get(_BEGUN)
    if not isinstance(found, list) or len(found) != 2 or found[1] not in classes:
        return None
    name, class_name = map(str, found)
    return None if (name, class_name) in list_models(workspace.model, class_name) else (name, class_name)


def remember_model(workspace: Workspace, name: str, options: TrainRunOptions, report: Report) -> None:
    """Which model is begun or goes on: should it never be saved, the next start asks for it again."""
    if options.ask:
        Answers(workspace.answers, report.warn).keep(_RUN, {_BEGUN: [name, options.model]})


def _classes(options: TrainRunOptions) -> tuple[str, ...]:
    """The classes that may be trained: the one that the user named, or all of the stage."""
    if "model" in options.model_fields_set:
        return (options.model,)
    return get_args(type(options).model_fields["model"].annotation)


def ask_class(workspace: Workspace, options: TrainRunOptions, report: Report) -> TrainRunOptions:
    """The options with the class of the model; one that the workspace has no faces for is refused."""
    classes = _classes(options)
    if len(classes) == 1:
        return options
    unsaved = unsaved_model(workspace, report, classes)
    saved = [class_name for _, class_name in list_models(workspace.model) if class_name in classes]
    chosen = ask_choice(
        "Model",
        unsaved[1] if unsaved else saved[0] if saved else options.model,
        [Choice(name) for name in classes],
        help=_CLASS_HELP,
        check=lambda name: check_faces(workspace, name, options.pretraining_faces),
    )
    return options.model_copy(update={"model": chosen})


def ask_name(workspace: Workspace, options: TrainRunOptions, report: Report) -> str:
    """Which of the saved models, or the name of a new one; the first Quick96 model is `new` without a question."""
    class_name = options.model
    while True:
        choices = model_choices(workspace.model, (class_name,))
        unsaved = unsaved_model(workspace, report, (class_name,))
        if not choices and not kind_of(class_name).options.has_questions:
            return "new"
        answer = _ask_list(class_name, choices, unsaved[0] if unsaved else "")
        if answer not in _ACTIONS:
            return answer
        try:
            _rename_or_delete(workspace, class_name, choices, answer)
        except UserError as error:
            print(f"{error.what} {error.todo}")


def _ask_list(class_name: str, choices: list[Choice], unsaved: str) -> str:
    """The list's answer: a name, r or d."""

    def understand(answer: str) -> str:
        if choices and answer.lower() in _ACTIONS:
            return answer.lower()
        known = choice_of(answer, choices)
        if known is None and answer.isdecimal() and choices:
            raise UserError(f"There is no model {answer}.", f"Expected 0..{len(choices) - 1}, or a name.")
        return check_name(known or answer.replace("_", " "), class_name)

    if not choices:
        prompt = "No saved models found. Enter a name of a new model ( ?:help )"
        return ask(prompt, unsaved or "new", understand, help=_NAME_HELP)
    listing = [*numbered(choices), "[r] rename", "[d] delete"]
    prompt = "Choose a saved model, or enter a name to create a new one ( ?:help )"
    return ask(prompt, unsaved or choices[0].name, understand, help=_LIST_HELP, listing=listing)


def _rename_or_delete(workspace: Workspace, class_name: str, choices: list[Choice], answer: str) -> None:
    """Do what [r] and [d] of the list do."""
    word = "rename" if answer == "r" else "delete"
    name = ask_choice(f"Which model to {word}", choices[0].name, choices, help="By its number or name.")
    if answer == "r":
        new_name = ask_text("New name", name, help=_NAME_HELP)
        if new_name != name:
            rename_model(workspace.model, name, class_name, new_name)
    elif ask_yes(f"Move {name} with its backups to {workspace.model_trash.name}?", False, help=_TRASH_HELP):
        trash_model(workspace.model, name, class_name, workspace.model_trash)


def ask_minutes(workspace: Workspace, options: TrainRunOptions, saved: Checkpoint, report: Report) -> TrainRunOptions:
    """With questions, and without an end so far: how long it may train, which the plan needs."""
    has_end = options.minutes or int(saved.options["target_iter"]) > saved.iteration
    if not options.ask or has_end or not can_be_planned(saved):
        return options
    default = minutes_planned(saved.state, saved.iteration)
    minutes = ask_number("How long may it train, in minutes", default, low=0, help=_MINUTES_HELP)
    return options.model_copy(update={"minutes": minutes})
