"""Options that several stages have, declared once. Nothing heavy is imported here."""

from typing import Literal

from dfl.base.options import Options, option
from dfl.workspace import Side

EngineName = Literal["tensorflow", "torch"]

# An option keeps its place among the others of its stage, so these are values of fields and not classes.
ENGINE = option(None, "Engine; chosen by what the machine has if not given.")
WORKERS = option(0, "Processes that work at once; 0 takes one a core, at most 16.", minimum=0, maximum=64)


class FacesetOptions(Options):
    """Options of a stage over the faceset of one side."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)


class FramesOptions(Options):
    """Options of a stage over the frames of one side."""

    side: Side = option(..., "Whose frames: src or dst.", argument=True)
