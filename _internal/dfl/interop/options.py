"""Options of the stage `import`."""

from pathlib import Path
from typing import Literal

from dfl.base.options import Options, option
from dfl.models.options import ModelClass


class ImportOptions(Options):
    """What to import from the original program."""

    kind: Literal["model", "weights"] = option(..., "What to import.", argument=True)
    folder: Path = option(
        ...,
        "The original's folder. For a model: workspace/model of its workspace. For weights: the folder that holds its "
        "_internal, or its facelib.",
        argument=True,
    )
    name: str | None = option(None, "Name of the model there; the newest if not given.")
    model: ModelClass | None = option(None, "Its class, if several models have that name.")
    new_name: str | None = option(None, "Name of the model here; the same if not given.")
