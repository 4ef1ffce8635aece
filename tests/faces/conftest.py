import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.pictures import Picture, read_picture
from dfl.demo.portraits import HOPPER
from dfl.faces import weights
from tests.recorded import RECORDS


@pytest.fixture(scope="session")
def alignment() -> dict[str, Any]:
    """21 sets of landmarks with the original's matrices, rectangles, angles and mask sums."""
    recorded: dict[str, Any] = json.loads((RECORDS / "alignment.json").read_text())
    return recorded


@pytest.fixture(scope="session")
def landmarks(alignment: dict[str, Any]) -> NDArray[np.float64]:
    """One face of the record: (68, 2), about 200 pixels wide."""
    return np.array(alignment["sets"][0]["landmarks"])


@pytest.fixture(scope="session")
def astronaut() -> Picture:
    """A woman's face, 90 pixels wide, in a picture of 512 x 512."""
    spec = importlib.util.find_spec("skimage")
    assert spec
    assert spec.submodule_search_locations
    return read_picture(Path(spec.submodule_search_locations[0]) / "data/astronaut.png")


@pytest.fixture(scope="session")
def officer() -> Picture:
    """A woman's face with glasses, 185 pixels wide, in a picture of 512 x 600."""
    return read_picture(HOPPER.portrait)


@pytest.fixture(scope="session")
def mesh_v2() -> Path:
    """The landmark network's file, where `dfl weights` has put one."""
    file = weights.mesh_v2_file()
    if file is None:
        pytest.skip("the landmark network is not there (dfl weights gets it)")
    return file
