import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.faces.find import FaceFinder, FoundFace
from dfl.faces.square import angle_apart


@pytest.fixture(scope="module", params=["fast", "thorough", "best", "older mesh"])
def finder(request: pytest.FixtureRequest) -> FaceFinder:
    if request.param == "older mesh":
        return FaceFinder("thorough", with_mesh_v2=False)
    request.getfixturevalue("mesh_v2")
    return FaceFinder(request.param)


def test_a_face_is_found_where_it_is(finder: FaceFinder, astronaut: Picture) -> None:
    (found,) = finder.find(astronaut)
    assert found.box == pytest.approx((179, 69, 272, 177), abs=6)
    assert found.landmarks.shape == (68, 2)
    assert found.landmarks.dtype == np.float32
    assert found.landmarks[36:42].mean(axis=0) == pytest.approx((203, 101), abs=4)
    assert found.landmarks[48:60].mean(axis=0) == pytest.approx((223, 146), abs=4)
    assert found.confidence > 0.99


# Quarter turns anticlockwise, as np.rot90 counts.
@pytest.mark.slow
@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("name", ["astronaut", "officer"])
def test_a_turned_face_is_put_on_the_right_way_up(
    finder: FaceFinder, name: str, turns: int, request: pytest.FixtureRequest
) -> None:
    picture: Picture = request.getfixturevalue(name)
    (upright,) = finder.find(picture)
    turned = np.ascontiguousarray(np.rot90(picture, turns))
    (found,) = finder.find(turned)
    assert upright.square
    assert found.square
    assert angle_apart(found.square.roll, upright.square.roll - turns * math.pi / 2) < math.radians(8)
    height, width = picture.shape[:2]
    x, y = upright.landmarks.T
    expected = {1: (y, width - 1 - x), 2: (width - 1 - x, height - 1 - y), 3: (height - 1 - y, x)}[turns]
    size = upright.box[2] - upright.box[0]
    assert np.abs(found.landmarks - np.stack(expected, axis=1)).max() < 0.12 * size


@pytest.mark.slow
def test_faces_come_largest_first_and_always_the_same(finder: FaceFinder, astronaut: Picture, officer: Picture) -> None:
    frame = np.zeros((600, 1024, 3), np.uint8)
    frame[:512, :512], frame[:, 512:] = astronaut, officer[:600, :512]
    found = finder.find(frame)
    assert [face.box[0] > 512 for face in found] == [True, False]
    again = finder.find(frame)
    assert all(np.array_equal(one.landmarks, other.landmarks) for one, other in zip(found, again, strict=True))


def test_no_face_where_there_is_none(finder: FaceFinder, astronaut: Picture) -> None:
    assert finder.find(np.ascontiguousarray(astronaut[260:, :200])) == []
    assert finder.find(np.zeros((40, 30, 3), np.uint8)) == []
    assert finder.find(np.zeros((1, 1, 3), np.uint8)) == []


def test_a_face_sliding_out_of_the_frame_is_followed(mesh_v2: Path, officer: Picture) -> None:
    finder = FaceFinder()
    face: FoundFace | None = None
    for shift in (160, 180, 200):  # the detector alone loses the face at 200
        frame = np.zeros((430, 512, 3), np.uint8)
        frame[shift:] = officer[: 430 - shift, :512]
        face = finder.follow(frame, face) if face else finder.find(frame)[0]
    assert finder.find(frame) == []
    assert face is not None
    assert finder.find(frame, [face]) == [face]
    assert finder.follow(np.zeros_like(frame), face) is None


def test_small_faces_of_a_large_frame_are_found_in_tiles(mesh_v2: Path, astronaut: Picture) -> None:
    frame = np.full((540, 960, 3), 90, np.uint8)
    small = cv2.resize(astronaut, (160, 160), interpolation=cv2.INTER_AREA)  # a face of 29 pixels
    frame[300:460, 700:860] = small
    (found,) = FaceFinder("thorough").find(frame)
    assert found.box == pytest.approx((756, 321, 785, 355), abs=4)


def test_a_badge_is_no_face(finder: FaceFinder, officer: Picture) -> None:
    """The detector takes the cap's badge for one; the mesh shrinks to a few pixels on it."""
    frame = np.zeros((430, 512, 3), np.uint8)
    frame[280:] = officer[:150, :512]
    assert finder.find(frame) == []


def test_large_and_small_pictures_of_a_face_have_the_same_landmarks(finder: FaceFinder, officer: Picture) -> None:
    (found,) = finder.find(officer)
    large = cv2.resize(officer, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    (same,) = finder.find(large.astype(np.uint8, copy=False))
    # Pixel centres: x of the large picture is 4 x + 1.5.
    size = found.box[2] - found.box[0]
    assert np.median(np.abs((same.landmarks - 1.5) / 4 - found.landmarks)) < 0.01 * size
