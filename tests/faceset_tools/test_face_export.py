"""Pictures made of faces: debug-landmarks and export-mask."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, read_picture
from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.faces.masks import hull_mask
from dfl.faceset.aligned_face import write_face
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.faceset.segmentation import draw_polygons
from dfl.faceset_tools import debug_landmarks, export_mask
from dfl.faceset_tools.face_export import output_names
from dfl.faceset_tools.options import DebugLandmarksOptions, ExportMaskOptions
from dfl.workspace import Workspace
from tests.faceset.made_faces import aligned_face, write_faces


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_debug_pictures_lie_beside_and_follow_the_faceset(workspace: Workspace) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 3)
    before = names(aligned)
    debug_landmarks.run(workspace, DebugLandmarksOptions(side="src"), Report())
    folder = workspace.frames("src") / "aligned_debug_landmarks"
    assert names(aligned) == before
    assert names(folder) == ["00001_0_debug.jpg", "00002_0_debug.jpg", "00003_0_debug.jpg"]
    assert len(list_faceset(aligned)) == 3
    (aligned / "00002_0.jpg").unlink()
    debug_landmarks.run(workspace, DebugLandmarksOptions(side="src"), Report())
    assert names(folder) == ["00001_0_debug.jpg", "00003_0_debug.jpg"]
    assert names(folder.with_name("aligned_debug_landmarks_before_1")) == ["00002_0_debug.jpg"]
    debug_landmarks.run(workspace, DebugLandmarksOptions(side="src"), Report())
    assert not folder.with_name("aligned_debug_landmarks_before_2").exists()


@pytest.mark.slow
def test_a_mask_that_somebody_edited_is_not_replaced(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    write_faces(workspace.aligned("src"), 2)
    export_mask.run(workspace, ExportMaskOptions(side="src"), Report())
    folder = workspace.frames("src") / "aligned_mask"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "00001_0_mask.jpg").write_bytes(b"edited")
    (folder / "notes.txt").write_bytes(b"mine")
    export_mask.run(workspace, ExportMaskOptions(side="src"), Report())
    assert {name: (folder / name).read_bytes() for name in first} == first
    assert (folder / "notes.txt").read_bytes() == b"mine"
    earlier = folder.with_name("aligned_mask_before_1")
    assert {path.name: path.read_bytes() for path in earlier.iterdir()} == {"00001_0_mask.jpg": b"edited"}
    assert str(earlier) in "".join(capsys.readouterr().out.split("\n"))


def test_landmarks_are_green_and_the_face_is_half_as_bright() -> None:
    face = aligned_face(200)
    drawn = debug_landmarks.draw_on_face(face.picture, face.metadata)
    area = hull_mask((200, 200), face.metadata.landmarks, face.metadata.eyebrows_expand_mod)[:, :, 0] > 0
    inside = cv2.erode(area.astype(np.uint8), np.ones((5, 5))) > 0
    outside = cv2.dilate(area.astype(np.uint8), np.ones((13, 13))) == 0
    assert np.array_equal(drawn[outside], face.picture[outside])
    halves = np.all(drawn == face.picture // 2, axis=2)
    assert 0.5 < halves[inside].mean() < 1
    x, y = np.round(face.metadata.landmarks[27]).astype(int)
    blue, green, red = (int(value) for value in drawn[y, x])
    assert green > 150 > max(blue, red)


def exported(workspace: Workspace, **given: str) -> dict[str, Picture]:
    export_mask.run(workspace, ExportMaskOptions.model_validate({"side": "src"} | given), Report())
    folder = workspace.frames("src") / "aligned_mask"
    return {path.name: read_picture(path)[:, :, 0] for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_masks_as_trained_as_drawn_or_of_the_landmarks(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    aligned = workspace.aligned("src")
    face = aligned_face(200)
    drawn = replace(face.metadata, xseg_mask=None)
    write_face(aligned / "trained.jpg", face.picture, face.metadata)
    write_face(aligned / "drawn.jpg", face.picture, drawn)
    write_face(aligned / "none.jpg", face.picture, replace(drawn, polygons=()))
    write_face(aligned / "damaged.jpg", face.picture, replace(face.metadata, xseg_mask=b"no"))
    masks = exported(workspace)
    assert masks.keys() == {"trained_mask.jpg", "drawn_mask.jpg"}
    assert masks["trained_mask.jpg"].shape == (256, 256)
    assert masks["trained_mask.jpg"][128, 128] > 250 > 5 > masks["trained_mask.jpg"][5, 5]
    wanted = draw_polygons((200, 200), drawn.polygons)[:, :, 0] * 255
    assert np.abs(masks["drawn_mask.jpg"] - wanted).max() < 40  # JPEG
    said = capsys.readouterr().out
    assert "2 masks" in said
    assert "1 faces have none (none.jpg)" in said
    assert "damaged.jpg is left out" in said
    masks = exported(workspace, source="hull")
    assert len(masks) == 4
    wanted = hull_mask((200, 200), face.metadata.landmarks, 1.5)[:, :, 0] * 255
    assert np.abs(masks["none_mask.jpg"] - wanted).max() < 40


def test_two_faces_of_one_stem_get_two_pictures(tmp_path: Path) -> None:
    metadata = aligned_face(200, FaceType.FULL).metadata
    faces = [FaceFile(tmp_path / name, metadata, (200, 200, 3)) for name in ("a.jpg", "A.png", "a_1.jpg")]
    found = output_names(faces, "_mask.jpg")
    assert len({name.lower() for name in found}) == 3
    assert found[0] == "a_mask.jpg"


def test_an_empty_faceset_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="no faces"):
        debug_landmarks.run(workspace, DebugLandmarksOptions(side="dst"), Report())
    with pytest.raises(UserError, match="no faces"):
        export_mask.run(workspace, ExportMaskOptions(side="dst"), Report())
