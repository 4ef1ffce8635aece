from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, write_picture
from dfl.base.processes import in_processes
from dfl.base.report import Report
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, write_face
from dfl.faceset.faceset import list_faceset, read_face_file
from dfl.faceset.sidecar import gather_notes
from dfl.workspace import FACESET_INDEX


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


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_png_and_webp_are_faces_by_what_stands_beside_them(
    tmp_path: Path, picture: Picture, metadata: FaceMetadata, suffix: str
) -> None:
    full = replace(metadata, xseg_mask=b"mask", other={"confidence": 0.5})
    write_face(tmp_path / f"a{suffix}", picture, full)
    for _ in range(2):
        (face,) = list_faceset(tmp_path)
        assert (face.name, face.shape) == (f"a{suffix}", (256, 256, 3))
        assert np.array_equal(face.metadata.landmarks, metadata.landmarks)
        assert (face.metadata.xseg_mask, face.metadata.other) == (b"mask", {"confidence": 0.5})
        assert face.read_picture().shape == (256, 256, 3)
        gather_notes(tmp_path)
    if suffix == ".png":
        assert np.array_equal(face.read_picture(), picture)


def test_a_picture_that_has_changed_its_size_is_told(
    tmp_path: Path, picture: Picture, metadata: FaceMetadata, capsys: pytest.CaptureFixture[str]
) -> None:
    write_face(tmp_path / "a.png", picture, metadata)
    write_picture(tmp_path / "a.png", picture[:200])
    assert list_faceset(tmp_path, Report()) == []
    assert "256 x 200 pixels, its face data are for 256 x 256" in capsys.readouterr().out


def test_a_damaged_index_does_not_hide_the_jpegs(
    tmp_path: Path, picture: Picture, metadata: FaceMetadata, capsys: pytest.CaptureFixture[str]
) -> None:
    write_face(tmp_path / "a.jpg", picture, metadata)
    write_face(tmp_path / "b.png", picture, metadata)
    gather_notes(tmp_path)
    (tmp_path / FACESET_INDEX).write_text("{")
    assert [face.name for face in list_faceset(tmp_path, Report())] == ["a.jpg"]
    assert FACESET_INDEX in capsys.readouterr().out


def test_a_face_written_by_several_processes_is_found(tmp_path: Path, picture: Picture, metadata: FaceMetadata) -> None:
    tasks = [(tmp_path / f"{number}.png", picture[:64, :64], metadata) for number in range(6)]
    assert not [outcome.error for outcome in in_processes(_write, tasks, workers=2) if outcome.error]
    assert len(list(tmp_path.glob("faceset-*.jsonl"))) in (1, 2)
    assert len(list_faceset(tmp_path)) == 6
    gather_notes(tmp_path)
    assert len(list_faceset(tmp_path)) == 6
    assert not list(tmp_path.glob("faceset-*.jsonl"))


def _write(task: tuple[Path, Picture, FaceMetadata]) -> None:
    write_face(*task)


def test_a_renaming_that_was_killed_is_finished_first(tmp_path: Path, picture: Picture, metadata: FaceMetadata) -> None:
    write_face(tmp_path / "a.jpg", picture, metadata)
    (tmp_path / "renaming").mkdir()
    (tmp_path / "a.jpg").rename(tmp_path / "renaming" / "b.jpg")
    journal = '{"format": 1, "names": {"a.jpg": "b.jpg"}, "round": 1, "tables": []}'
    (tmp_path / "renaming.json").write_text(journal)
    assert [face.name for face in list_faceset(tmp_path)] == ["b.jpg"]


def test_a_huge_file_is_not_read_into_memory(tmp_path: Path, picture: Picture, metadata: FaceMetadata) -> None:
    write_face(tmp_path / "a.jpg", picture, metadata)
    with (tmp_path / "b.jpg").open("wb") as file:
        file.write(b"\xff\xd8\xff")
        file.truncate(2**40)  # takes no room on the disk
    with (tmp_path / "c.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(2**40)
    assert [face.name for face in list_faceset(tmp_path)] == ["a.jpg"]
