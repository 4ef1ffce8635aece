"""Several people in a frame: each with a model and settings of its own, and faces that stay."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture, write_picture
from dfl.faces.align import alignment_matrix, rect_from_landmarks, transform_points
from dfl.faces.face_type import FaceType
from dfl.faces.find import FaceFinder
from dfl.faceset.aligned_face import FaceMetadata, write_face
from dfl.merging.merge import run_merge
from dfl.merging.options import MergeOptions
from dfl.merging.running.open_models import GivenModels
from dfl.models.prediction import Prediction, SwapModel
from dfl.workspace import Workspace
from tests.merging.conftest import FakeModel
from tests.recording_report import RecordingReport

LEFT, RIGHT = (60, 90), (180, 90)


class White(FakeModel):
    def predict(self, faces: Any) -> Prediction:
        answer = super().predict(faces)
        return Prediction(np.ones_like(answer.face), answer.face_mask, answer.dst_mask)


class ByName(GivenModels):
    """Two models: the run's own, and `white`."""

    def __init__(self) -> None:
        super().__init__(FakeModel())
        self.opened: list[str | None] = []

    def swap(self, name: str | None, morph: float) -> SwapModel:
        self.opened.append(name)
        return White(name="white", iteration=7) if name == "white" else FakeModel()


def merge(workspace: Workspace, **options: Any) -> RecordingReport:
    report = RecordingReport()
    run_merge(
        workspace, MergeOptions(**({"colour_transfer": "none", "erode": 0, "blur": 0} | options)), ByName(), report
    )
    return report


def two_faces(workspace: Workspace, face: Callable[..., Path]) -> None:
    for number in (1, 2, 3):
        name = f"{number:05d}.png"
        write_picture(workspace.frames("dst") / name, np.full((180, 240, 3), 90, np.uint8))
        face(name, *LEFT, 50, 0)
        face(name, *RIGHT, 50, 1)


def session(workspace: Workspace, people: list[dict[str, Any]]) -> None:
    path = workspace.frames("dst") / "merge_session.json"
    path.write_text(json.dumps({"format": 1, "people": people}), encoding="utf-8")


def middles(workspace: Workspace, name: str = "00002.png") -> tuple[int, int]:
    """Grey levels in the middle of both faces; 90 untouched, 165 by the run's own model, 255 by the white one."""
    picture = read_picture(workspace.merged / name)
    return int(picture[LEFT[1], LEFT[0], 1]), int(picture[RIGHT[1], RIGHT[0], 1])


def test_everybody_is_swapped_by_one_model(workspace: Workspace, face: Callable[..., Path]) -> None:
    two_faces(workspace, face)
    merge(workspace)
    assert middles(workspace) == (165, 165)


def test_each_person_has_a_model_and_settings(workspace: Workspace, face: Callable[..., Path]) -> None:
    two_faces(workspace, face)
    people = [{"faces": "*_0.jpg", "model": "white"}, {"faces": "*_1.jpg", "options": {"erode": 60}}]
    session(workspace, people)
    report = merge(workspace)
    assert middles(workspace) == (255, 165)
    mask = read_picture(workspace.merged_mask / "00002.png")[:, :, 0] > 0
    assert mask[:, :120].sum() > 1.3 * mask[:, 120:].sum() > 0
    assert "Model white for *_0.jpg, iteration 7" in report.text
    made = json.loads((workspace.frames("dst") / "merge_made.json").read_text(encoding="utf-8"))
    assert {(one["model"], one["iteration"], one["frames"]) for one in made} == {
        ("white", 7, "1-3"),
        ("waves", 1000, "1-3"),
    }


def test_faces_that_should_stay_stay_to_the_bit(workspace: Workspace, face: Callable[..., Path]) -> None:
    two_faces(workspace, face)
    session(workspace, [{"faces": "*_0.jpg", "model": None}, {"faces": "00002_1.jpg", "model": "white"}])
    report = merge(workspace)
    assert middles(workspace, "00001.png") == (90, 90)
    assert middles(workspace) == (90, 255)
    assert (read_picture(workspace.merged / "00002.png")[:, :120] == 90).all()
    assert "3 faces of *_0.jpg stay" in report.text
    assert "1 faces of 00002_1.jpg are swapped" in report.text


