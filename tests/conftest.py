"""What several tests need: the reference data beside the checkout, and a workspace of one's own."""

from pathlib import Path

import pytest

from dfl.workspace import Workspace

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


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
