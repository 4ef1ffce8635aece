import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.face_analysis.pose_coverage import direction, enough_faces, find_coverage_gaps, is_lacking
from dfl.face_analysis.poses import pitch_yaw
from tests.faceset.mean_head_faces import made_face


def poses(*rows: tuple[float, float, int]) -> NDArray[np.float64]:
    """Pitch and yaw in radians of (pitch, yaw in degrees, count)."""
    return np.radians(np.concatenate([np.tile((pitch, yaw), (count, 1)) for pitch, yaw, count in rows]).astype(float))


@pytest.mark.parametrize(
    ("pitch", "yaw", "words"),
    [
        (0, 0, "ahead"),
        (3, -3, "ahead"),
        (0, 7, "slightly left"),
        (0, -15, "half right"),
        (15, 30, "left and up"),
        (-7, -60, "far right and slightly down"),
        (-40, 0, "far down"),
    ],
)
def test_directions_are_words(pitch: float, yaw: float, words: str) -> None:
    assert direction(np.radians(pitch), np.radians(yaw)) == words


def test_a_head_turned_to_the_pictures_left_is_said_to_look_left() -> None:
    faces = [made_face(yaw=40), made_face(yaw=-40), made_face(pitch=35), made_face(pitch=-35)]
    words = [direction(*pose) for pose in pitch_yaw(faces)]
    assert "left" in words[0]
    assert "right" in words[1]
    assert "up" in words[2]
    assert "down" in words[3]
    nose, ears = faces[0].metadata.landmarks[30, 0], faces[0].metadata.landmarks[[0, 16], 0]
    assert nose < ears.mean()


def test_src_that_looks_the_same_way_lacks_nothing() -> None:
    some = poses((0, 0, 50), (10, 20, 50))
    assert not is_lacking(some, some).any()
    assert find_coverage_gaps(some, some) == []


def test_faces_on_two_sides_of_a_words_border_are_near() -> None:
    assert find_coverage_gaps(poses((0, 12, 50)), poses((0, 8, 50))) == []


def test_holes_are_told_with_what_src_has_there() -> None:
    dst = poses((0, 0, 80), (0, 35, 15), (20, -50, 5))
    src = poses((0, 0, 100), (0, 33, 2), (0, -35, 40))
    first, second = find_coverage_gaps(dst, src)
    assert (first.words, first.faces, first.share, first.src_faces, first.mirrored_faces) == ("left", 15, 0.15, 2, 40)
    assert (second.words, second.faces, second.src_faces) == ("far right and up", 5, 0)


def test_a_few_faces_of_dst_are_no_hole() -> None:
    dst = poses((0, 0, 1000), (0, 60, 9))
    assert find_coverage_gaps(dst, poses((0, 0, 100))) == []
    assert is_lacking(dst, poses((0, 0, 100))).sum() == 9


def test_a_large_src_needs_more_faces_in_a_direction() -> None:
    assert [enough_faces(count) for count in (50, 1000, 100_000)] == [3, 5, 10]
    assert find_coverage_gaps(poses((0, 35, 10)), poses((0, 0, 1600), (0, 35, 7)))[0].src_faces == 7
    assert find_coverage_gaps(poses((0, 35, 10)), poses((0, 0, 1600), (0, 35, 8))) == []


def test_poses_beyond_a_right_angle_are_taken_as_one() -> None:
    dst = np.full((5, 2), np.pi / 2)
    assert is_lacking(dst, poses((0, 0, 9))).all()
    assert not is_lacking(dst, dst).any()
