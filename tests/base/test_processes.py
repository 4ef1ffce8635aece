import itertools
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dfl.base import processes
from dfl.base.errors import UserError
from dfl.base.processes import in_processes, worker_count

_ENDLESS = """
import itertools, time
from dfl.base.processes import in_processes

if __name__ == "__main__":
    for outcome in in_processes(time.sleep, itertools.repeat(0.01), workers=2):
        print("one", flush=True)
"""


def _square_or_die(number: int) -> int:
    if number == 2:
        raise ValueError("two is not wanted")
    if number == 5:
        os._exit(9)
    return number * number


def test_one_failing_item_and_one_killed_worker_do_not_end_the_run() -> None:
    outcomes = list(in_processes(_square_or_die, range(9), workers=2))
    assert [outcome.item for outcome in outcomes] == list(range(9))
    failed = {outcome.item: str(outcome.error) for outcome in outcomes if outcome.error}
    assert set(failed) == {2, 5}
    assert "two is not wanted" in failed[2]
    assert "died" in failed[5]
    assert all(outcome.result == outcome.item**2 for outcome in outcomes if not outcome.error)


def _count_or_die(number: int, folder: Path) -> int:
    with (folder / str(number)).open("a") as tries:
        tries.write("x")
    if number % 4 == 1:
        os.kill(os.getpid(), signal.SIGTERM)
    return number


@pytest.mark.slow
def test_a_killed_worker_costs_the_others_nothing(tmp_path: Path) -> None:
    outcomes = list(in_processes(partial(_count_or_die, folder=tmp_path), range(12), workers=3))
    assert [outcome.item for outcome in outcomes if outcome.error] == [1, 5, 9]
    tries = {number: (tmp_path / str(number)).read_text() for number in range(12)}
    assert tries == {number: "xx" if number % 4 == 1 else "x" for number in range(12)}


def test_workers_of_a_killed_program_end_too(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(_ENDLESS, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        assert process.stdout.readline().strip() == b"one"
        process.kill()
        # The workers share the output: it ends when the last of them has ended.
        process.communicate(timeout=30)


_LONG = """
import signal, time
from dfl.base.processes import in_processes, stop_if_asked

def work(number):
    print("begun", flush=True)
    while True:
        stop_if_asked()
        time.sleep(0.01)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores Ctrl-C
    try:
        list(in_processes(work, range(9), workers=1))
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one program alone")
def test_ctrl_c_ends_long_work_without_a_word_from_the_workers(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(_LONG, encoding="utf-8")
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, str(script)], stdout=pipe, stderr=pipe, start_new_session=True) as process:
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the program and its workers
        told, errors = process.communicate(timeout=30)
    assert told.endswith(b"stopped\n")
    assert errors == b""


class _Awkward(Exception):
    """Cannot be rebuilt from its pickle."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def _raise_awkwardly(number: int) -> int:
    raise _Awkward(number, 2)


def _refuse(what: str) -> None:
    raise UserError(f"{what} is missing.", "Install it.")


def test_an_error_that_cannot_be_sent_is_told_in_words() -> None:
    (outcome,) = in_processes(_raise_awkwardly, [1], workers=1)
    assert str(outcome.error) == "_Awkward: 1 and 2"


@pytest.mark.slow
def test_an_error_for_the_user_arrives_whole() -> None:
    (outcome,) = in_processes(_refuse, ["A picture"], workers=1)
    assert isinstance(outcome.error, UserError)
    assert (outcome.error.what, outcome.error.todo) == ("A picture is missing.", "Install it.")


def test_a_worker_that_cannot_begin_ends_the_run_with_its_reason() -> None:
    with pytest.raises(UserError, match=r"The model is missing\.\nInstall it"):
        list(in_processes(math.sqrt, range(100), workers=2, start=_refuse, start_arguments=("The model",)))


def test_items_are_taken_only_when_they_are_due() -> None:
    taken: list[int] = []

    def items() -> Any:
        for number in itertools.count():
            taken.append(number)
            yield number

    outcomes = in_processes(math.sqrt, items(), workers=2)
    first = [next(outcomes) for _ in range(4)]
    outcomes.close()  # type: ignore[attr-defined]
    assert [outcome.result for outcome in first] == [math.sqrt(number) for number in range(4)]
    assert len(taken) <= 4 + 3 * 2


def test_no_items_are_no_work() -> None:
    assert list(in_processes(math.sqrt, [], workers=2)) == []


def test_an_error_of_the_items_source_comes_through() -> None:
    def items() -> Any:
        yield 4
        raise UserError("The clip is cut.", "Copy it again.")

    with pytest.raises(UserError, match="The clip is cut"):
        list(in_processes(math.sqrt, items(), workers=1))


def test_as_many_workers_as_wanted_or_as_there_are_cores() -> None:
    assert worker_count(5) == 5
    assert 1 <= worker_count() <= worker_count(most=10_000)
    assert worker_count(most=1) == 1


def test_processes_do_not_start_threads_of_their_own_for_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, wanted in ((None, "1"), ("3", "3")):
        if given:
            monkeypatch.setenv("OPENBLAS_NUM_THREADS", given)
        else:
            monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
        assert [outcome.result for outcome in in_processes(os.getenv, ["OPENBLAS_NUM_THREADS"], workers=1)] == [wanted]


def _never_end(number: int) -> int:
    if number:
        threading.Event().wait()
    return number


def test_items_that_never_end_do_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LAST_ITEMS_SECONDS", 0.1)
    outcomes = in_processes(_never_end, range(5), workers=2)
    assert next(outcomes).result == 0
    outcomes.close()
    assert not any("drive_worker" in thread.name for thread in threading.enumerate())
    assert not [child for child in multiprocessing.active_children() if child.is_alive()]


def test_a_worker_that_starts_while_the_others_are_killed_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    first, killed = threading.Event(), threading.Event()
    begin, kill = processes._Worker.__init__, processes._Worker.kill

    def begin_late(worker: processes._Worker, *arguments: Any) -> None:
        if first.is_set():
            assert killed.wait(60)
        first.set()
        begin(worker, *arguments)

    def kill_and_tell(worker: processes._Worker) -> None:
        kill(worker)
        killed.set()

    monkeypatch.setattr(processes, "_LAST_ITEMS_SECONDS", 0.1)
    monkeypatch.setattr(processes._Worker, "__init__", begin_late)
    monkeypatch.setattr(processes._Worker, "kill", kill_and_tell)
    outcomes = in_processes(_never_end, range(5), workers=2)
    assert next(outcomes).result == 0
    outcomes.close()
    assert not any("drive_worker" in thread.name for thread in threading.enumerate())
    assert not [child for child in multiprocessing.active_children() if child.is_alive()]
