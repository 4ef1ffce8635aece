"""Which model is trained: its name, and its saved set with what is changed now, or a new one."""

from pathlib import Path
from typing import Any

from dfl.base.asking import ask_options, ask_text, ask_yes
from dfl.base.errors import UserError
from dfl.base.options import declared
from dfl.base.report import Report
from dfl.models.open_model import XSEG
from dfl.models.options import AmpOptions, ModelOptions, Quick96Options, SaehdOptions, XsegOptions
from dfl.models.saved_set import SavedSet, list_models, read_set
from dfl.training.options import TrainRunOptions, given_model_options

OPTION_CLASSES: dict[str, type[ModelOptions]] = {
    "SAEHD": SaehdOptions,
    "AMP": AmpOptions,
    "Quick96": Quick96Options,
    XSEG: XsegOptions,
}


def choose_name(models: Path, options: TrainRunOptions) -> str:
    """The name that was given, else the model that was saved last, or `new`; with questions, the original's list.

    XSeg, of which a workspace has one, is called so.
    """
    if options.model == XSEG and options.name not in (None, XSEG):
        raise UserError("The XSeg model has no other name.", "Leave --name out.")
    if options.model == XSEG or options.name:
        return options.name or XSEG
    names = [name for name, _ in list_models(models, options.model)]
    if not options.ask:
        return names[0] if names else "new"
    if not names:
        return ask_text("No saved models found. Enter a name of a new model", "new").replace("_", " ")
    for index, name in enumerate(names):
        print(f"[{index}] : {name}{' - latest' if index == 0 else ''}")
    answer = ask_text("Choose a saved model, or enter a name to create a new one", "0")
    return names[min(int(answer), len(names) - 1)] if answer.isdigit() else answer.replace("_", " ")


def load_or_new(folder: Path, name: str, options: TrainRunOptions, report: Report) -> SavedSet:
    """The saved model with the changes that were asked for, or a new one without weights."""
    kind = OPTION_CLASSES[options.model]
    given = given_model_options(options)
    foreign = sorted(set(given) - set(kind.model_fields))
    if foreign:
        raise UserError(f"{options.model} has no option {', '.join(foreign)}.", "Leave it out, or use --model SAEHD.")
    if (name, options.model) not in list_models(folder.parent, options.model):
        return _new(kind, options, given)
    saved = read_set(folder, report.warn, set_aside=True)
    asks_restart = options.ask and options.model == XSEG
    if options.restart or (asks_restart and ask_yes("Restart training?", False, help="Begin with fresh weights.")):
        report.line(f"{name} begins anew; what it has learned until iteration {saved.iteration} is left behind.")
        return _new(kind, options, saved.options | given)
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
    if options.model == XSEG and saved.options.get("pretrain") and not changed["pretrain"]:
        report.line("Pretraining is over: the weights are kept, iterations are counted anew.")
        return SavedSet(saved.class_name, changed, 0, saved.weights, saved.optimizer, state=saved.state)
    return SavedSet(
        saved.class_name, changed, saved.iteration, saved.weights, saved.optimizer, saved.history, saved.state
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
