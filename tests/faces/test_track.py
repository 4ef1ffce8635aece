from pathlib import Path

import numpy as np

from dfl.base.pictures import Picture
from dfl.faces import track
from dfl.faces.mesh import open_mesh_v2
from dfl.faces.square import Square


def test_a_face_that_moved_a_little_is_regained_and_matched(mesh_v2: Path, astronaut: Picture) -> None:
    network = open_mesh_v2(mesh_v2)
    before = network.refine(astronaut, Square(226, 124, 165), 2)
    moved = np.roll(astronaut, (8, 14), axis=(0, 1))
    mesh = track.regain(network, moved, before.box, before.square, 2)
    assert mesh
    assert np.allclose(mesh.box - before.box, [14, 8, 14, 8], atol=3)
    assert track.lost([(before.box, before.square)], [mesh]) == []
    assert len(track.lost([(before.box, before.square)], [])) == 1


def test_a_face_that_is_gone_is_not_regained(mesh_v2: Path, astronaut: Picture) -> None:
    network = open_mesh_v2(mesh_v2)
    before = network.refine(astronaut, Square(226, 124, 165), 2)
    assert track.regain(network, np.full_like(astronaut, 90), before.box, before.square, 2) is None
    far = np.roll(astronaut, 90, axis=1)
    assert track.regain(network, far, before.box, before.square, 2) is None
