from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, write_picture
from dfl.base.report import Report
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, write_face
from dfl.faceset.faceset import list_faceset, read_face_file


@pytest.fixture
def metadata() -> FaceMetadata:
    landmarks = np.random.default_rng(2).uniform(50, 200, (68, 2)).astype(np.float32)
    matrix = alignment_matrix(landmarks, 256, FaceType.WHOLE)
    return FaceMetadata(
        face_type=FaceType.WHOLE,
        landmarks=transform_points(landmarks, matrix),
        source_filename="00001.png",
        source_rect=np.array([50, 60, 200, 210], np.int32),
        source_landmarks=landmarks,
        image_to_face_mat=matrix,
    )


@pytest.fixture
def picture() -> Picture:
    return np.random.default_rng(3).integers(0, 256, (256, 256, 3)).astype(np.uint8)


def test_faces_are_listed_in_order_and_others_told(
    tmp_path: Path, picture: Picture, metadata: FaceMetadata, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("00002_0.jpg", "00001_0.jpg", "00001_1.jpg"):
        write_face(tmp_path / name, picture, replace(metadata, source_filename=name[:5] + ".png"))
    write_picture(tmp_path / "holiday.jpg", picture)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "extraction.jsonl").write_text("{}")
    faces = list_faceset(tmp_path, Report())
    assert [face.path.name for face in faces] == ["00001_0.jpg", "00001_1.jpg", "00002_0.jpg"]
    assert faces[2].metadata.source_filename == "00002.png"
    assert faces[0].shape == (256, 256, 3)
    assert np.array_equal(faces[0].metadata.landmarks, metadata.landmarks)
    told = capsys.readouterr().out
    assert "1 pictures carry no face data and are left out: holiday.jpg" in told
    assert "1 pictures are damaged" in told
    assert "broken.jpg" in told


def test_a_header_longer_than_is_read_at_first_is_read_too(
    tmp_path: Path, picture: Picture, metadata: FaceMetadata
) -> None:
    mask = np.random.default_rng(4).integers(0, 256, 40000).astype(np.uint8).tobytes()
    write_face(tmp_path / "a.jpg", picture, replace(metadata, xseg_mask=mask))
    face = read_face_file(tmp_path / "a.jpg")
    assert face
    assert face.metadata.xseg_mask == mask


def test_a_folder_that_is_not_there_is_an_empty_faceset(tmp_path: Path) -> None:
    assert list_faceset(tmp_path / "nothing") == []


def test_a_cut_header_is_a_mendable_error(tmp_path: Path, picture: Picture, metadata: FaceMetadata) -> None:
    write_face(tmp_path / "a.jpg", picture, metadata)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:3000])
    with pytest.raises(UserError, match=r"a\.jpg"):
        read_face_file(tmp_path / "a.jpg")
