"""Frames of a clip: pictures, times, damage."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dfl.video.read import Frame, read_frames
from dfl.video.read_clip import read_clip
from tests.video.conftest import ClipMaker, ffmpeg, pictures, times


def frames_of(path: Path) -> tuple[list[Frame], list[str]]:
    warnings: list[str] = []
    return list(read_frames(read_clip(path), warnings.append)), warnings


@pytest.mark.parametrize(
    ("name", "arguments", "chroma"),
    [
        ("plain.mp4", ("-pix_fmt", "yuv420p"), "left"),  # without colour tags: BT.601
        ("444.mp4", ("-pix_fmt", "yuv444p"), "left"),
        ("ten_bit.mkv", ("-pix_fmt", "yuv420p10le"), "left"),
        ("full_range.mkv", ("-pix_fmt", "yuvj420p", "-c:v", "mjpeg"), "center"),
        ("bt709.mp4", ("-vf", "scale=out_color_matrix=bt709,format=yuv420p"), "left"),
        ("exact.mkv", ("-c:v", "ffv1", "-pix_fmt", "bgr0"), "left"),  # RGB inside
    ],
)
def test_pictures_are_those_of_an_exact_conversion(
    make_clip: ClipMaker, name: str, arguments: tuple[str, ...], chroma: str
) -> None:
    path = make_clip(name, *arguments)
    frames, warnings = frames_of(path)
    found, expected = np.stack([frame.picture for frame in frames]), pictures(path, chroma=chroma)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 2  # 10 bits become 8 in another order
    assert np.abs(found.astype(int) - expected).mean() < 0.1
    assert warnings == []


def test_times_are_the_files_own(vfr_clip: Path) -> None:
    frames, _ = frames_of(vfr_clip)
    assert [frame.time for frame in frames] == times(vfr_clip)
    assert [frame.number for frame in frames] == list(range(1, 21))
    assert frames[8].time - frames[7].time == Fraction(6, 25)


@pytest.mark.parametrize("name", ["old.avi", "stream.ts", "raw.h264", "flash.flv", "anim.gif"])
def test_files_with_poor_time_stamps(make_clip: ClipMaker, name: str) -> None:
    pixels = () if name.endswith("gif") else ("-pix_fmt", "yuv420p")
    frames, warnings = frames_of(make_clip(name, *pixels, "-r", "25"))
    steps = {later.time - earlier.time for earlier, later in pairwise(frames)}
    assert len(frames) == 25
    assert all(abs(step - Fraction(1, 25)) < Fraction(1, 500) for step in steps)
    assert frames[0].time <= Fraction(2, 25)
    assert warnings == []


def test_rotation_is_applied(make_clip: ClipMaker, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "-90", "-i", make_clip("plain.mp4"), "-c", "copy", path)
    upright, _ = frames_of(make_clip("plain.mp4"))
    turned, _ = frames_of(path)
    assert np.array_equal(turned[3].picture, np.rot90(upright[3].picture, -1))
    as_ffmpeg = pictures(path)[3].astype(int)  # which turns before it converts: other chroma
    assert np.abs(turned[3].picture - as_ffmpeg).mean() < 10 < np.abs(np.rot90(turned[3].picture, 2) - as_ffmpeg).mean()


def test_a_cut_file_gives_what_can_be_decoded_and_one_warning(make_clip: ClipMaker, tmp_path: Path) -> None:
    whole = make_clip("front.mp4", "-pix_fmt", "yuv420p", "-movflags", "+faststart", size="320x240", seconds=2)
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    frames, warnings = frames_of(path)
    expected, _ = frames_of(whole)
    assert 5 < len(frames) < 45
    assert all(np.array_equal(frame.picture, other.picture) for frame, other in zip(frames[:5], expected, strict=False))
    assert len(warnings) == 1
    assert f"{len(frames)} of about 50 frames" in warnings[0]


def test_frames_of_another_size_are_scaled_to_the_first(make_clip: ClipMaker, tmp_path: Path) -> None:
    first = make_clip("a.h264", "-pix_fmt", "yuv420p", size="64x48")
    second = make_clip("b.h264", "-pix_fmt", "yuv420p", size="96x80")
    path = tmp_path / "both.h264"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    frames, _ = frames_of(path)
    assert {frame.picture.shape for frame in frames} == {(48, 64, 3)}
    assert len(frames) > 40


@pytest.mark.slow
@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_light_is_mapped_back(make_clip: ClipMaker, tmp_path: Path, transfer: str) -> None:
    """An ordinary clip that became HDR (white at 203 nits, BT.2408) looks as before, not washed out."""
    plain = make_clip("grey.mkv", "-vf", "scale=out_color_matrix=bt709", "-pix_fmt", "yuv420p", "-colorspace", "bt709")
    path = tmp_path / "hdr.mkv"
    bt709 = "tin=bt709:min=bt709:pin=bt709"
    to_hdr = f"zscale={bt709}:t={transfer}:m=bt2020nc:p=bt2020:npl=203,format=yuv420p10le"
    tags = ("-color_trc", transfer, "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
    ffmpeg("-i", plain, "-frames:v", "2", "-vf", to_hdr, "-c:v", "libx264", "-crf", "1", *tags, path)
    frames, _ = frames_of(path)
    difference = frames[0].picture.astype(int) - pictures(plain)[0]
    assert abs(difference.mean()) < 12
    assert np.abs(difference).mean() < 30
