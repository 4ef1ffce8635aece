"""Outlines and masks of a faceset, copied and taken out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import Stopped, UserError
from dfl.base.report import Report
from dfl.faceset.aligned_face import read_face, write_face
from dfl.faceset.change_metadata import MetadataChanges
from dfl.faceset.faceset import list_faceset
from dfl.faceset.sidecar import gather_notes
from dfl.faceset_tools.options import XsegFetchOptions, XsegRemoveOptions
from dfl.faceset_tools.xseg_labels import DRAWN_BY, run_fetch, run_remove, run_remove_labels
from dfl.workspace import Workspace
from tests.faceset.made_faces import aligned_face
from tests.recording_report import RecordingReport

NAMES = ["00001_0.jpg", "00002_0.jpg", "00003_0.png"]


@pytest.fixture
def faces(workspace: Workspace) -> Workspace:
    """Three faces with masks, the last two with outlines."""
    face = aligned_face(160)
    for name in NAMES:
        polygons = face.metadata.polygons if name != NAMES[0] else ()
        metadata = replace(face.metadata, polygons=polygons, other={"confidence": 0.75, DRAWN_BY: "a model"})
        write_face(workspace.aligned("src") / name, face.picture, metadata)
    gather_notes(workspace.aligned("src"))
    return workspace


def test_fetch_copies_faces_with_outlines_once(faces: Workspace) -> None:
    report = RecordingReport()
    run_fetch(faces, XsegFetchOptions(side="src"), report)
    assert report.counts == {"copied": 2}
    copies = list_faceset(faces.frames("src") / "aligned_xseg")
    assert [face.name for face in copies] == NAMES[1:]
    for copy in copies:
        assert copy.read_content() == (faces.aligned("src") / copy.name).read_bytes()
        assert len(copy.metadata.polygons) == 1
    assert len(list_faceset(faces.aligned("src"))) == 3, "the originals stay"
    run_fetch(faces, XsegFetchOptions(side="src"), report)
    assert report.counts == {"copied": 0}


def test_fetch_without_outlines_says_so(faces: Workspace) -> None:
    run_remove_labels(faces, XsegRemoveOptions(side="src", delete=True), Report())
    report = RecordingReport()
    run_fetch(faces, XsegFetchOptions(side="src"), report)
    assert "No face" in report.lines[-1]
    assert not (faces.frames("src") / "aligned_xseg").exists()


def test_masks_go_and_everything_else_stays(faces: Workspace) -> None:
    before = [face.read_picture() for face in list_faceset(faces.aligned("src"))]
    report = RecordingReport()
    run_remove(faces, XsegRemoveOptions(side="src", delete=True), report)
    assert report.counts == {"removed": 3, "failed": 0}
    after = list_faceset(faces.aligned("src"))
    for face, picture, outlines in zip(after, before, (0, 1, 1), strict=True):
        assert face.metadata.xseg_mask is None
        assert face.metadata.other == {"confidence": 0.75}
        assert len(face.metadata.polygons) == outlines
        assert np.array_equal(face.read_picture(), picture)


def test_outlines_go_and_masks_stay(faces: Workspace) -> None:
    report = RecordingReport()
    run_remove_labels(faces, XsegRemoveOptions(side="src", delete=True), report)
    assert report.counts == {"removed": 2, "failed": 0}
    for face in list_faceset(faces.aligned("src")):
        assert not face.metadata.polygons
        assert face.metadata.xseg_mask is not None


@pytest.mark.parametrize("stage", [run_remove, run_remove_labels])
def test_nothing_is_removed_without_a_yes(faces: Workspace, stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def content(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    before = content(faces.aligned("src"))
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    with pytest.raises(Stopped):
        stage(faces, XsegRemoveOptions(side="src"), Report())
    assert content(faces.aligned("src")) == before
    with pytest.raises(UserError, match="Nothing was removed: --yes"):
        stage(faces, XsegRemoveOptions(side="src", yes=True), Report())
    assert content(faces.aligned("src")) == before


def test_packed_and_empty_facesets_are_refused(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="no faces"):
        run_remove(workspace, XsegRemoveOptions(side="dst", delete=True), Report())
    (workspace.aligned("dst") / "faceset.pak").touch()
    with pytest.raises(UserError, match="packed"):
        run_remove_labels(workspace, XsegRemoveOptions(side="dst", delete=True), Report())


def test_a_face_that_cannot_be_written_keeps_its_file(faces: Workspace) -> None:
    (face, *_) = list_faceset(faces.aligned("src"))
    before = face.path.read_bytes()
    with pytest.raises(UserError):
        MetadataChanges(face.path.parent).write(face, replace(face.metadata, other={"much": "x" * 70_000}))
    assert face.path.read_bytes() == before
    assert read_face(face.path).metadata.other["confidence"] == 0.75


def test_outlines_that_were_drawn_in_the_copies_are_not_replaced(faces: Workspace) -> None:
    run_fetch(faces, XsegFetchOptions(side="src"), RecordingReport())
    copies = faces.frames("src") / "aligned_xseg"
    changes = MetadataChanges(copies)
    for face in list_faceset(copies):
        changes.write(face, replace(face.metadata, polygons=2 * face.metadata.polygons))
    changes.finish()
    (faces.aligned("src") / NAMES[0]).unlink()
    run_fetch(faces, XsegFetchOptions(side="src"), RecordingReport())
    assert [len(face.metadata.polygons) for face in list_faceset(copies)] == [2, 2]
