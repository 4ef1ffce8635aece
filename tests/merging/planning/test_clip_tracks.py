"""Faces over the clip: tracks that no cut is in, and how the faces of a track move."""

import base64
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.report import Report
from dfl.faceset.faceset import list_faceset
from dfl.faceset.found_faces import read_found_frames
from dfl.merging.blending.face_crop import STILL
from dfl.merging.planning.clip_faces import match_faces
from dfl.merging.planning.clip_tracks import cuts_of, link_faces, with_tracks
from dfl.merging.planning.tasks import FrameTask
from dfl.video.cuts import thumbnail
from dfl.workspace import Workspace
from tests.merging.conftest import waves

Face = Callable[..., Path]


def matched(workspace: Workspace, frames: int) -> list[FrameTask]:
    paths = [workspace.frames("dst") / f"{number:05d}.png" for number in range(1, frames + 1)]
    return match_faces(paths, list_faceset(workspace.aligned("dst")))


def tracked(workspace: Workspace, frames: int, cuts: set[str] | None = None) -> list[FrameTask]:
    clip = matched(workspace, frames)
    return with_tracks(clip, link_faces(clip, cuts or set()), smooth=True)


def test_motion_is_from_the_frame_before_to_the_frame_after(workspace: Workspace, face: Face) -> None:
    for number, (x, y) in enumerate([(50, 50), (60, 50), (60, 40), (75, 20)], start=1):
        face(f"{number:05d}.png", x, y, 60)
    motions = [frame.faces[0].motion for frame in tracked(workspace, 4)]
    # At the track's ends the frame itself stands for the one that is not there.
    powers = [10, math.hypot(10, 10), math.hypot(15, 30), 25]
    assert [motion.power for motion in motions] == pytest.approx(powers, abs=1e-6)
    # Counter-clockwise: y points down, so a face that rises moves at a positive angle.
    angles = [0, 45, math.degrees(math.atan2(30, 15)), math.degrees(math.atan2(20, 15))]
    assert [motion.degrees for motion in motions] == pytest.approx(angles)


def test_two_faces_move_each_in_its_own_way(workspace: Workspace, face: Face) -> None:
    for number in (1, 2, 3):
        face(f"{number:05d}.png", 50 + 10 * number, 50, 60, 0)
        face(f"{number:05d}.png", 180, 60 + 5 * number, 60, 1)
    middle = tracked(workspace, 3)[1]
    assert [face.motion.degrees for face in middle.faces] == pytest.approx([0, -90])
    assert len({face.track for face in middle.faces}) == 2


def test_a_track_ends_at_a_gap_a_jump_and_a_cut(workspace: Workspace, face: Face) -> None:
    for number, x in ((1, 50), (2, 55), (4, 60), (5, 64), (6, 190), (7, 192), (8, 194)):
        face(f"{number:05d}.png", x, 90, 60)
    tracks = [frame.faces[0].track if frame.faces else None for frame in tracked(workspace, 8, {"00008"})]
    assert tracks == [0, 0, None, 1, 1, 2, 2, 3]
    assert tracked(workspace, 8, {"00008"})[7].faces[0].motion == STILL


def test_a_trembling_face_is_calmed_and_keeps_its_way(workspace: Workspace, face: Face) -> None:
    face("00001.png", 60, 90, 60)
    (here,) = matched(workspace, 1)[0].faces
    random = np.random.default_rng(4)
    true = [here.landmarks + np.array([2 * number, 0]) for number in range(24)]
    seen = [points + random.normal(0, 0.5, points.shape) for points in true]
    clip = [
        FrameTask(Path(f"{number}.png"), faces=(replace(here, landmarks=points.astype(np.float32)),))
        for number, points in enumerate(seen)
    ]
    faces = [frame.faces[0] for frame in with_tracks(clip, link_faces(clip, set()), smooth=True)]
    calm = [face.steady_landmarks for face in faces if face.steady_landmarks is not None]
    assert len(calm) == 24
    assert np.abs(np.array(calm) - true).mean() < 0.75 * np.abs(np.array(seen) - true).mean()
    assert all(
        face.steady_landmarks is None for face in with_tracks(clip, link_faces(clip, set()), smooth=False)[3].faces
    )


def found_line(name: str, cut: bool = False, picture: NDArray[np.uint8] | None = None) -> str:
    values: dict[str, Any] = {"frame": name, "facts": [1, 1, 1], "cut": cut, "faces": []}
    if picture is not None:
        values["thumbnail"] = base64.b64encode(thumbnail(picture).tobytes()).decode()
    return json.dumps(values)


def unread(frames: Sequence[FrameTask]) -> Any:
    raise AssertionError("extraction has seen the cuts already")


def test_cuts_are_taken_from_extraction(workspace: Workspace) -> None:
    clip = [FrameTask(workspace.frames("dst") / f"{number:05d}.png") for number in range(1, 6)]
    other = np.random.default_rng(1).integers(0, 256, (180, 240, 3), np.uint8)
    lines = ['{"options": {}}', found_line("00001.png"), found_line("00002.png", cut=True), "torn"]
    lines += [
        found_line("00003.png", picture=waves(1)),
        found_line("00004.png", picture=other),
        found_line("00005.png"),
    ]
    (workspace.frames("dst") / "found_faces.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert cuts_of(workspace, clip, read_found_frames(workspace, "dst"), unread, Report()) == {"00002", "00004"}


def test_cuts_are_looked_for_once_where_nobody_knows_them(workspace: Workspace) -> None:
    clip = [FrameTask(workspace.frames("dst") / f"{number:05d}.png") for number in range(1, 6)]
    other = np.random.default_rng(1).integers(0, 256, (180, 240, 3), np.uint8)
    pictures = [waves(1), waves(1), other, other, other]
    (workspace.frames("dst") / "found_faces.jsonl").write_text('{"options": {}}\n', encoding="utf-8")
    found = read_found_frames(workspace, "dst")
    assert cuts_of(workspace, clip, found, lambda _: iter(pictures), Report()) == {"00003"}
    assert cuts_of(workspace, clip, found, unread, Report()) == {"00003"}
    assert cuts_of(workspace, clip[1:], found, lambda _: iter(pictures[1:]), Report()) == {"00003"}
