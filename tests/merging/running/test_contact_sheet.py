"""A look at a merge before it is done, and runs over some frames only."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.workspace import Workspace
from tests.merging.conftest import FRAME_HW

Clip = Callable[..., None]
Merged = Callable[..., Any]
CELL = round(240 * FRAME_HW[1] / FRAME_HW[0]) + 4


def test_a_sheet_shows_frames_as_they_become_and_leaves_nothing_else(
    workspace: Workspace, clip: Clip, merged: Merged
) -> None:
    clip(9)
    before = {path for path in workspace.root.rglob("*") if path.is_file()}
    report = merged(frames="4-6", contact_sheet=True, erode=30)
    assert report.counts == {"frames": 3}
    assert {path for path in workspace.root.rglob("*") if path.is_file()} - before <= {
        workspace.merged_sheet,
        workspace.frames("dst") / "merge_cuts.json",
    }
    sheet = read_picture(workspace.merged_sheet)
    assert sheet.shape == (3 * 244 - 4, 3 * CELL - 4, 3)
    merged(frames="4-6", erode=30)
    assert [path.stem for path in list_pictures(workspace.merged)] == ["00004", "00005", "00006"]
    for row, path in enumerate(list_pictures(workspace.merged)):
        cell = sheet[row * 244 : row * 244 + 240, CELL : 2 * CELL - 4]
        mask = sheet[row * 244 : row * 244 + 240, 2 * CELL : 3 * CELL - 4]
        wanted = (read_picture(path), read_picture(workspace.merged_mask / path.name))
        for shown, whole in zip((cell, mask), wanted, strict=True):
            assert np.abs(shown.mean((0, 1)) - whole.mean((0, 1))).max() < 1.5


def test_without_frames_twelve_with_a_face_are_shown_and_never_too_many(clip: Clip, merged: Merged) -> None:
    clip(60, without_face=tuple(range(1, 31)))
    assert merged(contact_sheet=True).counts == {"frames": 12}
    report = merged(contact_sheet=True, frames="1-60")
    assert report.counts == {"frames": 48}
    assert "60 frames are too many for one sheet: 48" in report.text


def test_settings_given_with_frames_count_for_these_alone_and_are_kept(
    workspace: Workspace, clip: Clip, merged: Merged
) -> None:
    clip(6)
    unsmoothed = {"steady_mask": 0, "steady_landmarks": False}
    merged(**unsmoothed)
    before = {path.name: path.read_bytes() for path in list_pictures(workspace.merged)}
    report = merged(frames="3-4", mode="seamless")
    assert "2 frames were made otherwise (mode overlay → seamless)" in report.text
    after = {path.name: path.read_bytes() for path in list_pictures(workspace.merged)}
    assert {name for name in after if after[name] != before[name]} == {"00003.png", "00004.png"}
    assert "6 of 6 frames are merged already" in merged().text
    # What holds for all frames reaches these too, and they keep what is their own.
    report = merged(erode=8)
    assert "6 frames were made otherwise (erode 0 → 8)" in report.text
    assert "2 of 2 frames are merged already" in merged(frames="3-4", mode="seamless").text
    with pytest.raises(UserError, match="no frame has such a number"):
        merged(frames="70-80")


def test_a_frame_that_fails_ends_a_look_with_its_name(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(3)
    (workspace.frames("dst") / "00002.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"00002\.png"):
        merged(frames="1-3", contact_sheet=True)
