"""What is said of a clip before anything is made of it, and which of its streams is taken."""

from pathlib import Path

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.video.account import account, account_warnings
from dfl.video.clip import Reading
from dfl.video.read import decode
from dfl.video.read_clip import read_clip
from tests.video.conftest import ClipMaker, ffmpeg
from tests.video.numbered import make_numbered


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transport stream of four seconds."""
    return make_numbered(tmp_path_factory.mktemp("whole") / "whole.ts", 100)


@pytest.fixture(scope="module")
def two(make_clip: ClipMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose second video stream is the default one."""
    path = tmp_path_factory.mktemp("two") / "two.mp4"
    small = make_clip("small.mp4", "-pix_fmt", "yuv420p", size="32x32")
    said = ("-disposition:v:0", "0", "-disposition:v:1", "default")
    ffmpeg("-i", small, "-i", make_clip("plain.mp4"), "-map", "0:v", "-map", "1:v", "-c", "copy", *said, path)
    return path


def test_the_default_stream_is_taken_not_the_first_and_it_is_said(two: Path) -> None:
    clip = read_clip(two)
    assert (clip.width, clip.height, clip.video_stream) == (64, 48, 1)
    (told,) = [line for line in account(clip) if "streams" in line]
    assert "0 (32 x 32), 1 (64 x 48, the default) is taken" in told
    assert "--video-stream" in told
    assert {frame.content.width for frame in decode(clip, pytest.fail)} == {64}


def test_another_stream_can_be_chosen(two: Path) -> None:
    clip = read_clip(two, Reading(video_stream=0))
    assert (clip.width, clip.video_stream) == (32, 0)
    with pytest.raises(UserError, match="has 2 video streams, counted from 0, and no 2") as caught:
        read_clip(two, Reading(video_stream=2))
    assert "--video-stream" in caught.value.todo


def test_of_streams_of_which_none_is_the_default_the_largest_is_taken(make_clip: ClipMaker, tmp_path: Path) -> None:
    path = tmp_path / "both.ts"
    small = make_clip("small.mp4", "-pix_fmt", "yuv420p", size="32x32")
    ffmpeg("-i", small, "-i", make_clip("plain.mp4"), "-map", "0:v", "-map", "1:v", "-c", "copy", path)
    assert read_clip(path).width == 64


def damaged(path: Path, source: Path) -> Path:
    """A copy with random bytes over a tenth of it."""
    content = bytearray(source.read_bytes())
    start, end = len(content) * 45 // 100, len(content) * 55 // 100
    content[start:end] = np.random.default_rng(1).integers(0, 256, end - start, dtype=np.uint8).tobytes()
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".flv", ".mp4", ".avi"])
def test_damage_inside_a_clip_is_told_with_the_frames_that_are_missing(
    whole: Path, tmp_path: Path, suffix: str
) -> None:
    source = tmp_path / f"source{suffix}"
    copied = ("-c", "copy") if suffix != ".avi" else ("-c:v", "mpeg4", "-c:a", "libmp3lame")
    ffmpeg("-i", whole, *copied, *(("-bsf:a", "aac_adtstoasc") if suffix in (".mp4", ".flv") else ()), source)
    assert not [told for told in account_warnings(read_clip(source)) if "damaged" in told]
    told: list[str] = []
    assert len(list(decode(read_clip(source), told.append))) == 100
    assert told == []
    clip = read_clip(damaged(tmp_path / f"damaged{suffix}", source))
    found = len(list(decode(clip, told.append)))
    assert found < 100
    assert clip.expected_frames in (100, 101, 102)
    assert len(told) == 1
    assert f"is damaged or cut: {found} of about {clip.expected_frames} frames could be decoded" in told[0]


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_damage_is_told_before_the_work_where_packets_tell_it(whole: Path, tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"source{suffix}"
    ffmpeg("-i", whole, "-c", "copy", source)
    clip = read_clip(damaged(tmp_path / f"damaged{suffix}", source))
    told = " ".join(account_warnings(clip))
    assert ("is damaged (at 0:0" in told and "frames are missing" in told) or "can be read up to 1.36 s of 4.0" in told


def test_a_clip_with_a_pause_and_late_sound_is_told(whole: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.ts"
    joined = tmp_path / "joined.ts"
    ffmpeg("-i", whole, "-c", "copy", "-output_ts_offset", "3600", "-f", "mpegts", late)
    joined.write_bytes(whole.read_bytes() + late.read_bytes())
    told = list(account_warnings(read_clip(joined)))
    assert any("no pictures for 3595" in text or "no pictures for 1.00 hours" in text for text in told)
    assert any("--gaps keep" in text for text in told)
    kept = list(account_warnings(read_clip(joined, Reading(gaps="keep"))))
    assert any("--gaps close" in text for text in kept)


def test_sound_that_begins_late_or_lacks_something_is_told(whole: Path, tmp_path: Path) -> None:
    late, gap = tmp_path / "late.mkv", tmp_path / "gap.mkv"
    ffmpeg("-i", whole, "-itsoffset", "0.7", "-i", whole, "-map", "0:v", "-map", "1:a", "-c", "copy", late)
    ffmpeg("-i", whole, "-c:v", "copy", "-af", "aselect='not(between(t,1.5,2.5))'", "-c:a", "aac", gap)
    (told,) = account_warnings(read_clip(late))
    assert "begins 0.6" in told or "begins 0.7" in told
    (told,) = account_warnings(read_clip(gap))
    assert "lacks 0.9" in told or "lacks 1.0" in told


def test_a_plain_clip_is_told_in_two_lines(make_clip: ClipMaker) -> None:
    clip = read_clip(make_clip("loud.mp4", "-pix_fmt", "yuv420p", sound=True))
    assert list(account(clip)) == [
        "loud.mp4: 64 x 48, 25 frames a second, 1.00 s, h264",
        "Sound: aac, 44100 Hz, mono",
    ]
    assert list(account_warnings(clip)) == []


@pytest.mark.parametrize(("suffix", "times", "share"), [(".mp4", 2, "50 %"), (".flv", 2, "50 %"), (".mkv", 3, "33 %")])
def test_a_second_file_behind_the_first_that_is_not_read_is_told(
    whole: Path, tmp_path: Path, suffix: str, times: int, share: str
) -> None:
    path = tmp_path / f"one{suffix}"
    ffmpeg("-i", whole, "-c", "copy", "-bsf:a", "aac_adtstoasc", path)
    assert not [told for told in account_warnings(read_clip(path)) if "several files" in told]
    path.write_bytes(path.read_bytes() * times)
    told = " ".join(account_warnings(read_clip(path)))
    assert "several files put one behind the other" in told
    assert share in told
