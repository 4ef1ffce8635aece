"""What a program does whose standard streams are closed, full, or read no more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="written for the shell of Unix")

_WORKERS = """
import sys
from dfl.base.output import guard_streams
from dfl.base.processes import in_processes

def double(number):
    print("from a worker", flush=True)
    return 2 * number

if __name__ == "__main__":
    guard_streams()
    print("begun", flush=True)
    with open(sys.argv[1], "w") as file:
        file.write(repr([outcome.result for outcome in in_processes(double, range(4), workers=2)]))
"""


def _sh(redirected: str, *command: str) -> tuple[int, str]:
    """Exit code of a command whose streams are redirected, and what is left of its error output."""
    line = f'"$@" {redirected}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", line, "bash", *command], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        (">&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        ("2>&-", 0, ""),
        ("| true", 0, ""),
        ("| head -1", 0, ""),
        (">/dev/full", 2, "The output cannot be written: No space left on device."),
        (">/dev/full 2>/dev/full", 2, ""),
    ],
)
@pytest.mark.parametrize("words", [("models", "list"), ("train", "--help")], ids=" ".join)
def test_an_output_that_cannot_be_written_ends_in_words(
    tmp_path: Path, words: tuple[str, ...], redirected: str, code: int, said: str
) -> None:
    place = () if "--help" in words else ("--workspace", str(tmp_path))
    ended, heard = _sh(redirected, sys.executable, "-m", "dfl", *words, *place)
    assert "Traceback" not in heard
    assert "Exception ignored" not in heard
    assert said in heard
    assert ended == code


@pytest.mark.slow
def test_workers_work_for_a_program_without_output(tmp_path: Path) -> None:
    script, file = tmp_path / "work.py", tmp_path / "results"
    script.write_text(_WORKERS)
    for redirected in (">&-", "<&- >&- 2>&-", ">/dev/full"):
        _sh(redirected, sys.executable, str(script), str(file))
        assert file.read_text() == "[0, 2, 4, 6]"  # and nothing that a worker has said
        file.unlink()
