"""Which faces each class is trained on: those that show what the model learns; no days lost on others."""

from dataclasses import replace

import pytest

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import read_metadata, with_metadata
from dfl.faceset.segmentation import Polygon
from dfl.training.training_faces import check_faces, faces_to_train_on
from tests.recording_report import RecordingReport
from tests.training.drawn_faces import make_faceset

COLOUR = (90, 140, 220)
CLASSES = [("SAEHD", {"face_type": "wf"}), ("AMP", {"face_type": "wf"}), ("Quick96", {}), ("XSeg", {"face_type": "wf"})]


def label(folder, count=99):
    for path in list_pictures(folder)[:count]:
        content = path.read_bytes()
        metadata = read_metadata(content, path.name)
        polygon = Polygon(True, metadata.landmarks[:17])
        path.write_bytes(with_metadata(content, replace(metadata, polygons=(polygon,))))


def given(workspace, class_name, options):
    heard = RecordingReport()
    found = faces_to_train_on(workspace, class_name, options, None, heard)
    return {side: len(faces) for side, faces in found.items()}, "\n".join(heard.lines)


@pytest.mark.parametrize(("class_name", "options"), CLASSES)
def test_narrow_faces_are_left_out_in_every_class(workspace, class_name, options):
    for side in ("src", "dst"):
        make_faceset(workspace.aligned(side), COLOUR, count=3)
    make_faceset(workspace.aligned("dst"), COLOUR, count=2, kind=FaceType.HALF, first=3)
    label(workspace.aligned("dst"))
    label(workspace.aligned("src"))
    counts, said = given(workspace, class_name, options)
    assert counts == {"src": 3, "dst": 3}
    assert "2 of 5 faces are narrower than the model's" in said
    assert "(half_face 2): 00003_0.jpg, 00004_0.jpg." in said


@pytest.mark.parametrize(("class_name", "options"), CLASSES)
def test_a_side_of_narrow_faces_is_refused_in_every_class(workspace, class_name, options):
    make_faceset(workspace.aligned("src"), COLOUR, count=2, kind=FaceType.HALF)
    label(workspace.aligned("src"))
    if class_name != "XSeg":
        make_faceset(workspace.aligned("dst"), COLOUR, count=2)
    with pytest.raises(UserError, match="narrower than the model's") as error:
        given(workspace, class_name, options)
    assert "half_face 2" in error.value.what
    assert "extract-faces --face-type" in error.value.todo


def test_src_src_takes_the_faces_of_src_for_both_sides(workspace):
    make_faceset(workspace.aligned("src"), COLOUR, count=3)
    check_faces(workspace, "AMP", None)
    with pytest.raises(UserError, match="no faces"):
        check_faces(workspace, "SAEHD", None)
    assert given(workspace, "AMP", {"face_type": "wf", "src_src": True})[0] == {"src": 3, "dst": 3}
    with pytest.raises(UserError, match="no faces"):
        given(workspace, "AMP", {"face_type": "wf", "src_src": False})


def test_wide_faces_and_narrow_models_go_together(workspace):
    for side in ("src", "dst"):
        make_faceset(workspace.aligned(side), COLOUR, count=2, kind=FaceType.HEAD)
    for face_type in ("h", "mf", "f", "wf", "head"):
        assert given(workspace, "SAEHD", {"face_type": face_type})[0] == {"src": 2, "dst": 2}


@pytest.mark.parametrize("class_name", ["SAEHD", "XSeg"])
def test_pretraining_leaves_narrow_faces_out_too(workspace, class_name):
    for name in ("anna", "bert"):
        (workspace.pretraining_faces / name).mkdir(parents=True)
    make_faceset(workspace.pretraining_faces / "anna", COLOUR, count=2)
    make_faceset(workspace.pretraining_faces / "bert", COLOUR, count=2, kind=FaceType.FULL)
    counts, said = given(workspace, class_name, {"face_type": "wf", "pretrain": True})
    assert counts == {"src": 2, "dst": 2}
    assert "2 of 4 faces are narrower" in said
    assert "people" not in said, "they are meant to be of many"
    with pytest.raises(UserError, match="narrower"):
        given(workspace, class_name, {"face_type": "head", "pretrain": True})


def test_faces_without_outlines_do_not_matter_to_xseg(workspace):
    make_faceset(workspace.aligned("src"), COLOUR, count=2)
    label(workspace.aligned("src"))
    make_faceset(workspace.aligned("dst"), COLOUR, count=2, kind=FaceType.HALF)
    counts, said = given(workspace, "XSeg", {"face_type": "wf"})
    assert counts == {"src": 2, "dst": 2}
    assert "narrower" not in said


def test_without_any_outlines_the_batches_say_so(workspace):
    make_faceset(workspace.aligned("src"), COLOUR, count=2, kind=FaceType.HALF)
    assert given(workspace, "XSeg", {"face_type": "wf"})[0] == {"src": 2, "dst": 0}
