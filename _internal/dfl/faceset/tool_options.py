"""What the tools on a faceset's pictures can be told."""

from typing import Literal

from dfl.base.options import Options, option
from dfl.workspace import Side


class TrashOptions(Options):
    """Options of trash."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)
    names: tuple[str, ...] = option((), "Names of pictures, or patterns with * and ?.", argument=True)
    reason: str = option("chosen by hand", "Why: `restore` can put back all faces of one reason.")


class RestoreOptions(Options):
    """Options of restore."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)
    all: bool = option(False, "Put everything back, not only what the last run moved.")
    reason: str = option("", "Only faces that were moved for this reason.")


class ResizeOptions(Options):
    """Options of resize."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)
    size: int = option(512, "Side of the new pictures in pixels.", ask="New image size", minimum=128, maximum=2048)
    face_type: Literal["same", "h", "mf", "f", "wf", "head"] = option(
        "same",
        "Another face type: half, mid-full, full, whole face or head. Of a wider one, what the pictures do not show "
        "becomes black.",
        ask="Change face type",
    )
    merge: bool = option(
        True,
        "Put the new pictures in the place of the old ones, which go to the trash; else they stay in aligned_resized.",
        ask="Merge aligned_resized to aligned?",
    )
    workers: int = option(0, "Processes that work at once; 0 takes one a core.", minimum=0, maximum=64)


class DebugLandmarksOptions(Options):
    """Options of debug-landmarks."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)


MaskSource = Literal["auto", "hull"]


class ExportMaskOptions(Options):
    """Options of export-mask."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)
    source: MaskSource = option(
        "auto", "auto takes a face's trained mask, else what was drawn; hull the area of its landmarks."
    )
