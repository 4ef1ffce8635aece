from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.pictures import read_picture
from dfl.extraction.cut_faces import Chunk, CutSettings, FaceCutter, FrameTask
from dfl.extraction.journal import read_journal, start_journal
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import read_face


@pytest.fixture
def settings(tmp_path: Path) -> CutSettings:
    for name in ("aligned", "debug"):
        (tmp_path / name).mkdir()
    start_journal(tmp_path / "aligned", {})
    return CutSettings(
        face_type=FaceType.WHOLE,
        image_size=256,
        jpeg_quality=95,
        max_faces=0,
        detector="mesh",
        setting="fast",
        with_mesh_v2=True,
        aligned=tmp_path / "aligned",
        debug=tmp_path / "debug",
    )


@pytest.fixture
def frames(tmp_path: Path, write_frames: Callable[[Path, int], None]) -> list[Path]:
    write_frames(tmp_path / "frames", 3)
    return sorted((tmp_path / "frames").iterdir())


def _finished(settings: CutSettings) -> dict[str, int]:
    """The noted frames and their numbers of faces."""
    journal = read_journal(settings.aligned)
    assert journal
    return {frame.frame: frame.faces for frame in journal.finished.values()}


def _chunk(frames: list[Path]) -> Chunk:
    return Chunk(None, tuple(FrameTask(path, lacks_faces=True, lacks_debug=True) for path in frames))


def test_a_cut_face_is_the_frame_seen_through_its_matrix(settings: CutSettings, frames: list[Path]) -> None:
    result = FaceCutter(settings).work(_chunk(frames))
    assert not result.failed
    assert _finished(settings) == {"00001.png": 1, "00002.png": 1, "00003.png": 1}
    face = read_face(settings.aligned / "00002_0.jpg")
    metadata = face.metadata
    assert metadata.face_type is FaceType.WHOLE
    assert metadata.source_filename == "00002.png"
    assert metadata.image_to_face_mat is not None
    expected = alignment_matrix(metadata.source_landmarks, 256, FaceType.WHOLE)
    assert np.array_equal(metadata.image_to_face_mat, expected)
    assert np.array_equal(metadata.landmarks, transform_points(metadata.source_landmarks, expected))
    left, top, right, bottom = metadata.source_rect
    nose = metadata.source_landmarks[30]
    assert left < nose[0] < right
    assert top < nose[1] < bottom
    seen = cv2.warpAffine(read_picture(frames[1]), expected, (256, 256), flags=cv2.INTER_LINEAR)
    assert np.abs(face.picture.astype(int) - seen).mean() < 3  # what JPEG loses


def test_a_debug_picture_shows_the_frame_with_lines(settings: CutSettings, frames: list[Path]) -> None:
    FaceCutter(settings).work(_chunk(frames[:1]))
    assert settings.debug
    drawn, frame = read_picture(settings.debug / "00001.jpg"), read_picture(frames[0])
    assert drawn.shape == frame.shape
    assert np.abs(drawn.astype(int) - frame).max() > 100


def test_only_what_a_frame_lacks_is_written(settings: CutSettings, frames: list[Path]) -> None:
    tasks = (FrameTask(frames[0], False, True), FrameTask(frames[1], True, False), FrameTask(frames[2], False, False))
    FaceCutter(settings).work(Chunk(None, tasks))
    assert _finished(settings) == {"00002.png": 1}
    assert [path.name for path in settings.aligned.glob("*.jpg")] == ["00002_0.jpg"]
    assert settings.debug
    assert [path.name for path in settings.debug.iterdir()] == ["00001.jpg"]


def test_a_broken_frame_is_told_and_the_rest_goes_on(settings: CutSettings, frames: list[Path]) -> None:
    frames[1].write_bytes(b"\x89PNG half")
    result = FaceCutter(settings).work(_chunk([*frames, frames[0].with_name("00004.png")]))
    assert _finished(settings) == {"00001.png": 1, "00003.png": 1}
    assert [name for name, _ in result.failed] == ["00002.png", "00004.png"]
    assert "not a picture" in result.failed[0][1]


def test_a_folder_that_cannot_be_written_stops_the_run(settings: CutSettings, frames: list[Path]) -> None:
    settings = replace(settings, aligned=settings.aligned / "gone", debug=None)
    result = FaceCutter(settings).work(_chunk(frames))
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
    settings: CutSettings, frames: list[Path], face_type: FaceType, box_share: float, expected: int
) -> None:
    cutter = FaceCutter(replace(settings, face_type=face_type))
    find = cutter._find
    cutter._find = (
        lambda frame, before: [  # a detector with a box of another size
            replace(face, box=np.concatenate([face.box[:2], face.box[:2] + (face.box[2:] - face.box[:2]) * box_share]))
            for face in find(frame, before)
        ]
    )
    cutter.work(_chunk(frames[:1]))
    assert _finished(settings) == {"00001.png": expected}


def test_dlib_serves_as_detector_too(settings: CutSettings, frames: list[Path]) -> None:
    FaceCutter(replace(settings, detector="hog")).work(_chunk(frames[:1]))
    face = read_face(settings.aligned / "00001_0.jpg")
    assert abs(face.metadata.landmarks[36:48].mean(axis=0)[0] - 128) < 20
