"""Which faces belong to which frame, and how they move."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfl.base.files import list_pictures
from dfl.base.report import Report
from dfl.faceset.faceset import list_faceset
from dfl.faceset.keep_options import PackOptions
from dfl.faceset.pack import run as pack
from dfl.merging.face_in_frame import STILL
from dfl.merging.faces_of_clip import ClipFrame, match_faces
from dfl.workspace import Workspace

Face = Callable[..., Path]


def matched(workspace: Workspace, frames: int) -> list[ClipFrame]:
    paths = [workspace.frames("dst") / f"{number:05d}.png" for number in range(1, frames + 1)]
    return match_faces(paths, list_faceset(workspace.aligned("dst")))


def test_the_stem_alone_links_a_face_to_its_frame(workspace: Workspace, face: Face) -> None:
    face("00002.jpg", 50, 50, 40)
    assert [len(frame.faces) for frame in matched(workspace, 3)] == [0, 1, 0]


def test_faces_of_a_frame_come_in_the_order_of_their_files(workspace: Workspace, face: Face) -> None:
    for index, x in ((2, 150), (0, 50), (1, 100)):
        face("00001.png", x, 60, 40, index)
    (frame,) = matched(workspace, 1)
    assert [points[:, 0].mean().round() for points in frame.faces] == [50, 100, 150]


def test_motion_is_from_the_frame_before_to_the_frame_after(workspace: Workspace, face: Face) -> None:
    for number, (x, y) in enumerate([(50, 50), (60, 50), (60, 40), (90, 0)], start=1):
        face(f"{number:05d}.png", x, y, 40)
    frames = matched(workspace, 4)
    # At the clip's ends the frame itself stands for the one that is not there.
    assert [frame.motion.power for frame in frames] == pytest.approx(
        [10, math.hypot(10, 10), math.hypot(30, 50), 50], abs=1e-6
    )
    # Counter-clockwise: y points down, so a face that rises moves at a positive angle.
    angles = [frame.motion.degrees for frame in frames]
    assert angles == pytest.approx([0, 45, math.degrees(math.atan2(50, 30)), math.degrees(math.atan2(40, 30))])


def test_a_frame_beside_a_gap_does_not_move(workspace: Workspace, face: Face) -> None:
    for number in (1, 2, 4, 5, 6):
        face(f"{number:05d}.png", 30 * number, 50, 40)
    assert [frame.motion == STILL for frame in matched(workspace, 6)] == [False, True, True, True, False, False]


def test_with_two_faces_anywhere_nothing_moves(workspace: Workspace, face: Face) -> None:
    for number in (1, 2, 3):
        face(f"{number:05d}.png", 30 * number, 50, 40)
    face("00003.png", 200, 50, 40, 7)
    assert all(frame.motion == STILL for frame in matched(workspace, 3))


def test_pictures_without_face_data_are_no_faces(workspace: Workspace, face: Face) -> None:
    face("00001.png", 50, 50, 40)
    content = list_pictures(workspace.aligned("dst"))[0].read_bytes()
    (workspace.aligned("dst") / "a.jpg").write_bytes(content[:200])
    assert np.array([len(frame.faces) for frame in matched(workspace, 2)]).tolist() == [1, 0]


def test_faces_in_a_pack_belong_to_their_frames_too(workspace: Workspace, face: Face) -> None:
    for number in (1, 3):
        face(f"{number:05d}.png", 30 * number, 50, 40)
    loose = matched(workspace, 3)
    pack(workspace, PackOptions(side="dst"), Report())
    assert [path.name for path in workspace.aligned("dst").iterdir()] == ["faceset.pak"]
    packed = matched(workspace, 3)
    for one, other in zip(loose, packed, strict=True):
        assert one.path == other.path
        assert [points.tolist() for points in one.faces] == [points.tolist() for points in other.faces]
