"""Options of the stage demo."""

from pathlib import Path

from dfl.base.options import Options, option


class DemoOptions(Options):
    """How long the demo trains, and where it works."""

    minutes: float = option(5.0, "Train so long; more makes the face sharper, a second run goes on.", minimum=0.02)
    seconds: float = option(6.0, "Length of the two clips.", minimum=1, maximum=30)
    workspace: Path | None = option(None, "A folder of the demo's own; dfl_demo beside the workspace if not given.")
