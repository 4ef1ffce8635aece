"""What several tests need: the reference data beside the checkout, and a workspace of one's own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# As in the program: before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A test process for each core: threads of the engines would only spin beside one another (a third of the time).
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

from dfl.workspace import Workspace
from tests.recorded import SHARED

pytest_plugins = ("tests.faceset_fixtures", "tests.sample_fixtures")

# How long an example takes says nothing: machines are busy.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session", autouse=True)
def own_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys and first words go into a folder of the tests' own, not into the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DFL_CONFIG", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the reference data; tests that need it are skipped where it is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"no reference data beside the checkout ({SHARED})")
    return SHARED


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace in a path with spaces and non-ASCII letters."""
    made = Workspace(tmp_path / "Würk späce (1) & 顔")
    made.create()
    return made


class Agreement:
    """Compares with recorded numbers and remembers the largest difference of every record."""

    def __init__(self) -> None:
        self.largest: dict[str, tuple[float, float]] = {}

    def __call__(self, record: str, got: Any, wanted: Any, tolerance: float, how: str = "max") -> None:
        """Assert that the largest (or "mean") absolute difference is within `tolerance`."""
        got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
        assert got.shape == wanted.shape, f"{record}: shape {got.shape}, recorded {wanted.shape}"
        differences = np.abs(got - wanted)
        difference = float(differences.mean() if how == "mean" else differences.max()) if differences.size else 0.0
        self.largest[record] = max(self.largest.get(record, (-1.0, 0.0)), (difference, tolerance))
        assert difference <= tolerance, f"{record}: {how} difference {difference:g}, allowed {tolerance:g}"


@pytest.fixture(scope="session")
def agrees(request: pytest.FixtureRequest) -> Iterator[Agreement]:
    """Check against a recorded number; `--agreement-table FILE` writes the largest differences seen."""
    agreement = Agreement()
    yield agreement
    table = request.config.getoption("--agreement-table")
    if table:
        rows = [f"| {name} | {tolerance:.2g} | {seen:.2g} |" for name, (seen, tolerance) in agreement.largest.items()]
        Path(table).write_text("| record | allowed | largest seen |\n|---|---|---|\n" + "\n".join(rows) + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--agreement-table", help="write a table of the differences from recorded numbers to this file")
    parser.addoption("--messages", help="write every message of the program to this file")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """After the fast tests, say how the others are run."""
    if config.option.markexpr == "not slow":
        terminalreporter.write_line("Fast tests alone. Engines in processes, kills and whole roads: pytest -m slow")


def pytest_runtest_setup() -> None:
    """Undo a real-time scheduling policy that a test process got: under it threads that wait by spinning starve others.

    Two test processes on two cores stood still that way, in the encoder libvpx and in a window's drawing.
    """
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
