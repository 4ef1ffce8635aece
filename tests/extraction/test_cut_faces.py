from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.pictures import Picture, read_picture
from dfl.extraction.crop_plan import FramePlan, PlannedFace
from dfl.extraction.cut_faces import CutJob, CutSettings, CutTask, cut_job, start_cutter
from dfl.extraction.find_faces import PartResult
from dfl.extraction.frame_source import PicturePart
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.dlib_faces import DlibFaces
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import read_face
from dfl.faceset.cut_journal import cut_frame
from dfl.faceset.found_faces import Face
from dfl.faceset.frame_journal import read_journal, start_journal


@pytest.fixture
def settings(tmp_path: Path) -> CutSettings:
    for name in ("aligned", "debug"):
        (tmp_path / name).mkdir()
    journal = tmp_path / "aligned" / "extraction.jsonl"
    start_journal(journal, {}, cut_frame)
    return CutSettings(FaceType.WHOLE, 256, 95, ".jpg", tmp_path / "aligned", tmp_path / "debug", journal)


@pytest.fixture
def frames(tmp_path: Path, write_frames: Callable[[Path, int], None]) -> list[Path]:
    write_frames(tmp_path / "frames", 3)
    return sorted((tmp_path / "frames").iterdir())


@pytest.fixture(scope="module")
def face(officer: Picture) -> Face:
    """The face of the first frame."""
    frame = np.full((240, 256, 3), 60, np.uint8)
    frame[:, :192] = officer[60:540:2, 80:464:2]
    (found,) = DlibFaces().find(frame)
    return Face(found.box, found.landmarks, 0.97)


def _finished(settings: CutSettings) -> dict[str, int]:
    """The noted frames and their numbers of faces."""
    journal = read_journal(settings.journal, cut_frame)
    assert journal
    return {entry.frame: entry.faces for entry in journal.entries.values()}


def _task(path: Path, faces: list[Face], lacks_faces: bool = True, lacks_debug: bool = True) -> CutTask:
    planned = tuple(PlannedFace(number, face, face.landmarks, False) for number, face in enumerate(faces))
    return CutTask(FramePlan(path.name, planned), "digest", lacks_faces, lacks_debug)


def _cut(settings: CutSettings, frames: list[Path], tasks: list[CutTask]) -> PartResult:
    start_cutter(settings)
    named = {path.name: task for path, task in zip(frames, tasks, strict=True)}
    return cut_job(CutJob(PicturePart(tuple(frames)), named))


@pytest.mark.slow
def test_a_cut_face_is_the_frame_seen_through_its_matrix(settings: CutSettings, frames: list[Path], face: Face) -> None:
    assert not _cut(settings, frames, [_task(path, [face]) for path in frames]).failed
    assert _finished(settings) == {"00001.png": 1, "00002.png": 1, "00003.png": 1}
    written = read_face(settings.aligned / "00001_0.jpg")
    metadata = written.metadata
    assert metadata.face_type is FaceType.WHOLE
    assert metadata.source_filename == "00001.png"
    assert metadata.other == {"confidence": 0.97}
    expected = alignment_matrix(face.landmarks, 256, FaceType.WHOLE)
    assert metadata.image_to_face_mat is not None
    assert np.array_equal(metadata.image_to_face_mat, expected)
    assert np.array_equal(metadata.source_landmarks, face.landmarks)
    assert np.array_equal(metadata.landmarks, transform_points(face.landmarks, expected))
    left, top, right, bottom = metadata.source_rect
    nose = metadata.source_landmarks[30]
    assert left < nose[0] < right
    assert top < nose[1] < bottom
    seen = cv2.warpAffine(read_picture(frames[0]), expected, (256, 256), flags=cv2.INTER_LINEAR)
    assert np.abs(written.picture.astype(int) - seen).mean() < 3  # what JPEG loses


def test_mark_only_keeps_the_whole_frame(settings: CutSettings, frames: list[Path], face: Face) -> None:
    settings = replace(settings, face_type=FaceType.MARK_ONLY)
    _cut(settings, frames[:1], [_task(frames[0], [face])])
    written = read_face(settings.aligned / "00001_0.jpg")
    assert written.picture.shape == (240, 256, 3)
    assert written.metadata.image_to_face_mat is None
    assert np.array_equal(written.metadata.landmarks, face.landmarks)


def test_a_debug_picture_shows_the_frame_with_lines(settings: CutSettings, frames: list[Path], face: Face) -> None:
    _cut(settings, frames[:1], [_task(frames[0], [face])])
    assert settings.debug
    drawn, frame = read_picture(settings.debug / "00001.jpg"), read_picture(frames[0])
    assert drawn.shape == frame.shape
    assert np.abs(drawn.astype(int) - frame).max() > 100


def test_only_what_a_frame_lacks_is_written(settings: CutSettings, frames: list[Path], face: Face) -> None:
    tasks = [_task(frames[0], [face], False, True), _task(frames[1], [face], True, False)]
    _cut(settings, frames[:2], tasks)
    assert _finished(settings) == {"00002.png": 1}
    assert [path.name for path in settings.aligned.glob("*.jpg")] == ["00002_0.jpg"]
    assert settings.debug
    assert [path.name for path in settings.debug.iterdir()] == ["00001.jpg"]


def test_a_broken_frame_is_told_and_the_rest_goes_on(settings: CutSettings, frames: list[Path], face: Face) -> None:
    frames[1].write_bytes(b"\x89PNG half")
    frames.append(frames[0].with_name("00004.png"))
    result = _cut(settings, frames, [_task(path, [face]) for path in frames])
    assert _finished(settings) == {"00001.png": 1, "00003.png": 1}
    assert [name for name, _ in result.failed] == ["00002.png", "00004.png"]
    assert "not a picture" in result.failed[0][1]


def test_a_folder_that_cannot_be_written_stops_the_run(settings: CutSettings, frames: list[Path], face: Face) -> None:
    settings = replace(settings, aligned=settings.aligned / "gone", debug=None)
    result = _cut(settings, frames, [_task(path, [face]) for path in frames])
    assert result.stop
    assert "gone" in result.stop.what


@pytest.mark.parametrize(
    ("face_type", "box_share", "expected"),
    [
        (FaceType.FULL, 1.0, 1),  # the box fits
        (FaceType.FULL, 0.3, 0),  # the square is far too large for the box
        (FaceType.WHOLE, 0.3, 1),  # wide types are never refused, as in the original
    ],
)
def test_squares_too_large_for_their_box_are_refused(
    settings: CutSettings, frames: list[Path], face: Face, face_type: FaceType, box_share: float, expected: int
) -> None:
    corner, far = face.box[:2], face.box[2:]
    small = replace(face, box=np.concatenate([corner, corner + (far - corner) * np.float32(box_share)]))
    _cut(replace(settings, face_type=face_type), frames[:1], [_task(frames[0], [small])])
    assert _finished(settings) == {"00001.png": expected}
