"""A clip of waves with faces in it, and a model that turns colours round.

Run as a program (`python -m tests.merging.conftest WORKSPACE OPTIONS`) it merges a workspace and prints a line
for each frame: tests kill it.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.pictures import write_picture
from dfl.base.report import Report
from dfl.faces.align import alignment_matrix, rect_from_landmarks, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, write_face
from dfl.merging.merge import run_merge
from dfl.merging.options import MergeOptions
from dfl.merging.planning.settings import ORIGINAL
from dfl.merging.running.open_models import GivenModels
from dfl.models.prediction import Prediction
from dfl.workspace import Workspace
from tests.recorded import RECORDS
from tests.recording_report import RecordingReport

LANDMARKS = json.loads((RECORDS / "merged_waves.json").read_text(encoding="utf-8"))["landmarks"]
FRAME_HW = (180, 240)


@dataclass
class FakeModel:
    """Gives back the colours turned round, inside an oval."""

    name: str = "waves"
    iteration: int = 1000
    digest: str = ""
    resolution: int = 64
    face_type: FaceType = FaceType.WHOLE
    settings: dict[str, Any] = field(default_factory=dict)

    def predict(self, faces: NDArray[np.float32]) -> Prediction:
        y, x = np.mgrid[: self.resolution, : self.resolution] / self.resolution - 0.5
        oval = np.clip(4 - 9 * np.hypot(x, y), 0, 1).astype(np.float32)
        masks = np.repeat(oval[None, :, :, None], len(faces), axis=0)
        return Prediction(1 - faces, masks, masks)

    def reconstruct(self, faces: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return faces, np.ones((*faces.shape[:3], 1), np.float32)


def as_the_original_starts(workspace: Workspace, options: dict[str, Any]) -> dict[str, Any]:
    """The options, in a new workspace with the original's numbers for what is measured by default."""
    has_session = (workspace.frames("dst") / "merge_session.json").is_file()
    return options if has_session else ORIGINAL | options


def waves(number: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[: FRAME_HW[0], : FRAME_HW[1]]
    channels = [np.sin(x / 23 + y / 31 + number), np.sin(x / 17 - y / 29), np.cos(x / 41 + y / 13)]
    return (128 + 100 * np.stack(channels, axis=2)).astype(np.uint8)


def face_at(x: float, y: float, side: float) -> NDArray[np.float32]:
    """Landmarks (68, 2) of a face about `side` pixels wide around (x, y)."""
    points = np.array(LANDMARKS)
    return ((points - points.mean(axis=0)) / np.ptp(points[:, 0]) * side + (x, y)).astype(np.float32)


def add_face(workspace: Workspace, frame_name: str, landmarks: NDArray[np.float32], index: int = 0) -> Path:
    """An aligned picture as extraction writes it."""
    matrix = alignment_matrix(landmarks, 64, FaceType.WHOLE)
    metadata = FaceMetadata(
        face_type=FaceType.WHOLE,
        landmarks=transform_points(landmarks, matrix),
        source_filename=frame_name,
        source_rect=rect_from_landmarks(landmarks).astype(np.int64),
        source_landmarks=landmarks,
        image_to_face_mat=matrix,
    )
    path = workspace.aligned("dst") / f"{Path(frame_name).stem}_{index}.jpg"
    write_face(path, np.full((64, 64, 3), 99, np.uint8), metadata)
    return path


def make_clip(workspace: Workspace, count: int, without_face: tuple[int, ...] = (), suffix: str = ".png") -> None:
    """Frames 00001, 00002, ... with a face that moves to the right."""
    for number in range(1, count + 1):
        name = f"{number:05d}{suffix}"
        write_picture(workspace.frames("dst") / name, waves(number))
        if number not in without_face:
            add_face(workspace, name, face_at(60 + 3 * number, 90, 50))


@pytest.fixture
def merged(workspace: Workspace) -> Callable[..., RecordingReport]:
    """Merge the workspace with the made-up model; options by name, or `model`; what is measured is the original's."""

    def merge(model: FakeModel | None = None, **options: Any) -> RecordingReport:
        report = RecordingReport()
        chosen = MergeOptions(**as_the_original_starts(workspace, options))
        run_merge(workspace, chosen, GivenModels(model or FakeModel()), report)
        return report

    return merge


@pytest.fixture
def clip(workspace: Workspace) -> Callable[..., None]:
    """Fill the workspace: `clip(count, without_face=(3,), suffix=".jpg")`."""

    def make(count: int, without_face: tuple[int, ...] = (), suffix: str = ".png") -> None:
        make_clip(workspace, count, without_face, suffix)

    return make


@pytest.fixture
def face(workspace: Workspace) -> Callable[..., Path]:
    """Put one more face into the faceset: `face("00001.png", x, y, side, index)`."""

    def add(frame_name: str, x: float, y: float, side: float, index: int = 1) -> Path:
        return add_face(workspace, frame_name, face_at(x, y, side), index)

    return add


@pytest.fixture
def fake_model() -> type[FakeModel]:
    return FakeModel


class _LinePerFrame(Report):
    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Any]:
        class Progress:
            def advance(self, count: int = 1) -> None:
                if label == "Merging":
                    print("frame", flush=True)

        yield Progress()


if __name__ == "__main__":
    run_merge(
        Workspace(Path(sys.argv[1])), MergeOptions(**json.loads(sys.argv[2])), GivenModels(FakeModel()), _LinePerFrame()
    )
