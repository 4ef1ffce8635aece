"""`history.csv` in a model's folder: one line an iteration, for spreadsheets and plots.

Lines are appended at saves, after the checkpoint: a killed run leaves at most a torn last line, or the lines of one
save missing. The next run mends both from the checkpoint's own history.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.files import move, replacing, sync_file

_READ_BYTES = 2**16


@dataclass
class _Row:
    """An iteration, and its numbers as texts by column."""

    iteration: int
    cells: dict[str, str]


class HistoryCsv:
    """Collects rows, and appends them to the file when append() is called.

    Columns: iteration, seconds, the reported losses, the same of validation faces, then every other loss that was ever
    added. A loss that the file has no column for yet (a file of an earlier version, GAN switched on later) gets one at
    the end: the file is written anew with that column empty in its rows.

    The file is a copy for people: where it cannot be written (a spreadsheet has it open, the disk is full), training
    goes on, `warn` is called once, and the rows follow when it can be written again.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        iteration: int,
        known: NDArray[np.float32],
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """folder: of the model. names: of the reported losses. iteration: of the checkpoint that training continues.

        known: its history, (n, losses), which ends at `iteration`. Later lines of the file are cut off; where it ends
        too early, the losses are filled in, without the seconds.
        """
        self.path = folder / "history.csv"
        self._names = tuple(names)
        self._validation = [f"held_out_{name}" for name in names]
        self._first_columns = ["iteration", "seconds", *names, *self._validation]
        self._columns = self._first_columns  # of the file
        self._waiting: list[_Row] = []
        self._known, self._known_until, self._warn = known, iteration, warn
        self._end = iteration  # what the file holds of later ones must go
        self._is_mended, self._has_warned = False, False
        self.append()

    def add(self, iteration: int, seconds: float | None, losses: Mapping[str, float]) -> None:
        """Add an iteration; losses by name, the reported ones among them."""
        numbers = {name: f"{loss:.6g}" for name, loss in losses.items()}
        cells = {"iteration": f"{iteration}", "seconds": "" if seconds is None else f"{seconds:.4f}"}
        self._waiting.append(_Row(iteration, cells | numbers))

    def add_validation(self, losses: Sequence[float]) -> None:
        """Put the losses of validation faces into the row of the last iteration."""
        if self._waiting:
            self._waiting[-1].cells |= {
                name: f"{loss:.6g}" for name, loss in zip(self._validation, losses, strict=False)
            }

    def forget(self, iteration: int) -> None:
        """Drop the rows after this iteration: training went back to it."""
        self._waiting = [row for row in self._waiting if row.iteration <= iteration]
        self._end, self._is_mended = min(self._end, iteration), False
        self.append()

    def append(self) -> None:
        """Write the rows that wait; what cannot be written now waits for the next time."""
        if self._is_mended and not self._waiting and self.path.is_file():
            return
        try:
            if not self._is_mended:
                self._fill_in(self._mend(self._end))
            self._add_columns()
            text = "".join(self._line(row.cells) for row in self._waiting)
            is_new = not self.path.is_file() or self.path.stat().st_size == 0
            with self.path.open("ab") as handle:
                handle.write(((self._header if is_new else "") + text).encode())
                sync_file(handle)
        except (OSError, UserError) as error:
            self._is_mended = False  # some of it may have been written
            if not self._has_warned:
                reason = error.what if isinstance(error, UserError) else error.strerror or error
                self._warn(
                    f"{self.path} cannot be written: {reason}. Is it open in a spreadsheet? Training "
                    "goes on and is saved; the lines follow when it can be written."
                )
            self._has_warned = True
            return
        self._is_mended, self._has_warned = True, False
        if self._waiting:
            self._end = self._waiting[-1].iteration
        self._waiting.clear()

    @property
    def _header(self) -> str:
        return ",".join(self._columns) + "\n"

    def _line(self, cells: Mapping[str, str]) -> str:
        return ",".join(cells.get(name, "") for name in self._columns) + "\n"

    def _add_columns(self) -> None:
        """Give the file a column, empty so far, for each loss of the waiting rows that it has none for."""
        columns = list(dict.fromkeys([*self._columns, *(name for row in self._waiting for name in row.cells)]))
        added = len(columns) - len(self._columns)
        if not added:
            return
        if self.path.is_file() and self.path.stat().st_size:
            empty = b"," * added + b"\n"
            with replacing(self.path) as part, self.path.open("rb") as old, part.open("wb") as handle:
                old.readline()
                handle.write((",".join(columns) + "\n").encode())
                handle.writelines(line.removesuffix(b"\n") + empty for line in old)
        self._columns = columns

    def _fill_in(self, last: int) -> None:
        """Put the iterations that the file lacks in front of those that wait, as far as their losses are known."""
        waiting, self._waiting = [row for row in self._waiting if row.iteration > self._end], []
        until, known = self._known_until, self._known
        for number in range(max(last + 1, until - len(known) + 1), min(until, self._end) + 1):
            self.add(number, None, dict(zip(self._names, known[number - until - 1], strict=True)))
        self._waiting += waiting

    def _mend(self, iteration: int) -> int:
        """Cut off a torn line and all lines after `iteration`; returns the last iteration that is left, or 0.

        A file that begins with other columns is set aside as history-NUMBER.csv. Only the end of the file is read.
        """
        if not self.path.is_file():
            return 0
        with self.path.open("rb") as handle:
            header = handle.readline()
        columns = header.decode(errors="replace").removesuffix("\n").split(",")
        if columns[: len(self._first_columns)] != self._first_columns or not header.endswith(b"\n"):
            self._set_aside()
            return 0
        self._columns = columns
        with self.path.open("rb+") as handle:
            end = handle.seek(0, 2)
            while end > len(header):
                start = max(len(header), end - _READ_BYTES)
                handle.seek(start)
                block = handle.read(end - start)
                lines = block.splitlines(keepends=True)
                while lines and (len(lines) > 1 or start == len(header)):
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
