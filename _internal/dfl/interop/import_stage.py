"""Stage `import`: models that the original program trained, and the face networks that it came with."""

from dfl.base.report import Report
from dfl.interop import import_model, import_weights
from dfl.interop.options import ImportOptions
from dfl.workspace import Workspace


def run(workspace: Workspace, options: ImportOptions, report: Report) -> None:
    """Import a model into the workspace, or the face networks' weights for all workspaces."""
    if options.kind == "model":
        import_model.run(workspace, options, report)
    else:
        import_weights.run(workspace, options, report)
