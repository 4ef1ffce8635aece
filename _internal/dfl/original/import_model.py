"""Stage `import`: a model of the original becomes one of ours, its optimizer and history too."""

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.models.options import AmpOptions, ModelOptions, Quick96Options, SaehdOptions, XsegOptions
from dfl.models.saved_set import SavedSet, list_models, model_folder, write_set
from dfl.original.options import ImportOptions
from dfl.original.read_model import OriginalModel, read_model
from dfl.workspace import Workspace

OPTIONS: dict[str, type[ModelOptions]] = {
    "SAEHD": SaehdOptions,
    "AMP": AmpOptions,
    "Quick96": Quick96Options,
    "XSeg": XsegOptions,
}


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
    """The original's model in our form, and the names of options that we do not have.

    Optimizer arrays of a discriminator get its name in front: `D_src_opt/m/D_src/convs_0/weight`. UserError for a
    class that has no options here.
    """
    kind = OPTIONS.get(original.class_name)
    if kind is None:
        raise UserError(
            f"{original.name} is a model of class {original.class_name}, which cannot be imported yet.",
            f"Classes that can be: {', '.join(OPTIONS)}. Give --name to choose another model of that folder.",
        )
    known = {name: value for name, value in original.options.items() if name in kind.model_fields}
    if original.class_name == "AMP":
        known["train_inter"] = False  # the original's optimizer leaves them alone
    options = kind(**known).model_dump()
    left_out = sorted(set(original.options) - set(kind.model_fields))
    saved = SavedSet(
        original.class_name,
        options,
        original.iteration,
        original.weights,
        original.optimizer
        | {
            f"{network}_opt/{name}": array
            for network, arrays in original.discriminator_optimizers.items()
            for name, array in arrays.items()
        },
        original.history,
        {"original_options": {name: original.options[name] for name in left_out}},
    )
    return saved, left_out
