"""A user at a terminal: the program runs in a pseudo-terminal, and what it asks is answered as it is asked."""

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

# Seconds until a program that says nothing more is a failure.
PATIENCE = 120.0


class TypingUser:
    """The program in a pseudo-terminal. said: all that it has written."""

    def __init__(self, words: Sequence[str], environment: dict[str, str] | None = None) -> None:
        import fcntl
        import pty
        import termios

        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dfl", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.said = ""
        self._read = 0  # of what was said

    def __enter__(self) -> "TypingUser":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def hear(self, wanted: str) -> str:
        """Wait until the program has said this, a pattern, since the last time; returns what it said up to its end."""
        while not (found := re.search(wanted, self.said[self._read :])):
            assert self._listen(), f"no {wanted!r} in:\n{self.said}"
        heard = self.said[self._read : self._read + found.end()]
        self._read += found.end()
        return heard

    def type(self, answer: str) -> None:
        """Type an answer and Enter."""
        self.press(f"{answer}\n")

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def answer(self, question: str, answer: str) -> str:
        """Wait for a question, then answer it; returns what was said before it."""
        heard = self.hear(rf"{re.escape(question)}[^\n]*\) : ")
        self.type(answer)
        return heard

    def enter_until(self, wanted: str) -> None:
        """Take the default of every question until the program says this."""
        while not re.search(wanted, self.said[self._read :]):
            found = re.search(r"\) : ", self.said[self._read :])
            if found:
                self._read += found.end()
                self.type("")
            else:
                assert self._listen(), f"no {wanted!r} in:\n{self.said}"

    def stop(self) -> int:
        """Press Ctrl-C until the program ends; its exit code. One that comes before a read begins may be missed."""
        self.press("\x03")
        while True:
            if not select.select([self._terminal], [], [], 0.5)[0]:
                self.press("\x03")
            elif not self._listen():
                return self._process.wait(PATIENCE)

    def leave(self) -> int:
        """Wait for the program's end; its exit code."""
        while self._listen():
            pass
        return self._process.wait(PATIENCE)

    def _listen(self) -> bool:
        """Take what the program says; False when it has ended."""
        if not select.select([self._terminal], [], [], PATIENCE)[0]:
            raise AssertionError(f"nothing more was said after:\n{self.said}")
        try:
            more = os.read(self._terminal, 4096)
        except OSError:  # Linux: nobody has the other end any more
            return False
        self.said += more.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(more)


@contextmanager
def step(name: str, workspace: Path, *words: str, environment: dict[str, str] | None = None) -> Iterator[TypingUser]:
    """A double-click on a numbered batch file."""
    with TypingUser(["step", name, "--ask", "--workspace", str(workspace), *words], environment) as user:
        yield user
