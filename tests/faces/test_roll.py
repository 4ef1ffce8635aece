import math
from pathlib import Path

import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.faces.blaze import Detector
from dfl.faces.mesh import Mesh, open_mesh_v2
from dfl.faces.roll import is_better, other_direction
from dfl.faces.square import Square
from dfl.faces.weights import package_file


@pytest.fixture(scope="module")
def guard() -> Detector:
    return Detector(package_file("face_detection_short_range.tflite"))


def test_a_mesh_put_on_upside_down_is_turned(guard: Detector, mesh_v2: Path, astronaut: Picture) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut, 2))
    network = open_mesh_v2(mesh_v2)
    wrong = network.find(turned, Square(511 - 226, 511 - 124, 165, 0.0))
    assert abs(wrong.roll) < 1  # eyes on the mouth
    found = other_direction(guard, turned, wrong)
    assert found
    assert abs(found.square.roll) > 2.8
    right = network.refine(turned, Square(found.square.x, found.square.y, found.square.size * 1.5, math.pi), 2)
    assert is_better(right, wrong)
    assert other_direction(guard, turned, right) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [(5.0, 12.0, True), (5.0, 10.0, False), (18.0, 16.0, True), (18.0, 14.0, False)],
)
def test_only_a_sure_mesh_replaces_another(old: float, new: float, expected: bool) -> None:
    points, depth = np.zeros((468, 2), np.float32), np.zeros(468, np.float32)
    assert is_better(Mesh(points, depth, new), Mesh(points, depth, old)) is expected
