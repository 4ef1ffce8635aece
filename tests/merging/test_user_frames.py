"""Frames as users have them: named by other programs, turned by a camera, with the system's files among them."""

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.merging.planning.clip_faces import read_clip_frames
from dfl.video.plan import only_merged, read_plan
from dfl.workspace import Workspace

Clip = Callable[..., None]
Merged = Callable[..., Any]


def rename(workspace: Workspace, names: dict[str, str]) -> None:
    """Give frames and their faces' sources other names, as a user has them who extracted the faces from these."""
    from dataclasses import replace

    from dfl.faceset.aligned_face import read_face, write_face

    for old, new in names.items():
        (workspace.frames("dst") / old).rename(workspace.frames("dst") / new)
        path = workspace.aligned("dst") / f"{Path(old).stem}_0.jpg"
        if path.exists():
            face = read_face(path)
            path.unlink()
            target = workspace.aligned("dst") / f"{Path(new).stem}_0.jpg"
            write_face(target, face.picture, replace(face.metadata, source_filename=new))


def test_img2_is_merged_and_shown_before_img10(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(12)
    rename(workspace, {f"{number:05d}.png": f"img{number}.png" for number in range(1, 13)})
    wanted = [f"img{number}" for number in range(1, 13)]
    report = merged()
    assert report.counts["swapped"] == 12
    assert [frame.stem for frame in read_clip_frames(workspace, report)] == wanted
    plan = only_merged(read_plan(workspace, Fraction(25), report), workspace, [], report)
    assert [frame.stem for frame in plan.frames] == wanted
    for path in list_pictures(workspace.frames("dst")):
        path.unlink()
    plan = only_merged(read_plan(workspace, Fraction(25), report), workspace, [], report)
    assert [frame.stem for frame in plan.frames] == wanted, "of the merged pictures alone"


def test_files_of_macos_beside_the_frames_are_no_frames(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(4)
    report = merged()
    for folder in (workspace.frames("dst"), workspace.aligned("dst"), workspace.merged, workspace.merged_mask):
        for path in list_pictures(folder):
            (folder / f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
        (folder / "Thumbs.db").write_bytes(b"")
    report = merged()
    assert "4 of 4 frames are merged already" in report.text
    assert (report.counts["frames"], report.counts["failed"]) == (4, 0)
    plan = only_merged(read_plan(workspace, Fraction(25), report), workspace, [], report)
    assert len(plan.frames) == 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_frame_that_a_camera_turned_is_merged_upright(
    workspace: Workspace, clip: Clip, merged: Merged, kind: str
) -> None:
    clip(2, without_face=(2,))
    for path in list_pictures(workspace.frames("dst")):
        shown = Image.fromarray(read_picture(path)[:, :, ::-1])
        exif = Image.Exif()
        exif[0x0112] = 6  # shown after a quarter turn to the right
        file = io.BytesIO()
        shown.transpose(Image.Transpose.ROTATE_90).save(file, kind, exif=exif, quality=100)
        path.write_bytes(file.getvalue())
    assert merged().counts["swapped"] == 1
    for path in list_pictures(workspace.frames("dst")):
        before = read_picture(path)
        after, mask = (read_picture(folder / path.name) for folder in (workspace.merged, workspace.merged_mask))
        assert before.shape == after.shape == mask.shape == (180, 240, 3)
        assert np.array_equal(after[mask == 0], before[mask == 0])
        assert mask.any() == (path.stem == "00001")
        assert b"eXIf" not in (workspace.merged / path.name).read_bytes(), "or it would be turned once more"


def test_frames_of_other_kinds_are_merged_or_named(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(3, suffix=".bmp")
    assert merged().counts["swapped"] == 3
    for path in list_pictures(workspace.frames("dst")):
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(UserError, match=r"3 files \(00001\.heic") as caught:
        merged()
    assert "PNG or JPEG" in caught.value.todo
