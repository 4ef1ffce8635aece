"""Options of the stage `bench`."""

from typing import Literal

from dfl.base.options import Options, option


class BenchOptions(Options):
    """What to measure, and how large."""

    what: Literal["train", "samples", "extract", "merge"] = option(..., "What to measure.", argument=True)
    resolution: int = option(128, "Side of the model in pixels.", minimum=32, maximum=1024)
    precision: Literal["float32", "bfloat16"] = option("float32", "Numbers of the training step's convolutions.")
    devices: int = option(1, "Devices that share the training step; more than 1 measures what they gain.", minimum=1)
    batch_size: int = option(4, "Faces of each side a step.", minimum=1, maximum=64)
    rounds: int = option(5, "Measurements of each thing; the median counts.", minimum=1, maximum=100)
