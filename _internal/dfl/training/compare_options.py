"""Options of the stage `compare-snapshots`."""

from typing import Literal

from dfl.base.options import Options, option


class CompareOptions(Options):
    """Which states of which model are compared."""

    name: str | None = option(None, "Name of the model; the one that was saved last if not given.")
    model: Literal["SAEHD", "AMP", "Quick96"] | None = option(None, "Class of the model.")
    snapshots: str = option("", "Numbers of backups to compare with the newest set, as 01,05; all if not given.")
    faces: int = option(16, "Faces of each side to compare on.", minimum=1, maximum=256)
    engine: Literal["tensorflow", "torch"] | None = option(None, "Engine; chosen by what the machine has if not given.")
