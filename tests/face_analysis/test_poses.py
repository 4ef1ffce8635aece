from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.face_analysis.poses import distances_to_nearest, enlargements, pitch_yaw, rectangle_areas
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata
from dfl.faceset.faceset import FaceFile
from tests.recorded import RECORDS

RECORD = RECORDS / "sorting.npz"


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """The original's sorting of 40 faces: face data, histograms, orders."""
    with np.load(RECORD) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def faces(record: dict[str, Any]) -> Sequence[FaceFile]:
    """Their headers; there are no pictures."""
    return [
        FaceFile(Path(name), FaceMetadata(FaceType.WHOLE, landmarks, source, rect, landmarks, matrix), (192, 192, 3))
        for name, landmarks, source, rect, matrix in zip(
            record["names"].tolist(),
            record["landmarks"],
            record["source_filename"].tolist(),
            record["source_rect"],
            record["image_to_face_mat"],
            strict=True,
        )
    ]


def test_poses_and_areas_are_the_recorded_ones(record: dict[str, Any], faces: Sequence[FaceFile]) -> None:
    poses = pitch_yaw(faces)
    assert poses[:, 0] == pytest.approx(record["values_face_pitch"], rel=1e-3, abs=1e-5)
    assert poses[:, 1] == pytest.approx(record["values_face_yaw"], rel=1e-3, abs=1e-5)
    assert rectangle_areas(faces).tolist() == record["values_face_source_rect_size"].tolist()


def test_enlargement_is_that_of_the_matrix_or_of_the_landmarks(faces: Sequence[FaceFile]) -> None:
    face = faces[0]
    turned = np.array([[0, -2.5, 7], [2.5, 0, 9]])
    placed = replace(face, metadata=replace(face.metadata, image_to_face_mat=turned))
    foreign = replace(
        face,
        metadata=replace(face.metadata, image_to_face_mat=None, source_landmarks=face.metadata.landmarks / 4 + 50),
    )
    assert enlargements([placed, foreign]) == pytest.approx([2.5, 4.0], rel=1e-5)


def test_distances_reach_the_nearest_of_many() -> None:
    random = np.random.default_rng(1)
    poses, others = random.normal(size=(1500, 2)), random.normal(size=(1100, 2))
    wanted = [np.linalg.norm(others - pose, axis=1).min() for pose in poses]
    assert distances_to_nearest(poses, others) == pytest.approx(wanted)


def test_no_faces_have_no_poses() -> None:
    assert pitch_yaw([]).shape == (0, 2)
    assert rectangle_areas([]).shape == enlargements([]).shape == (0,)
    assert np.isinf(distances_to_nearest(np.zeros((2, 2)), np.empty((0, 2)))).all()
