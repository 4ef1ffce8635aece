from typing import Any

import cv2
import numpy as np
import pytest

from dfl.faces.dlib_faces import DlibFaces


@pytest.fixture(scope="module")
def dlib_faces() -> DlibFaces:
    return DlibFaces()


@pytest.mark.slow
def test_the_network_finds_the_same_face(dlib_faces: DlibFaces, astronaut: Any) -> None:
    (by_hog,) = dlib_faces.find(astronaut)
    (by_cnn,) = DlibFaces(with_cnn=True).find(astronaut)
    assert np.abs(by_cnn.landmarks - by_hog.landmarks).mean() < 3
    assert by_cnn.confidence > 0.9


@pytest.fixture(scope="module")
def astronaut() -> Any:
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[:, :, ::-1])


def test_a_face_is_found_with_its_landmarks(dlib_faces: DlibFaces, astronaut: Any) -> None:
    (found,) = dlib_faces.find(astronaut)
    box, landmarks = found.box, found.landmarks
    assert found.confidence > 0.98
    assert landmarks.shape == (68, 2)
    assert landmarks.dtype == np.float32
    left, top, right, bottom = box
    centre = landmarks.mean(axis=0)
    assert left < centre[0] < right
    assert top < centre[1] < bottom
    eyes, mouth = landmarks[36:48].mean(axis=0), landmarks[48:].mean(axis=0)
    assert eyes[1] + 10 < landmarks[30, 1] < mouth[1] - 10


# Quarter turns clockwise, and where the upright picture's point (x, y) lies in the turned one of 512 x 512.
@pytest.mark.parametrize(
    ("turn", "place"),
    [
        (cv2.ROTATE_90_CLOCKWISE, lambda x, y: (511 - y, x)),
        (cv2.ROTATE_180, lambda x, y: (511 - x, 511 - y)),
        (cv2.ROTATE_90_COUNTERCLOCKWISE, lambda x, y: (y, 511 - x)),
    ],
)
def test_a_lying_face_is_found_where_it_is(dlib_faces: DlibFaces, astronaut: Any, turn: int, place: Any) -> None:
    (face,) = dlib_faces.find(astronaut)
    (found,) = dlib_faces.find(cv2.rotate(astronaut, turn))
    upright, box, turned = face.landmarks, found.box, found.landmarks
    expected = np.stack(place(upright[:, 0], upright[:, 1]), axis=1)
    assert np.array_equal(turned, expected)
    assert box[0] < box[2]
    assert box[1] < box[3]


def test_small_faces_are_found_and_the_largest_comes_first(dlib_faces: DlibFaces, astronaut: Any) -> None:
    frame = np.full((400, 900, 3), 128, np.uint8)
    frame[50:250, 20:220] = cv2.resize(astronaut, (200, 200), interpolation=cv2.INTER_AREA)
    frame[20:380, 400:760] = cv2.resize(astronaut, (360, 360), interpolation=cv2.INTER_AREA)
    found = dlib_faces.find(frame)
    assert len(found) == 2
    assert found[0].box[0] > 400 > found[1].box[2]


def test_a_frame_without_a_face_gives_none(dlib_faces: DlibFaces) -> None:
    waves = 128 + 90 * np.sin(np.arange(320) / 23)[None, :, None] * np.cos(np.arange(200) / 31)[:, None, None]
    assert dlib_faces.find(np.repeat(waves, 3, axis=2).astype(np.uint8)) == []
    assert dlib_faces.find(np.zeros((3, 5, 3), np.uint8)) == []
