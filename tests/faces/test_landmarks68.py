import math

import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.faces.align import ALIGNMENT_LANDMARKS, mean_face, mirror_landmarks, similarity, transform_points
from dfl.faces.dlib_faces import DlibFaces
from dfl.faces.find import FaceFinder
from dfl.faces.landmarks68 import MESH_POINT_OF_LANDMARK, landmarks_of_mesh, offsets
from dfl.faces.mesh import Mesh


def _mesh(yaw: float) -> Mesh:
    """A mesh whose steady landmarks are the mean face, 200 pixels wide, with the eye corners' depth for a yaw."""
    points = np.random.default_rng(3).uniform(0, 200, (468, 2)).astype(np.float32)
    mesh_points = np.array(MESH_POINT_OF_LANDMARK)
    points[mesh_points[list(ALIGNMENT_LANDMARKS)]] = mean_face() * 200 + 50
    depth = np.zeros(468, np.float32)
    depth[263] = math.tan(yaw) * float(np.hypot(*(points[263] - points[33])))
    return Mesh(points, depth, 10.0)


def test_every_landmark_has_a_mesh_point_of_its_own() -> None:
    assert len(MESH_POINT_OF_LANDMARK) == 68
    assert len(set(MESH_POINT_OF_LANDMARK)) == 68
    assert max(MESH_POINT_OF_LANDMARK) < 468


def test_offsets_are_symmetric() -> None:
    assert offsets().shape == (68, 2)
    assert mirror_landmarks(offsets(), 1) == pytest.approx(offsets(), abs=1e-6)
    assert offsets()[0] == pytest.approx((-0.016, 0.113), abs=1e-6)
    assert offsets()[16] == pytest.approx((0.016, 0.113), abs=1e-6)
    assert offsets()[54] == pytest.approx((0.005, 0.002), abs=1e-6)


# Share of the offsets that is left at a yaw, degrees.
@pytest.mark.parametrize(("yaw", "share"), [(0, 1.0), (20, 1.0), (35, 0.5), (-35, 0.5), (50, 0.0), (-70, 0.0)])
def test_offsets_fade_with_yaw(yaw: float, share: float) -> None:
    mesh = _mesh(math.radians(yaw))
    moved = landmarks_of_mesh(mesh) - mesh.points[list(MESH_POINT_OF_LANDMARK)]
    assert moved == pytest.approx(offsets() * 200 * share, abs=0.02)


@pytest.mark.slow
def test_landmarks_lie_where_dlibs_lie_on_a_face_towards_the_camera(astronaut: Picture, officer: Picture) -> None:
    """dlib's predictor uses the same scheme. In widths of the mean face; dlib itself is right to about 0.02."""
    finder, dlib_faces = FaceFinder(), DlibFaces()
    for picture in (astronaut, officer):
        (found,) = finder.find(picture)
        (by_dlib,) = dlib_faces.find(picture)
        expected = by_dlib.landmarks
        to_unit = similarity(expected[list(ALIGNMENT_LANDMARKS)], mean_face())
        ours, theirs = transform_points(found.landmarks, to_unit), transform_points(expected, to_unit)
        apart = np.hypot(*(ours - theirs).T)
        assert np.median(apart[17:]) < 0.035
        assert np.median(apart[:17]) < 0.08
