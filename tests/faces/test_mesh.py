import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.faces.mesh import Mesh, MeshNetwork, mirror_points, open_mesh_v1, open_mesh_v2
from dfl.faces.square import Square
from dfl.faces.weights import package_file

ASTRONAUT_FACE = Square(226, 124, 165)


@pytest.fixture(scope="module", params=["v1", "v2"])
def network(request: pytest.FixtureRequest) -> MeshNetwork:
    if request.param == "v2":
        file: Path = request.getfixturevalue("mesh_v2")
        return open_mesh_v2(file)
    return open_mesh_v1(package_file("face_landmark.tflite"))


def test_the_mesh_covers_the_face(network: MeshNetwork, astronaut: Picture) -> None:
    mesh = network.refine(astronaut, ASTRONAUT_FACE, 2)
    assert mesh.points.shape == (468, 2)
    assert mesh.points.dtype == np.float32
    assert mesh.box == pytest.approx((178, 69, 272, 176), abs=6)
    assert mesh.points[1] == pytest.approx((228, 131), abs=6)  # tip of the nose
    assert mesh.presence > 5
    assert mesh.depth[1] < mesh.depth[234]  # the nose is nearer than the ear
    assert abs(mesh.roll) < 0.15


def test_a_mirrored_face_has_the_mirrored_mesh(mesh_v2: Path, astronaut: Picture) -> None:
    """The middle line's points must mirror onto themselves: a wrong idea of where pixel 0 lies would double here."""
    network = open_mesh_v2(mesh_v2)
    mesh = network.find(astronaut, ASTRONAUT_FACE)
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    other = network.find(mirrored, Square(511 - ASTRONAUT_FACE.x, ASTRONAUT_FACE.y, ASTRONAUT_FACE.size))
    middle = [10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 0, 17, 152]
    assert np.mean(511 - other.points[middle, 0] - mesh.points[middle, 0]) == pytest.approx(0, abs=0.5)
    assert mesh.yaw == pytest.approx(-other.yaw, abs=0.1)


def test_presence_is_low_where_there_is_no_face(network: MeshNetwork, astronaut: Picture) -> None:
    assert network.find(astronaut, Square(100, 450, 120)).presence < 0


def test_the_next_square_is_level_with_the_eyes(astronaut: Picture) -> None:
    network = open_mesh_v1(package_file("face_landmark.tflite"))
    angle = math.radians(30)
    matrix = cv2.getRotationMatrix2D((226, 124), -30, 1)  # OpenCV turns anticlockwise
    turned = cv2.warpAffine(astronaut, matrix, (512, 512))
    mesh = network.refine(turned, Square(226, 124, 165, angle), 2)
    upright = network.refine(astronaut, ASTRONAUT_FACE, 2)
    assert mesh.square.roll == pytest.approx(upright.square.roll + angle, abs=0.05)
    assert mesh.square.size == pytest.approx(upright.square.size, rel=0.05)


def test_square_of_a_known_mesh() -> None:
    points = np.zeros((468, 2), np.float32)
    points[:, 0], points[:, 1] = np.linspace(100, 140, 468), np.linspace(50, 110, 468)
    points[33], points[263] = (110, 70), (130, 70)
    square = Mesh(points, np.zeros(468, np.float32), 1.0).square
    assert (square.x, square.y, square.size, square.roll) == pytest.approx((120, 80, 90, 0), abs=1e-4)


def test_a_look_at_the_mirror_picture_gives_the_face_itself(network: MeshNetwork, astronaut: Picture) -> None:
    mesh = network.find(astronaut, ASTRONAUT_FACE)
    same = network.find(astronaut, ASTRONAUT_FACE, is_mirrored=True)
    assert np.linalg.norm(same.points - mesh.points, axis=1).mean() < 2.5
    assert np.abs(same.points[[33, 263, 61, 291]] - mesh.points[[33, 263, 61, 291]]).max() < 4
    assert same.yaw == pytest.approx(mesh.yaw, abs=0.1)


def test_every_point_has_its_twin() -> None:
    twins = mirror_points()
    assert np.array_equal(twins[twins], np.arange(468))
    # Corners of the eyes and the mouth, temples, brows; tip of the nose and chin are their own.
    assert twins[[33, 61, 234, 70, 1, 152]].tolist() == [263, 291, 454, 300, 1, 152]
