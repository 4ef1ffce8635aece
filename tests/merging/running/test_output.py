"""What compositors get: pictures of 16 bits and EXR, the mask as alpha, face crops with the way back into the frame."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.video.marking import read_marks
from dfl.workspace import Workspace

Clip = Callable[..., None]
Merged = Callable[..., Any]
# OpenCV reads EXR only when it is told to before it is loaded.
READ = "import sys, cv2, numpy as np; np.save(sys.argv[2], cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED))"


def read_exr(path: Path, to: Path) -> NDArray[np.float32]:
    environment = os.environ | {"OPENCV_IO_ENABLE_OPENEXR": "1"}
    subprocess.run([sys.executable, "-c", READ, str(path), str(to)], check=True, env=environment)
    picture: NDArray[np.float32] = np.load(to)
    return picture


def read_words(path: Path) -> NDArray[np.uint16]:
    picture: Any = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.dtype == np.uint16
    return np.asarray(picture)


def test_sixteen_bits_hold_what_eight_do_and_more(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(3, without_face=(2,))
    merged(blur=20)
    merged(blur=20, output_format="png16")
    folder = workspace.frames("dst") / "merged_png16"
    assert [path.name for path in list_pictures(folder)] == ["00001.png", "00002.png", "00003.png"]
    for name in ("00001.png", "00002.png"):
        words, mask = read_words(folder / name), read_words(workspace.frames("dst") / "merged_png16_mask" / name)
        eight, eight_mask = read_picture(workspace.merged / name), read_picture(workspace.merged_mask / name)
        assert np.abs(words / 257 - eight).max() <= 0.5
        assert np.abs(mask / 257 - eight_mask[:, :, 0]).max() <= 0.5
        untouched = eight_mask == 0
        assert np.array_equal(words[untouched], eight[untouched].astype(np.uint16) * 257)
    levels = np.unique(read_words(folder / "00001.png")).size
    assert levels > 2 * np.unique(read_picture(workspace.merged / "00001.png")).size
    assert read_marks(folder / "00001.png").source_type
    assert json.loads((folder / "merge.json").read_text(encoding="utf-8"))["swapped"] == 2


def test_exr_is_linear_light_with_the_mask_as_alpha(
    workspace: Workspace, clip: Clip, merged: Merged, tmp_path: Path
) -> None:
    clip(2)
    merged(output_format="png16")
    merged(output_format="exr", alpha=True)
    folder = workspace.frames("dst") / "merged_exr"
    assert not (workspace.frames("dst") / "merged_exr_mask").exists()
    made = read_exr(folder / "00002.exr", tmp_path / "a.npy")
    words = read_words(workspace.frames("dst") / "merged_png16" / "00002.png") / 65535
    # IEC 61966-2-1, the other way round.
    linear = made[:, :, :3].astype(float)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
    assert np.abs(curved - words).max() < 0.001
    mask = read_words(workspace.frames("dst") / "merged_png16_mask" / "00002.png") / 65535
    assert np.abs(made[:, :, 3] - mask).max() < 0.001
    outside = mask == 0
    assert (linear[outside] > 0).any(), "colours are not multiplied by the mask"


def test_the_mask_in_the_alpha_channel_of_png(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(2, without_face=(2,))
    merged()
    plain = {path.name: read_picture(path) for path in list_pictures(workspace.merged)}
    assert "alpha False → True" in merged(alpha=True).text
    for name, picture in plain.items():
        content = np.frombuffer((workspace.merged / name).read_bytes(), np.uint8)
        found: Any = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        assert np.array_equal(found[:, :, :3], picture)
        assert np.array_equal(found[:, :, 3], read_picture(workspace.merged_mask / name)[:, :, 0])


def test_crops_laid_into_the_frame_by_their_matrices_give_the_merged_frame(
    workspace: Workspace, clip: Clip, merged: Merged, face: Callable[..., Path]
) -> None:
    clip(2)
    face("00001.png", 180, 90, 50)
    merged(crops=True, colour_transfer="none", steady_mask=0)
    folder = workspace.frames("dst") / "merged_crops"
    facts = json.loads((folder / "00001.json").read_text(encoding="utf-8"))
    frame = read_picture(workspace.frames("dst") / facts["frame"])
    assert (facts["height"], facts["width"]) == frame.shape[:2]
    assert sorted(one["aligned"] for one in facts["faces"]) == ["00001_0.jpg", "00001_1.jpg"]
    made = frame.astype(float)
    for one in facts["faces"]:
        crop = read_words(folder / one["picture"]) / 65535
        assert crop.shape == (one["side"], one["side"], 4)
        assert one["model"] == "waves"
        there, back = np.array(one["frame_to_crop"]), np.array(one["crop_to_frame"])
        assert np.abs(there[:, :2] @ back[:, :2] - np.eye(2)).max() < 1e-6
        laid = cv2.warpAffine(crop, back, frame.shape[1::-1], flags=cv2.INTER_CUBIC)
        cover = laid[:, :, 3:].clip(0, 1)
        made = made * (1 - cover) + 255 * laid[:, :, :3].clip(0, 1) * cover
    wanted = read_picture(workspace.merged / "00001.png")
    # The mask of a crop has the model's size, that of the frame four times as much.
    apart = np.abs(made - wanted)
    assert apart.mean() < 0.2
    assert apart.max() < 12
    (workspace.frames("dst") / "00001.png").unlink()
    merged(crops=True, colour_transfer="none", steady_mask=0)
    assert sorted(path.name for path in folder.iterdir()) == ["00002.json", "00002_0.png"]


@pytest.mark.parametrize("output_format", ["png16", "exr"])
def test_other_formats_go_on_too_and_leave_merged_alone(
    workspace: Workspace, clip: Clip, merged: Merged, output_format: str
) -> None:
    clip(4)
    merged()
    before = {path: path.stat().st_mtime_ns for path in list_pictures(workspace.merged)}
    merged(output_format=output_format)
    folder = workspace.frames("dst") / f"merged_{output_format}"
    (path,) = folder.glob("00003.*")
    whole = path.read_bytes()
    path.write_bytes(b"cut off")
    assert "3 of 4 frames are merged already" in merged(output_format=output_format).text
    assert path.read_bytes() == whole
    assert {path: path.stat().st_mtime_ns for path in list_pictures(workspace.merged)} == before
