"""All that asks a program to end stops it as Ctrl-C does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of Unix")

_PATIENT = """
import sys, time
from dfl.base.stopping import stop_on_every_signal

stop_on_every_signal()
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopping", flush=True)
    sys.stdin.readline()
    print("saved", flush=True)
"""
_WITH_WORKERS = """
import sys, time
from dfl.base.processes import in_processes, stop_if_asked
from dfl.base.stopping import stop_on_every_signal

def work(number):
    print("begun", flush=True)
    while True:
        stop_if_asked()
        time.sleep(0.01)

if __name__ == "__main__":
    stop_on_every_signal()
    try:
        list(in_processes(work, range(2), workers=2))
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""


def _started(code: str, folder: Path) -> "subprocess.Popen[str]":
    script = folder / "script.py"
    script.write_text(code)

    def as_in_a_terminal() -> None:
        """A test run in the background ignores Ctrl-C, and one under nohup the end of its terminal."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    # A process group of its own, as a terminal gives.
    return subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=as_in_a_terminal,
    )  # fmt: skip


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_second_signal_does_not_break_what_the_first_began(tmp_path: Path, number: str) -> None:
    with _started(_PATIENT, tmp_path) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "begun\n"
        process.send_signal(getattr(signal, number))
        assert process.stdout.readline() == "stopping\n"
        for again in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            process.send_signal(again)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "saved\n"
    assert process.returncode == 0


@pytest.mark.parametrize("number", ["SIGINT", "SIGHUP"])
def test_a_closed_terminal_stops_workers_in_the_middle_of_an_item(tmp_path: Path, number: str) -> None:
    with _started(_WITH_WORKERS, tmp_path) as process:
        assert process.stdout
        assert [process.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
        os.killpg(process.pid, getattr(signal, number))
        assert process.stdout.read() == "stopped\n"
    assert process.returncode == 0


def test_nohup_keeps_a_program_from_ending_with_its_terminal() -> None:
    code = "from dfl.base.stopping import stop_signals; print(*(number.name for number in stop_signals()))"
    command = ["nohup", sys.executable, "-c", code]
    heard = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    assert "SIGHUP" not in heard
    assert "SIGTERM" in heard
