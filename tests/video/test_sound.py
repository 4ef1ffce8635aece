"""The sound of a clip in a video that is written."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.video.encoders import coding_of
from dfl.video.options import EncodingOptions
from dfl.video.write import Shown, VideoForm, write_video
from tests.video.conftest import ClipMaker, ffmpeg, sound_packets

FORM = VideoForm(coding_of(EncodingOptions(bitrate=1)), Fraction(1, 25), Fraction(25))
FRAMES = [Shown(np.full((48, 64, 3), 5 * number, np.uint8), number, 1) for number in range(25)]


def samples(path: Path) -> NDArray[np.float32]:
    """The sound as one channel of 44100 samples a second, from time 0."""
    raw = ffmpeg(
        "-i",
        path,
        "-map",
        "a:0",
        "-af",
        "aresample=async=1:first_pts=0",
        "-ac",
        "1",
        "-ar",
        "44100",
        "-f",
        "f32le",
        "-",
    )
    return np.frombuffer(raw, np.float32)


def delay_of(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """How many seconds later `found` sounds, by correlation."""
    length = min(len(found), len(expected))
    spectrum = np.fft.rfft(found[:length], 2 * length) * np.conj(np.fft.rfft(expected[:length], 2 * length))
    place = int(np.argmax(np.fft.irfft(spectrum)))
    return (place if place < length else place - 2 * length) / 44100


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose sound is noise that starts in the middle: its place in time can be told exactly."""
    path = tmp_path_factory.mktemp("sound") / "noisy.mkv"
    noise = "anoisesrc=duration=1:seed=3:sample_rate=44100,volume=0.5,afade=t=in:st=0.4:d=0.1"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=64x48:duration=1", "-f", "lavfi", "-i", noise),
        *("-pix_fmt", "yuv420p", "-c:a", "pcm_s16le", path),
    )
    return path


@pytest.mark.parametrize(
    ("codec", "suffix", "is_copied"),
    [
        ("aac", ".mp4", True),
        ("aac", ".mov", True),
        ("aac", ".mkv", True),
        ("aac", ".avi", True),
        ("libmp3lame", ".mp4", True),
        ("libmp3lame", ".avi", True),
        ("libopus", ".mp4", True),
        ("libopus", ".mkv", True),
        ("libopus", ".mov", False),
        ("libopus", ".avi", False),
        ("libvorbis", ".mp4", False),
        ("pcm_s16le", ".mov", True),
        ("pcm_s16le", ".mp4", False),
        ("pcm_s16le", ".avi", True),
        ("flac", ".mkv", True),
        ("flac", ".avi", False),
    ],
)
def test_sound_is_copied_or_becomes_aac_and_stays_in_time(
    noisy: Path, tmp_path: Path, codec: str, suffix: str, is_copied: bool
) -> None:
    source, path = tmp_path / "source.mkv", tmp_path / f"result{suffix}"
    ffmpeg("-i", noisy, "-c:v", "copy", "-c:a", codec, source)
    losses = write_video(path, FRAMES, FORM, source)
    before, after = sound_packets(source), sound_packets(path)
    if is_copied:
        assert losses == []
        # A lead-in before time 0 cannot be hidden in mkv and avi; that of mp3 reaches a little over time 0.
        assert b"".join(before).endswith(b"".join(after))
        assert len(before) - len(after) <= (
            (codec, suffix) in {("aac", ".mkv"), ("aac", ".avi"), ("libmp3lame", ".avi")}
        )
    else:
        assert "became AAC" in losses[0]
        with av.open(str(path)) as container:
            assert container.streams.audio[0].codec_context.name == "aac"
    assert abs(delay_of(samples(path), samples(source))) < 0.03
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25


