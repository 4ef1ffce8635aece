from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.faces.confidence import confidence_of
from dfl.faces.mesh import Mesh, open_mesh_v1, open_mesh_v2
from dfl.faces.refine import refine_landmarks
from dfl.faces.square import Square
from dfl.faces.weights import package_file

FACE = Square(226, 124, 165)


def look(mesh_v2: Path, picture: Picture, square: Square) -> list[Mesh]:
    """The face as it is found, followed, and both with several looks."""
    network = open_mesh_v2(mesh_v2)
    first = open_mesh_v1(package_file("face_landmark.tflite")).refine(picture, square, 2)
    followed = network.refine(picture, first.square, 2)
    refined = refine_landmarks(network, picture, followed)
    meshes = [replace(mesh, older_presence=first.presence) for mesh in (followed, refined)]
    return [*meshes, followed, refined]


def test_a_clear_face_is_sure(mesh_v2: Path, astronaut: Picture) -> None:
    found, found_refined, followed, followed_refined = map(confidence_of, look(mesh_v2, astronaut, FACE))
    assert min(found, found_refined, followed_refined) > 0.99
    assert followed > 0.9


def test_what_is_no_face_is_not(mesh_v2: Path, astronaut: Picture) -> None:
    assert max(map(confidence_of, look(mesh_v2, astronaut, Square(100, 430, 120)))) < 0.2


def test_a_face_in_the_wrong_direction_is_doubtful(mesh_v2: Path, officer: Picture) -> None:
    square = Square(248, 205, 300, np.pi)
    assert max(map(confidence_of, look(mesh_v2, officer, square))) < 0.8


def test_a_worse_picture_is_less_sure(mesh_v2: Path, astronaut: Picture) -> None:
    small = cv2.resize(astronaut, None, fx=0.08, fy=0.08, interpolation=cv2.INTER_AREA)
    poor = cv2.resize(small, (512, 512), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    for better, worse in zip(look(mesh_v2, astronaut, FACE), look(mesh_v2, poor, FACE), strict=True):
        assert confidence_of(worse) < confidence_of(better)


@pytest.mark.parametrize("presence", [-1e6, 0.0, 1e6])
@pytest.mark.parametrize("older_presence", [None, -1e6, 1e6])
@pytest.mark.parametrize("spread", [None, 0.0, 0.01, 1e6])
def test_it_is_always_a_probability(presence: float, older_presence: float | None, spread: float | None) -> None:
    mesh = Mesh(np.zeros((468, 2), np.float32), np.zeros(468, np.float32), presence, older_presence, spread)
    assert 0 <= confidence_of(mesh) <= 1
