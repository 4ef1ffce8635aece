"""Faces that are not those of the frames that are there now are never laid into them."""

import json
import shutil
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture, write_picture
from dfl.faces.align import alignment_matrix, rect_from_landmarks, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, write_face
from dfl.faceset.faceset import list_faceset
from dfl.faceset.found_faces import Face, FoundFrame, FrameFacts
from dfl.merging.merge import run_merge_to_video
from dfl.merging.options import MergeOptions
from dfl.merging.planning.frame_check import correlation
from dfl.merging.running.open_models import GivenModels
from dfl.merging.running.video_source import open_video_source
from dfl.video.encoders import coding_of
from dfl.video.options import EncodingOptions
from dfl.video.write import Shown, VideoForm, write_video
from dfl.workspace import Workspace
from tests.merging.conftest import FakeModel, face_at
from tests.recording_report import RecordingReport

COUNT = 12
Merged = Callable[..., RecordingReport]


def picture(seed: int, number: int = 0) -> NDArray[np.uint8]:
    """A frame of a clip that shows spots which move to the right: (180, 240, 3)."""
    noise = np.random.default_rng(seed).integers(0, 256, (180, 340, 3)).astype(np.float32)
    spots = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip(128 + 4 * (spots[:, 5 * number :][:, :240] - 128), 0, 255).astype(np.uint8)


def write_aligned(folder: Path, frame: Path, landmarks: NDArray[np.float32], index: int = 0) -> Path:
    matrix = alignment_matrix(landmarks, 96, FaceType.WHOLE)
    metadata = FaceMetadata(
        face_type=FaceType.WHOLE,
        landmarks=transform_points(landmarks, matrix),
        source_filename=frame.name,
        source_rect=rect_from_landmarks(landmarks).astype(np.int64),
        source_landmarks=landmarks,
        image_to_face_mat=matrix,
    )
    face = cv2.warpAffine(read_picture(frame), matrix, (96, 96), flags=cv2.INTER_LINEAR).astype(np.uint8)
    folder.mkdir(exist_ok=True)
    path = folder / f"{frame.stem}_{index}.jpg"
    write_face(path, face, metadata)
    return path


