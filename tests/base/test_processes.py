import os
import subprocess
import sys
from pathlib import Path

from dfl.base.processes import in_processes

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


def test_workers_of_a_killed_program_end_too(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(_ENDLESS, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        assert process.stdout.readline().strip() == b"one"
        process.kill()
        # The workers share the output: it ends when the last of them has ended.
        process.communicate(timeout=30)
