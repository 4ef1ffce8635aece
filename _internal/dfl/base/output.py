"""Standard streams that may be closed, full, or no longer read: none of this ends a run."""

import errno
import io
import os
import sys
from contextlib import suppress
from dataclasses import dataclass

from dfl.base.stopping import ask_to_stop


@dataclass
class _Lost:
    """What became of the program's output."""

    is_cut_off: bool = False  # who read it has gone: `| head -1`
    reason: str = ""  # it cannot be written: a full disk, a closed terminal


lost = _Lost()


class _Output(io.TextIOWrapper):
    """A standard stream that drops its output where writing fails."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._drop_output(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._drop_output(error)

    def _drop_output(self, error: OSError) -> None:
        """Send the rest, and the buffer, to the null device."""
        _to_nowhere(self.fileno())
        if self is not sys.stdout:
            return
        # Windows calls a pipe that nobody reads an invalid argument.
        if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL):
            lost.is_cut_off = True
            ask_to_stop()
        elif not lost.reason:
            lost.reason = error.strerror or str(error)
            say(f"! The output cannot be written: {lost.reason}. The work goes on without it.")


def guard_streams() -> None:
    """Give the program streams that can be written to whatever happens. Called once, before anything is printed.

    A closed one (`>&-`, a program without a console) leads nowhere: else the next file that is opened would take its
    number, and messages of libraries and child processes would be written into that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            _to_nowhere(number)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - open as long as the program
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            kept = {key: getattr(stream, key) for key in ("encoding", "line_buffering", "write_through")}
            guarded = _Output(stream.detach(), errors="replace", **kept)
            setattr(sys, name, guarded)
            setattr(sys, f"__{name}__", guarded)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    """A line on the error output, if there is one."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def _to_nowhere(number: int) -> None:
    """Let a file descriptor lead nowhere; child processes inherit it."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere == number:
            os.set_inheritable(number, True)
            return
        os.dup2(nowhere, number)
        os.close(nowhere)
