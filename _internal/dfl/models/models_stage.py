"""Stage `models`: list, rename and delete a workspace's models, and restore their backups."""

from collections.abc import Mapping
from typing import Any

from dfl.base.asking import ask_choice, ask_options, ask_yes
from dfl.base.errors import Stopped, UserError
from dfl.base.options import Choice
from dfl.base.report import Report
from dfl.models.backups import restore_backup
from dfl.models.checkpoint import model_folder
from dfl.models.lock import hold_model
from dfl.models.model_store import ModelFacts, check_name, model_facts, rename_model, trash_model, when
from dfl.models.stage_options import ModelsOptions
from dfl.workspace import Workspace

_HELP = "Nothing is removed for good: what was there can be put back."


def run(workspace: Workspace, options: ModelsOptions, report: Report) -> None:
    """List, rename, delete models, or put a backup back. Nothing is removed for good."""
    found = model_facts(workspace.model)
    if options.ask or options.action == "list":
        _list_models(found, report)
    if options.ask:
        # Asked here and not by the command line, which would remember a "delete" as the next run's answer.
        options = _asked(found, options)
    if options.action == "list":
        report.done(f"{len(found)} model{'' if len(found) == 1 else 's'} in {workspace.model}.", models=len(found))
        return
    chosen = _choose(found, options, workspace)
    names = (chosen.name, chosen.class_name)
    if options.action == "rename":
        target = rename_model(workspace.model, *names, options.new_name)
        report.done(f"{chosen.name} ({chosen.class_name}) is now {target.name}.")
    elif options.action == "delete":
        _confirm(f"Move {chosen.line()} to {workspace.model_trash.name}?", options)
        target = trash_model(workspace.model, *names, workspace.model_trash)
        report.done(f"{chosen.name} ({chosen.class_name}) is in {target}: delete it there to free the space.")
    else:
        _restore(workspace, chosen, options, report)


def _asked(found: list[ModelFacts], options: ModelsOptions) -> ModelsOptions:
    """The options with the answers: what to do, with which model, and what that needs to know."""
    known = options.model_dump()
    others = {"new_name", "backup"}
    options = options.model_copy(update=ask_options(ModelsOptions, known, skip=others))
    fitting = _fitting(found, options)
    if options.action == "list" or not fitting:
        return options
    chosen = fitting[0]
    if len(fitting) > 1:
        choices = [Choice(f"{facts.name} ({facts.class_name})", facts.line()) for facts in fitting]
        help = "By its number, its name, or the beginning of its name alone."
        name = ask_choice("Which model", choices[0].name, choices, help=help)
        chosen = fitting[[choice.name for choice in choices].index(name)]
    options = options.model_copy(update={"name": chosen.name, "model": chosen.class_name})

    def check(name: str, known: Mapping[str, Any]) -> None:
        if name == "new_name":
            check_name(known[name], chosen.class_name)
        if name == "backup" and known[name] not in [backup.number for backup in chosen.backups]:
            there = ", ".join(str(backup.number) for backup in chosen.backups) or "none"
            raise UserError(f"{chosen.name} has no backup {known[name]}.", f"Backups: {there}.")

    known = options.model_dump()
    return options.model_copy(update=ask_options(ModelsOptions, known, skip=known.keys() - others, check=check))


def _restore(workspace: Workspace, chosen: ModelFacts, options: ModelsOptions, report: Report) -> None:
    folder = model_folder(workspace.model, chosen.name, chosen.class_name)
    _confirm(f"Put backup {options.backup:02d} in place of {chosen.line()}?", options)
    with hold_model(folder, "models"):
        iteration = restore_backup(folder, options.backup, report.warn)
    text = f"{chosen.name} ({chosen.class_name}) is at iteration {iteration} again"
    if chosen.iteration is not None:
        text += f"; iteration {chosen.iteration} stays as the checkpoint before it until the second save from now"
    report.done(f"{text}.", iteration=iteration)


def _list_models(found: list[ModelFacts], report: Report) -> None:
    """One line a model, one a backup."""
    for facts in found:
        report.line(facts.line())
        for backup in facts.backups:
            details = [f"iteration {backup.iteration}", f"saved {when(backup.saved_at)}", backup.session_name]
            report.line(f"    {backup.number:02d}: {', '.join(filter(None, details))}")


def _choose(found: list[ModelFacts], options: ModelsOptions, workspace: Workspace) -> ModelFacts:
    """The one model that the options name."""
    fitting = _fitting(found, options)
    if len(fitting) == 1:
        return fitting[0]
    have = ", ".join(f"{facts.name} ({facts.class_name})" for facts in found) or "none"
    if not fitting:
        raise UserError(
            f"There is no such model in {workspace.model}. Models: {have}.", "Name one of them: --name NAME."
        )
    raise UserError(f"Which model? There are {have}.", "Name one: --name NAME, and its class with --model CLASS.")


def _fitting(found: list[ModelFacts], options: ModelsOptions) -> list[ModelFacts]:
    return [facts for facts in found if options.name in ("", facts.name) and options.model in (None, facts.class_name)]


def _confirm(question: str, options: ModelsOptions) -> None:
    if not options.yes and not ask_yes(question, False, help=_HELP):
        raise Stopped