def test_all_tracks_come_along(make_clip: ClipMaker, tmp_path: Path) -> None:
    source = tmp_path / "two.mkv"
    clip = make_clip("loud.mp4", "-pix_fmt", "yuv420p", sound=True)
    ffmpeg("-i", clip, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", source)
    write_video(tmp_path / "result.mp4", FRAMES, FORM, source)
    with av.open(str(tmp_path / "result.mp4")) as container:
        assert len(container.streams.audio) == 2


def test_a_clip_that_starts_late_keeps_sound_and_frames_together(noisy: Path, tmp_path: Path) -> None:
    """A transport stream starts at 1.4 s."""
    source = tmp_path / "source.ts"
    ffmpeg("-i", noisy, "-c:v", "copy", "-c:a", "aac", source)
    write_video(tmp_path / "result.mp4", FRAMES, FORM, source)
    assert abs(delay_of(samples(tmp_path / "result.mp4"), samples(noisy))) < 0.05


def test_sound_that_is_cut_is_kept_as_far_as_it_goes(make_clip: ClipMaker, tmp_path: Path) -> None:
    whole = make_clip(
        "whole.mp4", "-pix_fmt", "yuv420p", "-movflags", "+faststart", seconds=4, sound=True, size="320x240"
    )
    source = tmp_path / "cut.mp4"
    source.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    write_video(tmp_path / "result.mp4", FRAMES, FORM, source)
    found = sound_packets(tmp_path / "result.mp4")
    assert 5 < len(found) < len(sound_packets(whole))


def test_no_sound(make_clip: ClipMaker, tmp_path: Path) -> None:
    write_video(tmp_path / "result.mp4", FRAMES, FORM, make_clip("plain.mp4"))
    with av.open(str(tmp_path / "result.mp4")) as container:
        assert len(container.streams.audio) == 0


@pytest.fixture(scope="module")
def rich(make_clip: ClipMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip with two languages, subtitles, chapters, and tags that are nobody's business."""
    folder = tmp_path_factory.mktemp("rich")
    (folder / "words.srt").write_text("1\n00:00:00,200 --> 00:00:00,600\nGood day\n", encoding="utf-8")
    chapter = "[CHAPTER]\nTIMEBASE=1/1000\nSTART={}\nEND={}\ntitle={}\n"
    tags = ";FFMETADATA1\nlocation=+52.5+13.4/\nartist=Somebody\ncomment=Taken by Somebody\n"
    tags += chapter.format(0, 400, "Beginning") + chapter.format(400, 1000, "End")
    (folder / "tags.txt").write_text(tags, encoding="utf-8")
    clip = make_clip("loud.mp4", "-pix_fmt", "yuv420p", sound=True)
    inputs = ["-i", clip, "-i", folder / "words.srt", "-i", folder / "tags.txt", "-map_metadata", "2"]
    maps = ["-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "1:s", "-c:v", "copy", "-c:a", "copy"]
    said = ["-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=jpn", "-metadata:s:s:0", "language=eng"]
    ffmpeg(*inputs, *maps, *said, "-c:s", "srt", folder / "rich.mkv")
    ffmpeg(*inputs, *maps, *said, "-c:s", "mov_text", folder / "rich.mp4")
    return folder


@pytest.mark.parametrize(
    ("source", "suffix", "has_words"),
    [("rich.mp4", ".mp4", True), ("rich.mp4", ".mov", True), ("rich.mkv", ".mkv", True), ("rich.mkv", ".mp4", False)],
)
def test_languages_subtitles_and_chapters_come_along_and_nothing_else(
    rich: Path, tmp_path: Path, source: str, suffix: str, has_words: bool
) -> None:
    path = tmp_path / f"result{suffix}"
    losses = write_video(path, FRAMES, FORM, rich / source)
    assert ["Subtitles" in loss for loss in losses] == ([] if has_words else [True])
    with av.open(str(path)) as container:
        assert [stream.metadata["language"] for stream in container.streams.audio] == ["ger", "jpn"]
        titles = [
            (chapter["metadata"]["title"], chapter["start"] * chapter["time_base"]) for chapter in container.chapters()
        ]
        assert titles == [("Beginning", 0), ("End", Fraction(2, 5))]
        assert len(container.streams.subtitles) == has_words
        told = " ".join(container.metadata.values())
        assert "Somebody" not in told
        assert "52.5" not in told
    assert b"Somebody" not in path.read_bytes()
    if has_words:
        words = ffmpeg("-i", path, "-map", "0:s", "-f", "srt", "-").decode()
        assert "00:00:00,200 --> 00:00:00,600" in words
        assert "Good day" in words


def test_an_avi_takes_neither(rich: Path, tmp_path: Path) -> None:
    losses = write_video(tmp_path / "result.avi", FRAMES, FORM, rich / "rich.mkv")
    assert "Subtitles" in losses[-1]


def test_a_packet_that_cannot_be_copied_is_left_out_and_no_more(make_clip: ClipMaker, tmp_path: Path) -> None:
    """One damaged head of AAC in a transport stream ended the whole result."""
    source = tmp_path / "damaged.ts"
    ffmpeg("-i", make_clip("loud.mp4", "-pix_fmt", "yuv420p", sound=True), "-c", "copy", source)
    content = bytearray(source.read_bytes())
    heads = [place for place in range(len(content) - 4) if content[place : place + 2] == b"\xff\xf1"]
    for head in heads[20:23]:
        content[head + 2] |= 0x3C  # a rate that does not exist
    source.write_bytes(bytes(content))
    for suffix in (".mp4", ".mkv"):
        path = tmp_path / f"result{suffix}"
        write_video(path, FRAMES, FORM, source)
        assert len(sound_packets(path)) >= 20


def test_a_file_of_sound_alone_gives_its_sound(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", tmp_path / "tones.mp4")
    assert write_video(tmp_path / "result.mp4", FRAMES, FORM, tmp_path / "tones.mp4") == []
    assert sound_packets(tmp_path / "result.mp4") == sound_packets(tmp_path / "tones.mp4")
