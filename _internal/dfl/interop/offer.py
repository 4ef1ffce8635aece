"""Stages that need a model offer to import one of the original's that lies where a model of ours would."""

from collections.abc import Collection
from pathlib import Path

from dfl.base.asking import ask_yes
from dfl.base.report import Report
from dfl.interop import import_model
from dfl.interop.options import ImportOptions
from dfl.models.checkpoint import list_models
from dfl.models.original_files import find_models, not_imported
from dfl.workspace import Workspace


def importable_model(models: Path, name: str | None, classes: Collection[str]) -> tuple[str, str] | None:
    """(name, class) of the original's newest model of that name and of these classes that was not imported.

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
    """Import the original's model that lies there, if the user agrees; (name, class) of what was imported.

    name: the model that the user named; classes: those that the stage can use. asks: whether questions are put; else a
    model to import is a UserError with the command. otherwise: what else can be done.
    """
    found = importable_model(workspace.model, name, classes)
    if found is None:
        return None
    if not asks:
        raise not_imported(workspace.model, *found, otherwise)
    own_name, class_name = found
    question = f"{workspace.model.name} holds {own_name} ({class_name}) of the original DeepFaceLab. Import it?"
    help = "Its weights, optimizer, options and losses become a model here; its own files stay as they are."
    if not ask_yes(question, True, help=help):
        return None
    options = ImportOptions(kind="model", folder=workspace.model, name=own_name, model=class_name)
    import_model.run(workspace, options, report)
    return found
