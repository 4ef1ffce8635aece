"""Options of the stage `inspect`."""

from typing import Literal

from dfl.base.options import Options, option


class InspectOptions(Options):
    """What is looked at."""

    sides: Literal["src", "dst", "both"] = option("both", "Which facesets.", argument=True)
    all: bool = option(False, "Compare who it is on every face, not on 400 of each side: 20 ms a face more.")
