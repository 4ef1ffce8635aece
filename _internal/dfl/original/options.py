"""Options of the stage `import`."""

from pathlib import Path
from typing import Literal

from dfl.base.options import Options, option


class ImportOptions(Options):
    """What to take over from the original program."""

    kind: Literal["model"] = option(..., "What to import.", argument=True)
    folder: Path = option(..., "The original's folder: workspace/model of its workspace.", argument=True)
    name: str | None = option(None, "Name of the model there; the newest if not given.")
    new_name: str | None = option(None, "Name of the model here; the same if not given.")
