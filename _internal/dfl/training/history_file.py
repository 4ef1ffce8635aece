"""`history.csv` in a model's folder: one line an iteration, for spreadsheets and plots.

Lines are appended at saves, after the set: a killed run leaves at most a torn last line, or the lines of one save
missing. The next run mends both from the set's own history.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfl.base.files import mendable, move, sync_file

_READ_BYTES = 2**16


class HistoryFile:
    """Collects lines, and appends them when told to."""

    def __init__(self, folder: Path, names: Sequence[str], iteration: int, known: NDArray[np.float32]) -> None:
        """folder: of the model. names: of the losses. iteration: where the set is that training goes on from.

        known: its history, (n, losses), which ends at `iteration`. Later lines of the file are cut off; where it ends
        too early, the losses are filled in, without the seconds.
        """
        self.path = folder / "history.csv"
        self._waiting: list[str] = []
        tests = [f"held_out_{name}" for name in names]
        self._header = ",".join(["iteration", "seconds", *names, *tests]) + "\n"
        self._empty = "," * len(tests)
        try:
            last = self._mend(iteration)
        except OSError as error:
            raise mendable(error, self.path) from error
        for missing in range(max(last + 1, iteration - len(known) + 1), iteration + 1):
            self.add(missing, None, known[missing - iteration - 1])
        self.append()

    def add(self, iteration: int, seconds: float | None, losses: Sequence[float] | NDArray[np.float32]) -> None:
        """Note an iteration."""
        numbers = ",".join(f"{loss:.6g}" for loss in losses)
        self._waiting.append(f"{iteration},{'' if seconds is None else f'{seconds:.4f}'},{numbers}{self._empty}\n")

    def add_test(self, losses: Sequence[float]) -> None:
        """Put the losses of held-out faces into the line of the last iteration."""
        if self._waiting and losses:
            line = self._waiting[-1].removesuffix(self._empty + "\n")
            self._waiting[-1] = line + "".join(f",{loss:.6g}" for loss in losses) + "\n"

    def forget(self, iteration: int) -> None:
        """Training went back to this iteration: what came after did not happen."""
        self._waiting.clear()
        self._mend(iteration)

    def append(self) -> None:
        """Write what was noted. UserError when the disk does not take it."""
        if not self._waiting and self.path.is_file():
            return
        try:
            is_new = not self.path.is_file() or self.path.stat().st_size == 0
            with self.path.open("ab") as handle:
                handle.write(((self._header if is_new else "") + "".join(self._waiting)).encode())
                sync_file(handle)
        except OSError as error:
            raise mendable(error, self.path) from error
        self._waiting.clear()

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
            end = handle.seek(0, os.SEEK_END)
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
