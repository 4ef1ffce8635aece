import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.base.report import Report
from dfl.face_analysis import measures
from dfl.face_analysis.measures import measure
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, read_metadata, with_metadata, write_face
from dfl.faceset.faceset import list_faceset
from dfl.workspace import MEASURES

CHEAP = ("sharpness", "motion_sharpness", "brightness", "hue", "black", "histogram", "grey_histogram", "thumbnail")


def _metadata(random: np.random.Generator) -> FaceMetadata:
    landmarks = random.uniform(50, 200, (68, 2)).astype(np.float32)
    matrix = alignment_matrix(landmarks, 128, FaceType.WHOLE)
    return FaceMetadata(
        face_type=FaceType.WHOLE,
        landmarks=transform_points(landmarks, matrix),
        source_filename="00001.png",
        source_rect=np.array([50, 60, 200, 210], np.int32),
        source_landmarks=landmarks,
        image_to_face_mat=matrix,
    )


def _picture(random: np.random.Generator) -> Picture:
    noise = cv2.GaussianBlur(random.uniform(0, 255, (128, 128, 3)), (0, 0), 1)
    return np.clip((noise - 127) * 3 + 127, 0, 255).astype(np.uint8)


def _fill(folder: Path, count: int) -> None:
    for number in range(count):
        random = np.random.default_rng(number)
        write_face(folder / f"{number:05d}_0.jpg", _picture(random), _metadata(random))


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the faces that were measured, in this process."""
    names: list[str] = []
    plain = measures._measure_face
    monkeypatch.setattr(measures, "_measure_face", lambda task: (names.append(task.face.name), plain(task))[1])
    return names


def test_values_are_those_of_the_pictures(tmp_path: Path) -> None:
    _fill(tmp_path, 3)
    faces = list_faceset(tmp_path)
    values = measure(faces, (*CHEAP, "plain_grey_histogram"), Report())
    for row, face in enumerate(faces):
        picture = face.read_picture()
        hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
        assert values["brightness"][row] == hsv[..., 2].mean()
        assert values["hue"][row] == hsv[..., 0].mean()
        assert values["black"][row] == (picture == 0).sum() > 0
        for channel in range(3):
            wanted = cv2.calcHist([picture], [channel], None, [256], [0, 256])[:, 0]
            assert np.array_equal(values["histogram"][row, channel], wanted)
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        plain = values["plain_grey_histogram"][row]
        assert np.array_equal(plain, cv2.calcHist([grey], [0], None, [256], [0, 256])[:, 0])
        assert values["grey_histogram"][row, 0] > plain[0]  # black around the face
        assert values["grey_histogram"][row].sum() == plain.sum() == grey.size
        assert 0 < values["sharpness"][row] <= 1 < values["motion_sharpness"][row]
    assert values["thumbnail"].shape == (3, 32, 32, 3)
    assert values["readable"].all()


def test_nothing_is_measured_twice(tmp_path: Path, looked_at: list[str]) -> None:
    _fill(tmp_path, 4)
    first = measure(list_faceset(tmp_path), CHEAP, Report())
    assert len(looked_at) == 4
    measure(list_faceset(tmp_path), ("brightness", "plain_grey_histogram"), Report())
    assert len(looked_at) == 8  # for the new one
    again = measure(list_faceset(tmp_path), CHEAP, Report())
    assert len(looked_at) == 8
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_names_and_face_data_may_change_but_the_picture_not(tmp_path: Path, looked_at: list[str]) -> None:
    _fill(tmp_path, 3)
    first = measure(list_faceset(tmp_path), CHEAP, Report())
    looked_at.clear()
    (tmp_path / "00000_0.jpg").rename(tmp_path / "zzz.jpg")
    content = (tmp_path / "00001_0.jpg").read_bytes()
    metadata = read_metadata(content, "")
    assert metadata
    renamed = replace(metadata, source_filename="other.png", xseg_mask=b"x" * 5000)
    (tmp_path / "00001_0.jpg").write_bytes(with_metadata(content, renamed))
    again = measure(list_faceset(tmp_path), CHEAP, Report())
    assert looked_at == []
    assert all(np.array_equal(again[name], np.roll(first[name], -1, axis=0)) for name in CHEAP)
    content = (tmp_path / "00002_0.jpg").read_bytes()
    (tmp_path / "00002_0.jpg").write_bytes(with_metadata(content, replace(metadata, landmarks=metadata.landmarks + 9)))
    measure(list_faceset(tmp_path), ("hue", "brightness"), Report())
    assert looked_at == []
    moved = measure(list_faceset(tmp_path), CHEAP, Report())
    assert looked_at == ["00002_0.jpg"]
    assert moved["motion_sharpness"][1] != again["motion_sharpness"][1]
    write_face(tmp_path / "zzz.jpg", _picture(np.random.default_rng(9)), metadata)
    measure(list_faceset(tmp_path), ("hue",), Report())
    assert looked_at == ["00002_0.jpg", "zzz.jpg"]


def test_a_lost_cache_is_measured_again(tmp_path: Path) -> None:
    _fill(tmp_path, 2)
    first = measure(list_faceset(tmp_path), CHEAP, Report())
    (tmp_path / MEASURES).write_bytes(b"torn")
    again = measure(list_faceset(tmp_path), CHEAP, Report())
    assert all(np.array_equal(first[name], again[name]) for name in first)


@pytest.mark.slow
def test_many_are_measured_in_processes(tmp_path: Path) -> None:
    _fill(tmp_path, 3)
    for number in range(3, 50):
        shutil.copy(tmp_path / f"{number % 3:05d}_0.jpg", tmp_path / f"{number:05d}_0.jpg")
    values = measure(list_faceset(tmp_path), CHEAP, Report(), workers=1)
    (tmp_path / MEASURES).unlink()
    few = measure(list_faceset(tmp_path)[:3], CHEAP, Report())
    for name in CHEAP:
        assert np.array_equal(values[name], np.resize(few[name], values[name].shape))


def test_a_damaged_picture_is_told_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _fill(tmp_path, 3)
    faces = list_faceset(tmp_path)
    content = faces[1].read_content()
    (tmp_path / faces[1].name).write_bytes(content[: len(content) // 2])
    values = measure(faces, ("brightness", "histogram"), Report())
    assert values["readable"].tolist() == [True, False, True]
    assert values["brightness"][1] == 0 < values["brightness"][2]
    assert "1 pictures could not be measured" in (told := capsys.readouterr().out)
    assert "00001_0.jpg" in told


def test_no_faces_have_no_rows(tmp_path: Path) -> None:
    assert measure([], ("histogram",), Report())["histogram"].shape == (0, 3, 256)
    assert not list(tmp_path.iterdir())
