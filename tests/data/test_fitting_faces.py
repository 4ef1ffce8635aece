"""Faces that do not fit the model are refused or reported before training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.data.fitting_faces import fitting_faces
from dfl.data.pretraining import _lean
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import AlignedFace, FaceMetadata
from dfl.faceset.face_metadata import metadata_from_dict, metadata_to_dict
from dfl.faceset.faceset import FaceFile
from dfl.faceset.pak_format import Member
from dfl.faceset_tools.resized_face import resized_face
from tests.recording_report import RecordingReport

PLACE = Path("aligned")


def face(kind: FaceType, side: int = 256, height: int = 0, person: str | None = None, name: str = "") -> FaceFile:
    points = np.linspace((60, 60), (190, 200), 68).astype(np.float32)
    metadata = FaceMetadata(kind, points, "00001.png", np.array([0, 0, 9, 9]), points, None)
    member = Member(name or f"{kind.letter}.jpg", person, 0, 0) if person else None
    return FaceFile(Path(name or f"{kind.file_name}.jpg"), metadata, (height or side, side, 3), member)


def fit(
    faces: list[FaceFile],
    kind: FaceType,
    resolution: int = 128,
    of_many: bool = False,
    letters: tuple[str, ...] = ("h", "mf", "f", "wf", "head"),
) -> tuple[int, str]:
    heard = RecordingReport()
    fitting = fitting_faces(faces, kind, resolution, PLACE, heard, of_many=of_many, letters=letters)
    return len(fitting), "\n".join(heard.lines)


KINDS = [FaceType.HALF, FaceType.MIDFULL, FaceType.FULL, FaceType.WHOLE, FaceType.HEAD]


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("picture", [*KINDS, FaceType.FULL_NO_ALIGN, FaceType.HEAD_NO_ALIGN])
def test_faces_narrower_than_the_model_are_refused_and_others_train(picture: FaceType, model: FaceType) -> None:
    faces = [face(picture)] * 3
    if picture >= model:
        assert fit(faces, model) == (3, "")
        return
    with pytest.raises(UserError, match=f"narrower than the model's {model.file_name}: {picture.file_name} 3") as error:
        fit(faces, model)
    assert f"extract-faces --face-type {model.letter}" in error.value.todo


def test_the_advice_for_narrow_faces_names_a_model_that_there_can_be() -> None:
    with pytest.raises(UserError) as of_any:
        fit([face(FaceType.HALF)], FaceType.FULL)
    assert of_any.value.todo.endswith("or train a new model of --face-type h.")
    with pytest.raises(UserError) as of_quick96:
        fit([face(FaceType.HALF)], FaceType.FULL, letters=())
    assert of_quick96.value.todo.endswith("or train a model of another class: --model SAEHD --face-type h.")


def test_narrow_faces_among_others_are_left_out_and_counted() -> None:
    faces = [face(FaceType.WHOLE)] * 4 + [face(FaceType.HALF)] * 2 + [face(FaceType.FULL, name="x.jpg")]
    count, said = fit(faces, FaceType.WHOLE)
    assert count == 4
    assert "3 of 7 faces are narrower than the model's whole_face and left out (half_face 2, full_face 1)" in said
    assert "half_face.jpg" in said
    assert "x.jpg" in said


def test_pictures_that_are_no_aligned_faces_are_left_out_before_training() -> None:
    faces = [face(FaceType.WHOLE), face(FaceType.MARK_ONLY, name="frame.png"), face(FaceType.WHOLE, height=100)]
    count, said = fit(faces, FaceType.FULL)
    assert count == 1
    assert "2 of 3 faces are no aligned faces" in said
    assert "frame.png" in said
    with pytest.raises(UserError, match="no aligned faces"):
        fit(faces[1:], FaceType.FULL)


def test_small_mixed_and_several_peoples_faces_are_told() -> None:
    assert (
        "1 of 2 pictures are smaller than the model's 256 pixels (the smallest has 128)"
        in fit([face(FaceType.FULL, 128), face(FaceType.FULL)], FaceType.FULL, 256)[1]
    )
    assert "is mixed: whole_face 2, head 1" in fit([face(FaceType.WHOLE)] * 2 + [face(FaceType.HEAD)], FaceType.FULL)[1]
    people = [face(FaceType.WHOLE, person=name) for name in ("anna", "bert")]
    assert "faces of 2 people" in fit(people, FaceType.WHOLE)[1]
    assert fit(people, FaceType.WHOLE, of_many=True) == (2, "")


def test_a_picture_that_was_widened_with_black_counts_as_what_it_shows() -> None:
    half = face(FaceType.HALF).metadata
    picture = np.full((256, 256, 3), 99, np.uint8)
    wide = resized_face(AlignedFace(picture, half), 256, FaceType.WHOLE)
    kept = metadata_from_dict(metadata_to_dict(wide.metadata), "x")
    assert (kept.face_type, kept.shown_type) == (FaceType.WHOLE, FaceType.HALF)
    widened = FaceFile(Path("wide.jpg"), kept, (256, 256, 3))
    assert _lean(widened).metadata.shown_type is FaceType.HALF
    with pytest.raises(UserError, match="half_face 1"):
        fit([widened], FaceType.WHOLE)
    wider = resized_face(AlignedFace(wide.picture, kept), 256, FaceType.HEAD)
    assert wider.metadata.shown_type is FaceType.HALF
    back = resized_face(AlignedFace(wide.picture, kept), 256, FaceType.HALF)
    assert (back.metadata.shown_type, back.metadata.other) == (FaceType.HALF, {})
    strange = replace(half, other={"shown_face_type": "elbow"})
    assert strange.shown_type is FaceType.HALF
