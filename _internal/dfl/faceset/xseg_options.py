"""Options of the stages that draw, fetch and remove what XSeg knows of a faceset."""

from pathlib import Path
from typing import Literal

from dfl.base.options import Options, option
from dfl.workspace import Side


class XsegApplyOptions(Options):
    """Masks by a trained XSeg model, into the pictures of a faceset."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)
    models: Path | None = option(
        None, "Folder with an XSeg model, such as the model folder of another workspace; this one's if not given."
    )
    engine: Literal["tensorflow", "torch"] | None = option(None, "Engine; chosen by what the machine has if not given.")
    ask: bool = option(False, "Ask before a model of the original is taken over.")


class XsegFetchOptions(Options):
    """Copies of the faces that have outlines."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)


class XsegRemoveOptions(Options):
    """Removing asks first."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)
    yes: bool = option(False, "No questions: nothing is removed, as the default answer is no.")
    delete: bool = option(False, "Remove without asking.")
