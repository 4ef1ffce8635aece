"""Options of the stage `import`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dfl.base.errors import UserError
from dfl.base.options import Options, option
from dfl.models.options import ModelClass


class ImportOptions(Options):
    """What to import from the original program."""

    kind: Literal["model", "weights"] = option(..., "What to import.", argument=True, ask="What to import")
    folder: Path = option(
        ...,
        "The original's folder. For a model: workspace/model of its workspace. For weights: the folder that holds its "
        "_internal, or its facelib.",
        argument=True,
        ask="The original's folder",
    )
    name: str | None = option(None, "Name of the model there; the newest if not given.")
    model: ModelClass | None = option(None, "Its class, if several models have that name.")
    new_name: str | None = option(None, "Name of the model here; the same if not given.")

    @classmethod
    def check_answer(cls, name: str, known: Mapping[str, Any]) -> None:
        """The folder must be there."""
        if name == "folder" and not Path(known[name]).is_dir():
            raise UserError(f"There is no folder {known[name]}.", "Name another, or drop it on this window.")
