import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="session")
def alignment() -> dict[str, Any]:
    """21 sets of landmarks with the original's matrices, rectangles, angles and mask sums."""
    recorded: dict[str, Any] = json.loads((DATA / "alignment.json").read_text())
    return recorded


@pytest.fixture(scope="session")
def landmarks(alignment: dict[str, Any]) -> NDArray[np.float64]:
    """One face of the record: (68, 2), about 200 pixels wide."""
    return np.array(alignment["sets"][0]["landmarks"])
