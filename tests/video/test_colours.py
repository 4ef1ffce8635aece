"""Colours go from a clip to its result and back, whatever matrix and range the clip has."""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.video import extract_frames, make_video
from dfl.video.clip import Clip
from dfl.video.colours import ColourTags
from dfl.video.encoders import coding_of
from dfl.video.options import EncodingOptions, ExtractFramesOptions, MakeVideoOptions
from dfl.video.read import read_frames
from dfl.video.read_clip import read_clip
from dfl.video.write import Shown, VideoForm, write_video
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport
from tests.video.conftest import ClipMaker

BAR, HEIGHT = 24, 128
BARS = [
    (191, 191, 191),
    (0, 191, 191),
    (191, 191, 0),
    (0, 191, 0),
    (191, 0, 191),
    (0, 0, 191),
    (191, 0, 0),
    (16, 16, 16),
]
# Code points of ITU-T H.273, and ffmpeg's names of matrix, primaries and transfer.
SYSTEMS = {
    "709": (1, 1, 1, "bt709", "bt709", "bt709"),
    "601 (625 lines)": (5, 5, 6, "bt470bg", "bt470bg", "smpte170m"),
    "601 (525 lines)": (6, 6, 6, "smpte170m", "smpte170m", "smpte170m"),
    "240M": (7, 7, 7, "smpte240m", "smpte240m", "smpte240m"),
    "2020, not HDR": (9, 9, 14, "bt2020nc", "bt2020", "bt2020-10"),
    "not tagged": (2, 2, 2, "bt601", "unknown", "unknown"),
}


def card() -> NDArray[np.uint8]:
    """Bars of pure colours over a ramp of grey."""
    picture = np.zeros((HEIGHT, BAR * len(BARS), 3), np.uint8)
    for number, colour in enumerate(BARS):
        picture[: HEIGHT // 2, number * BAR : (number + 1) * BAR] = colour
    picture[HEIGHT // 2 :] = np.linspace(0, 255, picture.shape[1]).astype(np.uint8)[None, :, None]
    return picture


def tagged_clip(path: Path, system: str, reach: str) -> Clip:
    """The card as a clip of two frames, coded without loss by the ffmpeg program."""
    *_, matrix, primaries, transfer = SYSTEMS[system]
    space = "unknown" if system == "not tagged" else matrix
    tags = f"setparams=colorspace={space}:color_primaries={primaries}:color_trc={transfer}"
    named = {"bt470bg": "bt470", "bt2020nc": "bt2020"}.get(matrix, matrix)
    scale = f"scale=out_color_matrix={named}:out_range={reach}:out_chroma_loc=left:flags=bicubic+accurate_rnd"
    height, width = card().shape[:2]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "rawvideo", "-pix_fmt", "bgr24"]
    command += ["-s", f"{width}x{height}", "-i", "-", "-vf", f"{scale}+full_chroma_int,format=yuv420p,{tags}"]
    command += ["-qp", "0", str(path)]
    subprocess.run(command, input=card().tobytes() * 2, check=True)
    return read_clip(path)


def first_picture(clip: Clip) -> NDArray[np.uint8]:
    return next(iter(read_frames(clip, pytest.fail))).picture


def flat_parts(picture: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What differs from the card: inside the bars, and in the ramp; colours have half the resolution, edges are left
    out."""
    difference = np.abs(picture.astype(int) - card())
    bars = [difference[8:56, number * BAR + 8 : (number + 1) * BAR - 8] for number in range(len(BARS))]
    return np.stack(bars), difference[72:120, 8:-8]


@pytest.mark.parametrize("reach", ["tv", "pc"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_colours_come_back_and_tags_are_carried_over(tmp_path: Path, system: str, reach: str) -> None:
    clip = tagged_clip(tmp_path / "clip.mp4", system, reach)
    bars, ramp = flat_parts(first_picture(clip))
    assert max(bars.max(), ramp.max()) <= 2
    colours = ColourTags.of(clip)
    assert (colours.matrix, colours.primaries, colours.transfer) == SYSTEMS[system][:3]
    assert colours.is_full_range == (reach == "pc")
    form = VideoForm(coding_of(EncodingOptions(bitrate=100)), Fraction(1, 25), Fraction(25), colours=colours)
    write_video(tmp_path / "result.mp4", [Shown(first_picture(clip), number, 1) for number in range(3)], form)
    result = read_clip(tmp_path / "result.mp4")
    assert ColourTags.of(result) == colours
    bars, ramp = flat_parts(first_picture(result))
    # libswscale rounds colours down in full range, by half a level on average, here and in the ffmpeg program.
    assert bars.max() <= (2 if reach == "tv" else 4)
    assert np.median(ramp) == 0
    assert ramp.max() <= 3


def test_an_untagged_clip_gives_an_untagged_result_with_the_same_numbers(
    workspace: Workspace, tmp_path: Path, report: RecordingReport
) -> None:
    clip = tagged_clip(workspace.root / "data_dst.mp4", "not tagged", "tv")
    extract_frames.run(workspace, ExtractFramesOptions(side="dst"), report)
    shutil.copytree(workspace.frames("dst"), workspace.merged)
    make_video.run(workspace, MakeVideoOptions(bitrate=100, mask=False), report)
    assert ColourTags.of(read_clip(workspace.result(".mp4"))) == ColourTags.of(clip) == ColourTags(2, 2, 2)


@pytest.mark.slow
def test_hdr_is_mapped_and_told_or_refused(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    tags = "format=yuv420p10le,setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
    shutil.copy(make_clip("pq.mp4", "-vf", tags, seconds=0.2), workspace.root / "data_dst.mp4")
    extract_frames.run(workspace, ExtractFramesOptions(side="dst"), report)
    shutil.copytree(workspace.frames("dst"), workspace.merged)
    make_video.run(workspace, MakeVideoOptions(mask=False), report)
    assert ColourTags.of(read_clip(workspace.result(".mp4"))) == ColourTags(1, 1, 1)
    assert sum("HDR" in warning and "mapped" in warning for warning in report.warnings) == 2
    workspace.clip_facts("dst").unlink()
    with pytest.raises(UserError, match="HDR"):
        make_video.run(workspace, MakeVideoOptions(mask=False), report)
    form = VideoForm(coding_of(EncodingOptions()), Fraction(1, 25), Fraction(25), colours=ColourTags(9, 9, 16))
    with pytest.raises(UserError, match="HDR"):
        write_video(workspace.root / "x.mp4", [Shown(card(), 0, 1)], form)
