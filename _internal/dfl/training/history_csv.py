"""`history.csv` in a model's folder: one line an iteration, for spreadsheets and plots.

Lines are appended at saves, after the set: a killed run leaves at most a torn last line, or the lines of one save
missing. The next run mends both from the set's own history.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfl.base.files import move, sync_file

_READ_BYTES = 2**16


class HistoryCsv:
    """Collects lines, and appends them when told to.

    The file is a copy for people: where it cannot be written (a spreadsheet has it open, the disk is full), training
    goes on, `warn` is told once, and the lines follow when it can be written again.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        iteration: int,
        known: NDArray[np.float32],
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """folder: of the model. names: of the losses. iteration: where the set is that training goes on from.

        known: its history, (n, losses), which ends at `iteration`. Later lines of the file are cut off; where it ends
        too early, the losses are filled in, without the seconds.
        """
        self.path = folder / "history.csv"
        self._waiting: list[tuple[int, str]] = []
        self._known, self._known_until, self._warn = known, iteration, warn
        self._end = iteration  # what the file holds of later ones must go
        self._is_mended, self._is_told = False, False
        tests = [f"held_out_{name}" for name in names]
        self._header = ",".join(["iteration", "seconds", *names, *tests]) + "\n"
        self._empty = "," * len(tests)
        self.append()

    def add(self, iteration: int, seconds: float | None, losses: Sequence[float] | NDArray[np.float32]) -> None:
        """Note an iteration."""
        self._waiting.append((iteration, self._line(iteration, seconds, losses)))

    def add_test(self, losses: Sequence[float]) -> None:
        """Put the losses of held-out faces into the line of the last iteration."""
        if self._waiting and losses:
            iteration, line = self._waiting[-1]
            tests = "".join(f",{loss:.6g}" for loss in losses)
            self._waiting[-1] = iteration, line.removesuffix(self._empty + "\n") + tests + "\n"

    def forget(self, iteration: int) -> None:
        """Training went back to this iteration: what came after did not happen."""
        self._waiting = [(number, line) for number, line in self._waiting if number <= iteration]
        self._end, self._is_mended = min(self._end, iteration), False
        self.append()

    def append(self) -> None:
        """Write what was noted; what cannot be written now waits for the next time."""
        if self._is_mended and not self._waiting and self.path.is_file():
            return
        try:
            if not self._is_mended:
                self._fill_in(self._mend(self._end))
            text = "".join(line for _, line in self._waiting)
            is_new = not self.path.is_file() or self.path.stat().st_size == 0
            with self.path.open("ab") as handle:
                handle.write(((self._header if is_new else "") + text).encode())
                sync_file(handle)
        except OSError as error:
            self._is_mended = False  # some of it may have been written
            if not self._is_told:
                self._warn(
                    f"{self.path} cannot be written: {error.strerror or error}. Is it open in a spreadsheet? Training "
                    "goes on and is saved; the lines follow when it can be written."
                )
            self._is_told = True
            return
        self._is_mended, self._is_told = True, False
        if self._waiting:
            self._end = self._waiting[-1][0]
        self._waiting.clear()

    def _line(self, iteration: int, seconds: float | None, losses: Sequence[float] | NDArray[np.float32]) -> str:
        numbers = ",".join(f"{loss:.6g}" for loss in losses)
        return f"{iteration},{'' if seconds is None else f'{seconds:.4f}'},{numbers}{self._empty}\n"

    def _fill_in(self, last: int) -> None:
        """Put the iterations that the file lacks in front of those that wait, as far as their losses are known."""
        until, known = self._known_until, self._known
        lacking = range(max(last + 1, until - len(known) + 1), min(until, self._end) + 1)
        filled = [(number, self._line(number, None, known[number - until - 1])) for number in lacking]
        self._waiting = filled + [(number, line) for number, line in self._waiting if number > self._end]

    def _mend(self, iteration: int) -> int:
        """Cut off a torn line and all lines after `iteration`; returns the last iteration that is left, or 0.

        A file of other columns is set aside as history-NUMBER.csv. Only the end of the file is read.
        """
        if not self.path.is_file():
            return 0
        with self.path.open("rb") as handle:
            has_columns = handle.readline() == self._header.encode()
        if not has_columns:
            self._set_aside()
            return 0
        with self.path.open("rb+") as handle:
            end = handle.seek(0, 2)
            while end > len(self._header):
                start = max(len(self._header), end - _READ_BYTES)
                handle.seek(start)
                block = handle.read(end - start)
                lines = block.splitlines(keepends=True)
                while lines and (len(lines) > 1 or start == len(self._header)):
                    number = _iteration_of(lines[-1])
                    if number is not None and number <= iteration:
                        handle.truncate(end)
                        return number
                    end -= len(lines.pop())
                if lines and len(lines[0]) >= _READ_BYTES:
                    end = start  # no line of ours is as long
            handle.truncate(end)
        return 0

    def _set_aside(self) -> None:
        number = 1
        while (target := self.path.with_name(f"history-{number}.csv")).exists():
            number += 1
        move(self.path, target)


def _iteration_of(line: bytes) -> int | None:
    """The iteration of a whole line, None of a torn one."""
    first = line.split(b",", 1)[0]
    return int(first) if line.endswith(b"\n") and first.isdigit() else None
