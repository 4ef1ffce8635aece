"""Options of the stage `time-lapse`."""

from typing import Literal

from dfl.base.options import Options, option


class TimeLapseOptions(Options):
    """Which model's way is shown, and how fast."""

    name: str | None = option(None, "Name of the model; the one that was saved last if not given.")
    model: Literal["SAEHD", "AMP", "Quick96", "XSeg"] | None = option(None, "Class of the model.")
    page: str = option("", "Which page of the previews, `preview_masked` for example; the first if not given.")
    fps: float = option(24.0, "Pictures a second.", ask="Pictures a second", minimum=0.1, maximum=120)
    bitrate: int = option(8, "Bit rate in megabits a second.", minimum=1, maximum=1000)
