"""Messages to the user: lines, warnings, progress with time left, and counts at the end.

One reporter goes through every stage; libraries do not print. Three forms: `rich` bars on a terminal, a line every
few seconds elsewhere, JSON lines for programs.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

Form = Literal["auto", "plain", "json"]
Item = TypeVar("Item")
# What a stage did, in numbers: for programs.
Counts = dict[str, int | float | str]
PLAIN_LINE_SECONDS = 5.0
_MAX_WARNINGS = 20


class Progress(Protocol):
    """One running task of a known size."""

    def advance(self, count: int = 1) -> None: ...


class Report:
    """The messages of a run. Made by `open_report`; a stage only calls the methods. counts: of the last `done`."""

    counts: Counts = {}  # noqa: RUF012 - replaced, never changed

    def line(self, text: str) -> None:
        """A plain line that stays."""
        print(text, flush=True)

    def warn(self, text: str) -> None:
        """Something that went wrong without ending the run: what, and what to do."""
        self.line(f"! {text}")

    _last_status = float("-inf")

    def status(self, text: str) -> None:
        """A line that the next status replaces (training's iteration line); in a log one every few seconds."""
        now = time.monotonic()
        if now - self._last_status >= PLAIN_LINE_SECONDS:
            self._last_status = now
            self.line(text)

    def done(self, text: str, **counts: int | float | str) -> None:
        """The last line of a stage: what was done, in counts."""
        self.counts = counts
        self.line(text)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Progress]:
        """A task of `total` steps (None: unknown), with speed and time left."""
        yield _PlainProgress(self, label, total)

    def track(self, items: Iterable[Item], label: str, total: int | None) -> Iterator[Item]:
        """Go through `items` and show how far."""
        with self.progress(label, total) as progress:
            for item in items:
                yield item
                progress.advance()


class Failures:
    """What failed in a run: each is named in a warning, from the 21st on only counted.

    names: of all that failed, in their order.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self.names: list[str] = []

    def add(self, name: str, warning: str) -> None:
        """Note one failure; `warning` says what happened to it."""
        self.names.append(name)
        if len(self.names) <= _MAX_WARNINGS:
            self._report.warn(warning)
        elif len(self.names) == _MAX_WARNINGS + 1:
            self._report.warn("There are more of these: from here on they are only counted.")


class NullReport(Report):
    """For work whose messages another process, or another run, has shown already."""

    def line(self, text: str) -> None:
        """Nothing is shown."""


class _PlainProgress:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, report: Report, label: str, total: int | None) -> None:
        self._report, self._label, self._total = report, label, total
        self._count = 0
        self._start = self._last = time.monotonic()

    def advance(self, count: int = 1) -> None:
        self._count += count
        now = time.monotonic()
        if now - self._last < PLAIN_LINE_SECONDS:
            return
        self._last = now
        rate = self._count / (now - self._start)
        text = f"{self._label}: {self._count}"
        if self._total:
            left = (self._total - self._count) / rate if rate > 0 else 0
            text += f" of {self._total}, {left:.0f} s left"
        self._report.line(f"{text}, {rate:.1f} a second")


class _TerminalReport(Report):
    """Bars and a status line that is overwritten."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._status_length = 0

    def line(self, text: str) -> None:
        self._end_status()
        self._console.print(text, markup=False)

    def warn(self, text: str) -> None:
        self._end_status()
        self._console.print(f"! {text}", style="yellow", markup=False)

    def status(self, text: str) -> None:
        text = text[: self._console.width - 1]  # a longer line could not be replaced
        print("\r" + text.ljust(self._status_length), end="", flush=True)
        self._status_length = len(text)

    def _end_status(self) -> None:
        if self._status_length:
            print(flush=True)
            self._status_length = 0

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Progress]:
        self._end_status()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self._console) as bars:
            task = bars.add_task(label, total=total, rate="")

            class Bar:
                def advance(self, count: int = 1) -> None:
                    speed = bars.tasks[0].speed
                    bars.update(task, advance=count, rate=f"{speed:.1f}/s" if speed else "")

            yield Bar()


class _JsonReport(Report):
    """One JSON object a line, for programs that start a stage."""

    def line(self, text: str) -> None:
        self._put(kind="line", text=text)

    def warn(self, text: str) -> None:
        self._put(kind="warning", text=text)

    def status(self, text: str) -> None:
        self._put(kind="status", text=text)

    def done(self, text: str, **counts: int | float | str) -> None:
        self.counts = counts
        self._put(kind="done", text=text, counts=counts)

    def _put(self, **fields: Any) -> None:
        print(json.dumps(fields), flush=True)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Progress]:
        put, start = self._put, time.monotonic()

        class Lines:
            count = 0
            last = start

            def advance(self, count: int = 1) -> None:
                self.count += count
                now = time.monotonic()
                if now - self.last >= 0.5 or self.count == total:
                    self.last = now
                    rate = round(self.count / max(now - start, 1e-6), 3)
                    put(kind="progress", label=label, done=self.count, total=total, rate=rate)

        yield Lines()


def open_report(form: Form = "auto") -> Report:
    """The reporter for `--progress`: auto takes bars on a terminal and plain lines elsewhere."""
    if form == "json":
        return _JsonReport()
    if form == "auto" and sys.stdout.isatty():
        return _TerminalReport()
    return Report()
