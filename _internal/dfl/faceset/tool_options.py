"""What the tools on a faceset's pictures can be told."""

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
