from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import write_picture
from dfl.base.report import Report
from dfl.faceset.aligned_face import FaceMetadata, write_face
from dfl.faceset.faceset import list_faceset
from dfl.faceset_tools.options import RecoverNamesOptions
from dfl.faceset_tools.recover_names import run
from dfl.workspace import Workspace
from tests.faceset_fixtures import files_of

OPTIONS = RecoverNamesOptions(side="dst")
PICTURE = np.zeros((16, 16, 3), np.uint8)


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    return workspace.aligned("dst")


@pytest.fixture
def metadata(tmp_path: Path, write_faces: Any) -> FaceMetadata:
    made: FaceMetadata = write_faces(tmp_path / "elsewhere", "a.jpg")["a.jpg"]
    return made


def _sources(folder: Path) -> dict[str, str]:
    return {face.name: face.metadata.source_filename for face in list_faceset(folder)}


def test_faces_get_the_names_of_their_frames(workspace: Workspace, folder: Path, metadata: FaceMetadata) -> None:
    sources = ["b.png", "a.png", "a.jpg", "a.png", "frame_1_x.png", "B.png"]
    for number, source in enumerate(sources):
        write_face(folder / f"{number:05}.jpg", PICTURE, replace(metadata, source_filename=source))
    run(workspace, OPTIONS, Report())
    wanted = {"b_0.jpg": "b.png", "a_0.jpg": "a.png", "a_1.jpg": "a.jpg", "a_2.jpg": "a.png"}
    wanted |= {"frame_1_x_0.jpg": "frame_1_x.png", "B_1.jpg": "B.png"}  # b and B are one name on Windows
    assert _sources(folder) == wanted


def test_doing_it_again_changes_nothing(workspace: Workspace, folder: Path, metadata: FaceMetadata) -> None:
    for number, source in enumerate(["b.png", "a.png", "a.png"]):
        write_face(folder / f"{number:05}.jpg", PICTURE, replace(metadata, source_filename=source))
    run(workspace, OPTIONS, Report())
    before = files_of(folder)
    run(workspace, OPTIONS, Report())
    assert files_of(folder) == before


def test_names_that_changed_places_are_put_right(workspace: Workspace, folder: Path, metadata: FaceMetadata) -> None:
    write_face(folder / "a_0.jpg", PICTURE, replace(metadata, source_filename="b.png"))
    write_face(folder / "b_0.jpg", PICTURE, replace(metadata, source_filename="a.png"))
    run(workspace, OPTIONS, Report())
    assert _sources(folder) == {"a_0.jpg": "a.png", "b_0.jpg": "b.png"}


def test_pictures_without_data_and_frames_without_a_good_name_stay(
    workspace: Workspace, folder: Path, metadata: FaceMetadata, capsys: pytest.CaptureFixture[str]
) -> None:
    write_face(folder / "1.jpg", PICTURE, replace(metadata, source_filename="a.png"))
    write_face(folder / "2.jpg", PICTURE, replace(metadata, source_filename=""))
    write_face(folder / "3.jpg", PICTURE, replace(metadata, source_filename="con.png"))
    write_picture(folder / "A_0.jpg", PICTURE)  # is in the way
    run(workspace, OPTIONS, Report())
    assert sorted(files_of(folder)) == ["2.jpg", "A_0.jpg", "a_1.jpg", "con_0.jpg"]
    assert "1 faces lack the name of their frame" in capsys.readouterr().out


def test_png_faces_keep_suffix_and_data(workspace: Workspace, folder: Path, metadata: FaceMetadata) -> None:
    write_face(folder / "1.png", PICTURE, replace(metadata, source_filename="a.png"))
    write_face(folder / "2.jpg", PICTURE, replace(metadata, source_filename="a.png"))
    run(workspace, OPTIONS, Report())
    assert _sources(folder) == {"a_0.png": "a.png", "a_1.jpg": "a.png"}


def test_without_faces_the_way_out_is_told(workspace: Workspace, folder: Path) -> None:
    with pytest.raises(UserError, match="no faces"):
        run(workspace, OPTIONS, Report())
    (folder / "faceset.pak").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        run(workspace, OPTIONS, Report())
    assert "unpack dst" in caught.value.todo
