"""A report that keeps what a stage reports, for tests to look at."""

from dfl.base.report import Report


class RecordingReport(Report):
    """lines: all in their order, warnings with their mark. warnings: alone, without it. states: of the status line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.states: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        super().warn(text)

    def status(self, text: str) -> None:
        self.states.append(text)

    @property
    def text(self) -> str:
        """All lines in one."""
        return "\n".join(self.lines)
