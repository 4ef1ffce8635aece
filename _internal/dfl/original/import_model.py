"""Stage `import`: a model of the original becomes one of ours, its optimizer and history too."""

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.models.options import Quick96Options, SaehdOptions
from dfl.models.saved_set import SavedSet, list_models, model_folder, write_set
from dfl.original.options import ImportOptions
from dfl.original.read_model import OriginalModel, read_model
from dfl.workspace import Workspace


def run(workspace: Workspace, options: ImportOptions, report: Report) -> None:
    """Import one model into the workspace; a model of that name is never overwritten."""
    original = read_model(options.folder, options.name)
    name = options.new_name or original.name
    if (name, original.class_name) in list_models(workspace.model):
        raise UserError(
            f"The workspace already has a model {name} ({original.class_name}).",
            "Choose another name: --new-name NAME.",
        )
    saved, left_out = as_saved_set(original)
    workspace.create()
    path = write_set(model_folder(workspace.model, name, original.class_name), saved)
    if left_out:
        report.line(f"Options without a counterpart here, left out: {', '.join(left_out)}.")
    report.done(
        f"Imported {name} ({original.class_name}), iteration {original.iteration}, to {path.parent}.",
        iteration=original.iteration,
    )


def as_saved_set(original: OriginalModel) -> tuple[SavedSet, list[str]]:
    """The original's model in our form, and the names of options that we do not have."""
    kind = SaehdOptions if original.class_name == "SAEHD" else Quick96Options
    known = {name: value for name, value in original.options.items() if name in kind.model_fields}
    options = kind(**known).model_dump()
    left_out = sorted(set(original.options) - set(known))
    saved = SavedSet(
        original.class_name,
        options,
        original.iteration,
        original.weights,
        original.optimizer,
        original.history,
        {"original_options": {name: original.options[name] for name in left_out}},
    )
    return saved, left_out