def test_a_changed_person_redoes_only_frames_with_that_person(workspace: Workspace, face: Callable[..., Path]) -> None:
    two_faces(workspace, face)
    people = [{"faces": "00001_0.jpg", "model": "white"}, {"faces": "*_1.jpg"}]
    session(workspace, people)
    merge(workspace)
    people[0]["options"] = {"erode": 9}  # type: ignore[assignment]
    session(workspace, people)
    report = merge(workspace)
    assert "erode 0 → 9" in report.text
    assert "2 of 3 frames are merged already" in report.text


def test_nobody_found_is_said(workspace: Workspace, face: Callable[..., Path]) -> None:
    two_faces(workspace, face)
    session(workspace, [{"faces": "anna*"}])
    with pytest.raises(UserError, match="None of the people"):
        merge(workspace)
    session(workspace, [{"faces": "anna*"}, {"faces": "*_0.jpg"}])
    report = merge(workspace)
    assert "No face of data_dst is like anna*" in report.text
    assert middles(workspace) == (165, 90)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"only": ["a.jpg"], "everyone": True}, "--everyone and --only"),
        ({"only": ["a.jpg"], "frames": "1-2"}, "--frames and --only"),
        ({"only": ["a.jpg"], "mode": "raw-predict"}, "one face alone"),
        ({"only": ["nowhere.jpg"]}, "nowhere.jpg"),
    ],
)
def test_what_does_not_go_together_is_said(
    workspace: Workspace, face: Callable[..., Path], options: dict[str, Any], said: str
) -> None:
    two_faces(workspace, face)
    with pytest.raises(UserError, match=said):
        merge(workspace, **options)


def test_a_person_is_known_by_a_picture(workspace: Workspace, shared: Path) -> None:
    """Two people side by side; stills of one of them that are not in the clip tell who is swapped."""
    finder, halves = FaceFinder(), []
    stills = [sorted((shared / "identities" / person).glob("*.jpg")) for person in ("person_a", "person_e")]
    for paths in stills:
        picture = read_picture(paths[0])
        halves.append(cv2.resize(picture, (640, round(640 * picture.shape[0] / picture.shape[1]))))
    height = min(half.shape[0] for half in halves)
    frame = np.hstack([half[:height] for half in halves]).astype(np.uint8)
    write_picture(workspace.frames("dst") / "00001.png", frame)
    faces = sorted(finder.find(frame), key=lambda one: float(one.landmarks[:, 0].mean()))
    assert len(faces) == 2
    for number, found in enumerate(faces):
        points = np.asarray(found.landmarks, np.float32)
        matrix = alignment_matrix(points, 256, FaceType.WHOLE)
        metadata = FaceMetadata(
            face_type=FaceType.WHOLE,
            landmarks=transform_points(points, matrix),
            source_filename="00001.png",
            source_rect=rect_from_landmarks(points).astype(np.int64),
            source_landmarks=points,
            image_to_face_mat=matrix,
        )
        aligned = np.asarray(cv2.warpAffine(frame, matrix, (256, 256)), np.uint8)
        write_face(workspace.aligned("dst") / f"00001_{number}.jpg", aligned, metadata)

    def swapped() -> tuple[bool, bool]:
        mask = read_picture(workspace.merged_mask / "00001.png")[:, :, 0] > 0
        return bool(mask[:, :640].any()), bool(mask[:, 640:].any())

    merge(workspace, only=[stills[1][1]], model="white")
    assert swapped() == (False, True)
    merge(workspace, only=[stills[0][1]])
    assert swapped() == (True, True)
    merge(workspace, everyone=True)
    assert swapped() == (True, True)
