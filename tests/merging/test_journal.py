"""What was merged is remembered, whatever a crash or another program left in the file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl.merging.face_in_frame import Motion
from dfl.merging.faces_of_clip import ClipFrame
from dfl.merging.journal import Journal, is_whole_png

HOW: dict[str, Any] = {"model": "a", "iteration": 5, "mode": "overlay"}


@pytest.fixture
def frames(tmp_path: Path) -> list[ClipFrame]:
    made = []
    for name in ("00001", "Bäum 2", "3"):
        path = tmp_path / f"{name}.png"
        path.write_bytes(name.encode())
        made.append(ClipFrame(path, (np.zeros((68, 2), np.float32),)))
    return made


def write(path: Path, frames: list[ClipFrame], how: dict[str, Any] = HOW) -> None:
    with Journal(path, how) as journal:
        for frame in frames:
            journal.add(frame)


def known(path: Path, frames: list[ClipFrame], how: dict[str, Any] = HOW) -> list[bool]:
    journal = Journal(path, how)
    return [journal.has(frame) for frame in frames]


def test_frames_are_remembered_over_several_runs(tmp_path: Path, frames: list[ClipFrame]) -> None:
    path = tmp_path / "merge.journal"
    write(path, frames[:1])
    write(path, frames[1:2])
    assert known(path, frames) == [True, True, False]


def test_other_settings_forget_and_say_what_was(tmp_path: Path, frames: list[ClipFrame]) -> None:
    path = tmp_path / "merge.journal"
    write(path, frames)
    changed = Journal(path, HOW | {"iteration": 6})
    assert changed.earlier == HOW
    assert not changed.has(frames[0])
    assert Journal(path, HOW).earlier is None


def test_a_changed_frame_face_or_motion_is_not_done(tmp_path: Path, frames: list[ClipFrame]) -> None:
    path = tmp_path / "merge.journal"
    write(path, frames)
    moved = replace(frames[0], motion=Motion(3, 0))
    other_face = replace(frames[0], faces=(np.ones((68, 2), np.float32),))
    frames[2].path.write_bytes(b"another picture")
    assert known(path, [moved, other_face, frames[1], frames[2]]) == [False, False, True, False]


def test_a_line_that_was_cut_off_does_not_count(tmp_path: Path, frames: list[ClipFrame]) -> None:
    path = tmp_path / "merge.journal"
    write(path, frames)
    path.write_bytes(path.read_bytes()[:-4])
    assert known(path, frames) == [True, True, False]
    write(path, [])
    assert known(path, frames) == [True, True, False]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='{}[]",:01\nnul', max_size=60).map(str.encode)))
def test_any_file_in_its_place_is_harmless(tmp_path: Path, frames: list[ClipFrame], content: bytes) -> None:
    path = tmp_path / "merge.journal"
    path.write_bytes(content)
    assert known(path, frames) == [False, False, False]
    write(path, frames[:1])
    assert known(path, frames) == [True, False, False]


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n" + bytes(400), b"IEND\xaeB`\x82"])
def test_a_cut_picture_is_not_whole(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert not is_whole_png(path)
    assert not is_whole_png(tmp_path / "missing.png")
