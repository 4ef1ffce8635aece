"""What a clip says of itself, and what is said of files that are no clip."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.video.clip import Turn
from dfl.video.read_clip import read_clip
from tests.video.conftest import ClipMaker, ffmpeg


def test_rate_time_base_and_sound_are_exact(make_clip: ClipMaker) -> None:
    clip = read_clip(make_clip("ntsc.mov", "-pix_fmt", "yuv420p", rate="30000/1001", sound=True))
    assert (clip.width, clip.height, clip.codec) == (64, 48, "h264")
    assert clip.rate == Fraction(30000, 1001)
    assert clip.frames == clip.expected_frames == 30
    assert [(part.codec, part.rate, part.channels) for part in clip.sound] == [("aac", 44100, 1)]


def test_mean_rate_of_a_clip_with_a_gap(vfr_clip: Path) -> None:
    clip = read_clip(vfr_clip)
    assert clip.frames == 20
    assert Fraction(18) < clip.rate < Fraction(22)


@pytest.mark.parametrize(
    ("arguments", "width", "height", "degrees"),
    [
        (("-display_rotation", "90"), 48, 64, 270),  # counter-clockwise, as ffmpeg counts
        (("-display_rotation", "-90"), 48, 64, 90),  # a phone held upright
        (("-display_rotation", "180"), 64, 48, 180),
    ],
)
def test_size_is_as_displayed(
    make_clip: ClipMaker, tmp_path: Path, arguments: tuple[str, ...], width: int, height: int, degrees: int
) -> None:
    path = tmp_path / "turned.mp4"
    ffmpeg(*arguments, "-i", make_clip("plain.mp4"), "-c", "copy", path)
    clip = read_clip(path)
    assert (clip.width, clip.height, clip.turn.clockwise_degrees) == (width, height, degrees)


def test_pixels_that_are_not_square(make_clip: ClipMaker) -> None:
    clip = read_clip(make_clip("aspect.mp4", "-vf", "setsar=4/3", "-pix_fmt", "yuv420p"))
    assert clip.pixel_aspect == Fraction(4, 3)


def test_hdr_and_colour_tags(make_clip: ClipMaker) -> None:
    tags = "format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc"
    clip = read_clip(make_clip("hlg.mkv", "-vf", tags, "-c:v", "libx264"))
    assert clip.is_hdr
    assert (clip.matrix, clip.primaries, clip.transfer) == (9, 9, 18)
    assert not read_clip(make_clip("plain.mp4")).is_hdr


def test_turns_compose_as_ffmpeg_turns() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert np.array_equal(Turn(True, True, False).apply(picture), np.rot90(picture, -1))
    assert np.array_equal(Turn(True, False, True).apply(picture), np.rot90(picture))
    assert np.array_equal(Turn(False, True, True).apply(picture), np.rot90(picture, 2))
    assert np.array_equal(Turn().apply(picture), picture)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"this is a text and no video at all", "not a video that can be read, but a text"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "not a video that can be read, but a picture (JPEG)"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "not a video that can be read, but a picture (HEIC)"),
        (b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\2\0\0\0", "not a video that can be read, but a picture (animated WebP)"),
        (b"<!DOCTYPE html>\n<html>", "not a video that can be read, but a web page"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n", "not a video"),  # opens other files
        (b"ffconcat version 1.0\nfile other.mp4\n", "not a video"),  # opens other files
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0\0\4\0mdat" + bytes(1016), "index (moov) is missing"),
    ],
)
def test_what_is_no_clip_is_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "data_src é.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match="data_src é") as caught:
        read_clip(path)
    assert words in caught.value.what
    assert caught.value.todo


def test_an_animated_png_is_a_clip_and_a_still_one_is_not(make_clip: ClipMaker, tmp_path: Path) -> None:
    animated, still = tmp_path / "data_src.apng", tmp_path / "still.apng"
    ffmpeg("-i", make_clip("plain.mp4"), animated)
    assert read_clip(animated).codec == "apng"
    ffmpeg("-i", make_clip("plain.mp4"), "-frames:v", "1", "-f", "image2", "-c:v", "png", still)
    with pytest.raises(UserError, match=r"a picture \(PNG\)") as caught:
        read_clip(still)
    assert "data_src or data_dst" in caught.value.todo


def test_sound_with_a_cover_picture_is_no_clip(make_clip: ClipMaker, tmp_path: Path) -> None:
    path, cover = tmp_path / "song.mp4", tmp_path / "cover.png"
    ffmpeg("-i", make_clip("plain.mp4"), "-frames:v", "1", cover)
    tone = ("-f", "lavfi", "-i", "sine=duration=1")
    ffmpeg(*tone, "-i", cover, "-map", "0", "-map", "1", "-disposition:v:0", "attached_pic", "-c:v", "copy", path)
    with pytest.raises(UserError, match="has sound but no video"):
        read_clip(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not there"):
        read_clip(tmp_path / "nothing.mp4")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_never_end_in_another_error(make_clip: ClipMaker, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(make_clip("tiny.mp4", "-pix_fmt", "yuv420p", size="32x32", seconds=0.2).read_bytes())
    for _ in range(data.draw(st.integers(1, 30))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.mp4"
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        clip = read_clip(path)
    except UserError:
        return
    assert clip.width * clip.height > 0