@pytest.fixture
def spots(workspace: Workspace) -> list[Path]:
    """A clip with a face in each frame, its faceset, and what extraction noted of it; the frames' files."""
    frames, lines = [], ['{"options": {}}']
    for number in range(1, COUNT + 1):
        path = workspace.frames("dst") / f"{number:05d}.png"
        write_picture(path, picture(1, number))
        landmarks = face_at(100, 90, 50)
        write_aligned(workspace.aligned("dst"), path, landmarks)
        status, crc = path.stat(), zlib.crc32(path.read_bytes())
        face = Face(rect_from_landmarks(landmarks).astype(np.float32), landmarks, 0.9)
        found = FoundFrame(path.name, FrameFacts(status.st_size, status.st_mtime_ns, crc), (face,), shape=(240, 180))
        lines.append(json.dumps(found.to_json()))
        frames.append(path)
    (workspace.frames("dst") / "found_faces.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return frames


def forget_notes(workspace: Workspace) -> None:
    """As the original's extraction leaves it."""
    (workspace.frames("dst") / "found_faces.jsonl").unlink()


def facts(workspace: Workspace) -> Any:
    return json.loads((workspace.merged / "merge.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("noted", [True, False])
def test_faces_of_unchanged_frames_are_all_swapped(
    workspace: Workspace, spots: list[Path], merged: Merged, noted: bool
) -> None:
    if not noted:
        forget_notes(workspace)
    assert f"{COUNT} of {COUNT} frames swapped" in merged().lines


@pytest.mark.parametrize("noted", [True, False])
def test_frames_that_were_coded_anew_graded_and_denoised_keep_their_faces(
    workspace: Workspace, spots: list[Path], merged: Merged, noted: bool
) -> None:
    if not noted:
        forget_notes(workspace)
    for path in spots:
        graded = 255 * (cv2.GaussianBlur(read_picture(path), (0, 0), 1) / 255.0) ** 1.5
        path.unlink()
        write_picture(path.with_suffix(".jpg"), graded.astype(np.uint8))
    assert f"{COUNT} of {COUNT} frames swapped" in merged().lines


def test_frames_that_were_enlarged_take_their_faces_along(
    workspace: Workspace, spots: list[Path], merged: Merged
) -> None:
    merged()
    before = read_picture(workspace.merged / "00005.png")
    for path in spots:
        write_picture(path, cv2.resize(read_picture(path), (360, 270), interpolation=cv2.INTER_CUBIC).astype(np.uint8))
    report = merged()
    assert f"{COUNT} frames are 1.5 times as large as when their faces were found" in report.text
    assert f"{COUNT} of {COUNT} frames swapped" in report.lines
    after = cv2.resize(read_picture(workspace.merged / "00005.png"), (240, 180), interpolation=cv2.INTER_AREA)
    assert np.abs(after.astype(int) - before).mean() < 4


def test_enlarged_frames_of_another_program_are_refused(
    workspace: Workspace, spots: list[Path], merged: Merged
) -> None:
    forget_notes(workspace)
    for path in spots:
        write_picture(path, cv2.resize(read_picture(path), (480, 360)).astype(np.uint8))
    with pytest.raises(UserError, match="12 of 12 faces that were compared do not belong") as error:
        merged()
    assert "extract-faces dst" in error.value.todo
    assert not list(workspace.merged.glob("*"))


def test_stretched_frames_are_refused(spots: list[Path], merged: Merged) -> None:
    for path in spots:
        write_picture(path, cv2.resize(read_picture(path), (480, 180)).astype(np.uint8))
    with pytest.raises(UserError, match="had 240x180 pixels when its faces were found and has 480x180 now"):
        merged()


def test_renumbered_frames_are_refused(workspace: Workspace, spots: list[Path], merged: Merged) -> None:
    """Though a face hardly moves from one frame to the next."""
    spots[0].unlink()
    for path, before in zip(spots[1:], spots, strict=False):
        path.rename(before)
    with pytest.raises(UserError, match=r"00001_0.jpg: the frame is what was 00002.png when its faces were found"):
        merged()


@pytest.mark.parametrize("noted", [True, False])
def test_frames_taken_out_at_another_rate_are_refused(
    workspace: Workspace, spots: list[Path], merged: Merged, noted: bool
) -> None:
    if not noted:
        forget_notes(workspace)
    for number, path in enumerate(spots, 1):
        write_picture(path, picture(1, min(3 * number, 20)))
    with pytest.raises(UserError, match="do not belong to the frames"):
        merged()


@pytest.mark.slow
@pytest.mark.parametrize("noted", [True, False])
def test_a_face_of_another_clip_stays_out_and_is_named(
    workspace: Workspace, tmp_path: Path, spots: list[Path], merged: Merged, noted: bool
) -> None:
    if not noted:
        forget_notes(workspace)
    merged()
    before = read_picture(workspace.merged / "00004.png")
    other = tmp_path / "00004.png"
    write_picture(other, picture(2))
    write_aligned(workspace.aligned("dst"), other, face_at(170, 90, 50), 1)
    for _ in range(2):  # a second run tells again
        report = merged()
        assert "00004.png (00004_1.jpg: the frame shows something else there)" in report.text
        assert "12 of 12 frames swapped, 1 with a face from another frame" in report.text
    assert np.array_equal(read_picture(workspace.merged / "00004.png"), before)
    assert facts(workspace)["not_theirs"] == {"00004": ["00004_1.jpg"]}


def test_one_frame_of_another_clip_stays_as_it_is(workspace: Workspace, spots: list[Path], merged: Merged) -> None:
    write_picture(spots[6], picture(3))
    report = merged()
    assert "00007.png (00007_0.jpg: the frame shows something else there)" in report.text
    assert "11 of 12 frames swapped, 1 with a face from another frame" in report.text
    assert np.array_equal(read_picture(workspace.merged / "00007.png"), picture(3))


def test_copied_frames_are_known_by_their_content(workspace: Workspace, spots: list[Path], merged: Merged) -> None:
    """With other times, as unpacking and synchronizing leave them."""
    for path in spots:
        copy = path.with_suffix(".copy")
        shutil.copyfile(path, copy)
        copy.replace(path)
    assert f"{COUNT} of {COUNT} frames swapped" in merged().lines


@pytest.mark.slow
def test_a_clip_that_was_replaced_is_refused(workspace: Workspace, spots: list[Path]) -> None:
    """Straight from the clip, without pictures."""

    def merge_clip(seed: int) -> RecordingReport:
        frames = [Shown(picture(seed, number), number, 1) for number in range(1, COUNT + 1)]
        form = VideoForm(coding_of(EncodingOptions(bitrate=20)), Fraction(1, 25), Fraction(25))
        write_video(workspace.root / "data_dst.mp4", frames, form)
        report, options = RecordingReport(), MergeOptions(to_video=True)
        source = open_video_source(workspace, options, report)
        run_merge_to_video(workspace, options, GivenModels(FakeModel()), report, source)
        return report

    shutil.rmtree(workspace.frames("dst") / "merged", ignore_errors=True)
    assert merge_clip(1).counts["frames"] == COUNT
    with pytest.raises(UserError, match="12 of 12 faces that were compared do not belong"):
        merge_clip(2)


@pytest.mark.slow
@pytest.mark.parametrize("side", [40, 96, 300])
def test_a_face_is_like_its_own_frame_at_any_size(tmp_path: Path, side: int) -> None:
    large = cv2.resize(picture(1), (960, 720)).astype(np.uint8)
    frame = tmp_path / "00001.png"
    write_picture(frame, large)
    write_aligned(tmp_path / "aligned", frame, face_at(480, 360, side))
    (face,) = list_faceset(tmp_path / "aligned")
    own = correlation(large, face)
    beside = correlation(np.roll(large, side // 10, axis=1), face)
    assert own is not None
    assert beside is not None
    assert own > 0.95
    assert beside < own - 0.1 or side == 40  # a tenth of it is less than a spot


def test_a_flat_face_tells_nothing(tmp_path: Path) -> None:
    frame = tmp_path / "00001.png"
    write_picture(frame, np.full((180, 240, 3), 90, np.uint8))
    write_aligned(tmp_path / "aligned", frame, face_at(100, 90, 50))
    (face,) = list_faceset(tmp_path / "aligned")
    assert correlation(picture(1), face) is None
