from typing import Any

import numpy as np
import pytest

from dfl.faces.align import alignment_matrix, mirror_landmarks, transform_points
from dfl.faces.face_type import FaceType
from dfl.faces.pose import averaged_yaw, pitch_yaw_roll


def test_angles_are_those_of_the_original(alignment: Any, agrees: Any) -> None:
    for face in alignment["sets"]:
        points = np.array(face["landmarks"])
        agrees("averaged yaw", averaged_yaw(points), face["averaged_yaw"], 1e-6)
        for key, recorded in face["pitch_yaw_roll"].items():
            name, size = key.split("/")
            aligned = transform_points(points, alignment_matrix(points, int(size), FaceType.from_name(name)))
            agrees("pitch, yaw, roll (radians)", pitch_yaw_roll(aligned, int(size)), recorded, 2e-3)


def test_a_nose_to_the_pictures_left_has_a_positive_yaw(alignment: Any) -> None:
    points = np.array(alignment["sets"][0]["landmarks"])
    share = (points[30, 0] - points[0, 0]) / (points[16, 0] - points[0, 0])
    assert share < 0.4  # the nose's tip is nearer to the jaw's left end
    aligned = transform_points(points, alignment_matrix(points, 256, FaceType.WHOLE))
    assert averaged_yaw(aligned) > 0
    assert pitch_yaw_roll(aligned, 256)[1] > 0.2
    mirrored = mirror_landmarks(aligned, 256)
    assert averaged_yaw(mirrored) == pytest.approx(-averaged_yaw(aligned), abs=1e-3)
    assert pitch_yaw_roll(mirrored, 256)[1] < -0.2


def test_angles_do_not_depend_on_the_pictures_size(alignment: Any) -> None:
    points = np.array(alignment["sets"][3]["landmarks"])
    angles = [
        pitch_yaw_roll(transform_points(points, alignment_matrix(points, size, FaceType.FULL)), size)
        for size in (64, 256, 1024)
    ]
    assert np.allclose(angles[0], angles[1], atol=1e-3)
    assert np.allclose(angles[2], angles[1], atol=1e-3)
