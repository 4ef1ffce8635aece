"""What is compiled once takes batches of any size: the last one of a set of faces is smaller."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from dfl.models.engine import start_engine
from tests.models import compiled_functions

start_engine("tensorflow")


def allowed(name: str) -> float:
    """Pages are of whole numbers."""
    return 1.0 if name.endswith("save") else 1e-4


# One of each kind; the others with the long runs.
QUICK = ("AMP save", "liae held out", "df-udt compare", "quick96 predict", "XSeg save")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in compiled_functions.NAMES],
)
def test_a_second_batch_size_gives_what_it_gives_alone(name):
    assert compiled_functions.largest_difference(name) <= allowed(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", compiled_functions.LARGE_NAMES)
def test_a_second_batch_size_of_a_face_network(name):
    assert compiled_functions.largest_difference(name) <= 1e-3


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_a_second_batch_size_on_torch():
    command = [sys.executable, "-m", "tests.models.compiled_functions", "torch"]
    without = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}  # this process's engine
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=without)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert {name: difference for name, difference in found.items() if difference > allowed(name)} == {}
    assert list(found) == compiled_functions.NAMES
