"""Masks by XSeg in a faceset: in the right place, nothing else changed, a stopped run goes on."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture
from dfl.base.report import Report
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import write_face
from dfl.faceset.change_metadata import MetadataChanges
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.faceset.segmentation import decode_mask
from dfl.faceset.sidecar import gather_notes
from dfl.faceset_tools.apply_xseg import MASK_SIZE, apply, run
from dfl.faceset_tools.options import XsegApplyOptions
from dfl.faceset_tools.xseg_labels import DRAWN_BY
from dfl.models.checkpoint import Checkpoint, model_folder, read_checkpoint, write_checkpoint
from dfl.models.engine import start_engine
from dfl.models.options import XSEG_SIZE, XsegOptions
from dfl.workspace import Workspace
from tests.faceset.made_faces import FRAME_LANDMARKS, aligned_face, write_faces
from tests.recording_report import RecordingReport


class GreenIsFace:
    """Says that a face is where it is green; counts what it was shown."""

    resolution = 256

    def __init__(self, face_type: FaceType, most: int = 10**6) -> None:
        self.face_type, self.most, self.shown = face_type, most, 0

    def predict(self, faces: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shown += len(faces)
        if self.shown > self.most:
            raise MemoryError
        return np.clip(faces[:, :, :, 1:2], 0, 1)


def green_face(folder: Path, kind: FaceType, size: int, suffix: str = ".jpg") -> NDArray[np.bool_]:
    """A face that is green between brows and mouth; returns where, at the mask's size."""
    matrix = alignment_matrix(FRAME_LANDMARKS, size, kind)
    landmarks = transform_points(FRAME_LANDMARKS, matrix)
    picture = np.zeros((size, size, 3), np.uint8)
    box = cv2.boundingRect(landmarks[17:60])
    cv2.rectangle(picture, box, (0, 255, 0), -1)
    metadata = replace(aligned_face(size, kind).metadata, landmarks=landmarks, image_to_face_mat=matrix, xseg_mask=None)
    write_face(folder / f"green{suffix}", picture, metadata, quality=100)
    gather_notes(folder)
    small = cv2.resize(picture[:, :, 1], (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(small > 127)


def mask_of(face: FaceFile) -> NDArray[np.bool_]:
    assert face.metadata.xseg_mask is not None
    mask = decode_mask(face.metadata.xseg_mask, face.name)
    assert set(np.unique(mask)) <= {0, 1}
    return np.asarray(mask[:, :, 0] > 0.5)


def draw(folder: Path, model: GreenIsFace, drawn_by: str = "one") -> list[FaceFile]:
    outcomes = list(apply(list_faceset(folder), model, MetadataChanges(folder), drawn_by))
    assert not any(outcome.error for outcome in outcomes)
    return list_faceset(folder)


@pytest.mark.parametrize("kind", [FaceType.WHOLE, FaceType.FULL, FaceType.HEAD])
@pytest.mark.parametrize("size", [200, 256, 384])
def test_masks_lie_where_the_face_is_whatever_the_model_is_shown(tmp_path: Path, kind: FaceType, size: int) -> None:
    wanted = green_face(tmp_path, FaceType.WHOLE, size)
    (face,) = draw(tmp_path, GreenIsFace(kind))
    got = mask_of(face)
    assert got.shape == (MASK_SIZE, MASK_SIZE)
    assert (got & wanted).sum() / (got | wanted).sum() > 0.97
    # Not beside it by as much as a pixel of the mask.
    for axis in (0, 1):
        middles = [float(np.flatnonzero(area.any(axis=axis)).mean()) for area in (got, wanted)]
        assert abs(middles[0] - middles[1]) < 0.8


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_only_the_mask_changes(tmp_path: Path, suffix: str) -> None:
    green_face(tmp_path, FaceType.WHOLE, 200, suffix)
    path = tmp_path / f"green{suffix}"
    before, (face,) = read_picture(path), list_faceset(tmp_path)
    (after,) = draw(tmp_path, GreenIsFace(FaceType.WHOLE), "this model")
    assert np.array_equal(read_picture(path), before)
    assert after.metadata.other == face.metadata.other | {DRAWN_BY: "this model"}
    assert np.array_equal(after.metadata.polygons[0].points, face.metadata.polygons[0].points)
    assert np.array_equal(after.metadata.landmarks, face.metadata.landmarks)
    assert after.metadata.eyebrows_expand_mod == 1.5
    assert mask_of(after).any()


def test_a_damaged_picture_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    write_faces(tmp_path, 11)
    faces = list_faceset(tmp_path)
    content = faces[4].path.read_bytes()
    faces[4].path.write_bytes(content[: len(content) // 3])
    outcomes = list(apply(faces, GreenIsFace(FaceType.WHOLE), MetadataChanges(tmp_path), "one"))
    assert sorted(outcome.face.name for outcome in outcomes) == [face.name for face in faces]
    assert [outcome.face.name for outcome in outcomes if outcome.error] == [faces[4].name]


@pytest.fixture
def model(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with ten faces and a tiny XSeg of start values."""
    start_engine("tensorflow")
    from keras import ops

    from dfl.models.xseg import build_xseg

    for name, value in {"base": 1, "resolution": 64}.items():
        monkeypatch.setitem(XSEG_SIZE, name, value)
    weights = {
        name: np.array(ops.convert_to_numpy(weight)) for name, weight in build_xseg(XsegOptions()).weights().items()
    }
    saved = Checkpoint("XSeg", XsegOptions().model_dump(), 7, weights)
    write_checkpoint(model_folder(workspace.model, "XSeg", "XSeg"), saved)
    write_faces(workspace.aligned("dst"), 10)
    return workspace


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_a_model_that_learned_draws_anew(model: Workspace) -> None:
    aligned, options = model.aligned("dst"), XsegApplyOptions(side="dst")
    report = RecordingReport()
    run(model, options, report)
    assert report.counts == {"drawn": 10, "failed": 0}
    assert not any("narrower" in line for line in report.lines)
    faces = list_faceset(aligned)
    drawn_by = str(faces[0].metadata.other[DRAWN_BY])
    changes = MetadataChanges(aligned)
    for face in faces[6:]:  # as a stopped run leaves them
        changes.write(face, replace(face.metadata, xseg_mask=None))
    report = RecordingReport()
    run(model, options, report)
    assert report.counts == {"drawn": 4, "failed": 0}
    assert "6 of 10 faces have this model's mask already." in report.lines

    folder = model_folder(model.model, "XSeg", "XSeg")
    saved = read_checkpoint(folder)
    write_checkpoint(folder, replace(saved, weights=saved.weights | {"XSeg/out_conv/bias": np.ones(1, np.float32)}))
    run(model, options, report)
    assert report.counts == {"drawn": 10, "failed": 0}
    assert all(face.metadata.other[DRAWN_BY] != drawn_by for face in list_faceset(aligned))


@pytest.mark.slow
def test_faces_narrower_than_the_model_are_told(model: Workspace) -> None:
    saved = read_checkpoint(model_folder(model.model, "XSeg", "XSeg"))
    wide = replace(saved, options=saved.options | {"face_type": "head"})
    write_checkpoint(model_folder(model.model, "XSeg", "XSeg"), wide)
    report = RecordingReport()
    run(model, XsegApplyOptions(side="dst"), report)
    assert any("10 of 10 faces are narrower than head" in line for line in report.lines)
    assert report.counts == {"drawn": 10, "failed": 0}


def test_a_failing_model_keeps_what_was_drawn(tmp_path: Path) -> None:
    write_faces(tmp_path, 30)
    changes = MetadataChanges(tmp_path)
    with pytest.raises(MemoryError):
        list(apply(list_faceset(tmp_path), GreenIsFace(FaceType.WHOLE, most=20), changes, "one"))
    drawn = [face for face in list_faceset(tmp_path) if DRAWN_BY in face.metadata.other]
    assert 8 <= len(drawn) <= 16


def test_packs_and_missing_models_are_refused(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="no faces"):
        run(workspace, XsegApplyOptions(side="src"), Report())
    write_faces(workspace.aligned("src"), 1)
    with pytest.raises(UserError, match="no XSeg model"):
        run(workspace, XsegApplyOptions(side="src"), Report())
    (workspace.aligned("src") / "faceset.pak").touch()
    with pytest.raises(UserError, match="is packed") as caught:
        run(workspace, XsegApplyOptions(side="src"), Report())
    assert "unpack src" in caught.value.todo
