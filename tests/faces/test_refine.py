from pathlib import Path

import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.faces.mesh import MeshNetwork, open_mesh_v2
from dfl.faces.refine import refine_landmarks
from dfl.faces.square import Square

FACE = Square(226, 124, 165)


@pytest.fixture(scope="module")
def network(mesh_v2: Path) -> MeshNetwork:
    return open_mesh_v2(mesh_v2)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("crops", [1, 2, 4, 8])
def test_refined_landmarks_stay_on_the_face(
    network: MeshNetwork, astronaut: Picture, crops: int, mirrored: bool
) -> None:
    mesh = network.refine(astronaut, FACE, 2)
    refined = refine_landmarks(network, astronaut, mesh, crops, mirrored)
    assert refined.points.dtype == np.float32
    assert np.linalg.norm(refined.points - mesh.points, axis=1).mean() < 0.015 * FACE.size
    assert np.abs(refined.depth - mesh.depth).max() < 0.05 * FACE.size
    assert refined.presence > 10
    assert refined.spread is not None
    assert (refined.spread == 0) == (crops == 1)
    assert refined.spread < 0.02


def test_several_looks_tremble_less(network: MeshNetwork, astronaut: Picture) -> None:
    rng = np.random.default_rng(1)
    once, refined = [], []
    for _ in range(12):
        noisy = np.clip(astronaut[:260, 100:360] + rng.normal(0, 12, (260, 260, 3)), 0, 255).astype(np.uint8)
        mesh = network.find(noisy, Square(126, 124, 165))
        once.append(network.find(noisy, mesh.square).points)
        refined.append(refine_landmarks(network, noisy, mesh).points)
    assert np.std(refined, axis=0).mean() < 0.85 * np.std(once, axis=0).mean()


def test_looks_at_no_face_lie_far_apart(network: MeshNetwork, astronaut: Picture) -> None:
    mesh = network.find(astronaut, Square(100, 430, 120))
    spread = refine_landmarks(network, astronaut, mesh).spread
    assert spread
    assert spread > 0.03
