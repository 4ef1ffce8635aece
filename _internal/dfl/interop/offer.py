"""Stages that need a model offer to take over one of the original's that lies where a model of ours would."""

from collections.abc import Collection
from pathlib import Path

from dfl.base.asking import ask_yes
from dfl.base.report import Report
from dfl.interop import import_model
from dfl.interop.options import ImportOptions
from dfl.models.checkpoint import list_models
from dfl.models.original_files import find_models, not_taken_over
from dfl.workspace import Workspace


def waiting_model(models: Path, name: str | None, classes: Collection[str]) -> tuple[str, str] | None:
    """(name, class) of the original's newest model of that name and of these classes that we have not.

    Without a name, None where any model of ours of these classes is: the original's files may stay for ever.
    """
    ours = list_models(models)
    if name is None and any(kind in classes for _, kind in ours):
        return None
    found = (entry for entry in find_models(models) if entry[1] in classes and entry not in ours)
    return next((entry for entry in found if name in (None, entry[0])), None)


def offer_import(
    workspace: Workspace, name: str | None, classes: Collection[str], asks: bool, otherwise: str, report: Report
) -> tuple[str, str] | None:
    """Take over the model that waits for it, if the user says so; (name, class) of what was taken over.

    name: the model that the user named; classes: those that the stage can use. asks: whether questions are put; else a
    model that waits is a UserError with the command. otherwise: what else can be done.
    """
    found = waiting_model(workspace.model, name, classes)
    if found is None:
        return None
    if not asks:
        raise not_taken_over(workspace.model, *found, otherwise)
    own_name, class_name = found
    question = f"{workspace.model.name} holds {own_name} ({class_name}) of the original DeepFaceLab. Take it over?"
    help = "Its weights, optimizer, options and losses become a model here; its own files stay as they are."
    if not ask_yes(question, True, help=help):
        return None
    options = ImportOptions(kind="model", folder=workspace.model, name=own_name, model=class_name)
    import_model.run(workspace, options, report)
    return found
