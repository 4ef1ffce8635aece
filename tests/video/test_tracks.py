"""What tracks are besides their content: titles, flags, timecode, channels, fonts; in results and in cuts."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dfl.video.cut_video import run
from dfl.video.encoders import coding_of
from dfl.video.options import CutVideoOptions, EncodingOptions
from dfl.video.write import Shown, VideoForm, write_video
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport
from tests.video.conftest import ffmpeg

FORM = VideoForm(coding_of(EncodingOptions(bitrate=1)), Fraction(1, 25), Fraction(25))
FRAMES = [Shown(np.full((48, 64, 3), 2 * number, np.uint8), number, 1) for number in range(75)]
Flag = av.stream.Disposition
WORDS = "1\n00:00:00,200 --> 00:00:01,500\nHello\n\n2\n00:00:02,000 --> 00:00:02,800\nWorld\n"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """film.mkv, film.mp4 and film.mov of 3 s: two sound and two subtitle tracks with titles and flags, timecode."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "words.srt").write_text(WORDS, encoding="utf-8")
    (folder / "font.ttf").write_bytes(b"letters" * 20)
    (folder / "tags.txt").write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1600\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1600\nEND=3000\ntitle=Two\n",
        encoding="utf-8",
    )
    inputs: list[str | Path] = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=3", "-f", "lavfi", "-i", "sine=d=3"]
    inputs += ["-i", folder / "words.srt", "-i", folder / "tags.txt", "-map_metadata", "3"]
    maps = [part for source in ("0:v", "1:a", "1:a", "2", "2") for part in ("-map", source)]
    maps += ["-c:a", "aac", "-pix_fmt", "yuv420p", "-g", "25", "-bf", "0"]
    told = ["-metadata:s:a:0", "title=Original", "-metadata:s:a:1", "title=The director speaks"]
    told += ["-metadata:s:s:1", "title=Signs", "-metadata:s:a:1", "language=eng", "-disposition:a:0", "0"]
    told += ["-disposition:a:1", "default+comment", "-disposition:s:0", "forced"]
    told += ["-disposition:s:1", "default+hearing_impaired", "-timecode", "10:00:00:00"]
    attached = ["-attach", folder / "font.ttf", "-metadata:s:t", "mimetype=font/ttf"]
    ffmpeg(*inputs, *maps, "-c:s", "ass", *told, *attached, folder / "film.mkv")
    for suffix in (".mp4", ".mov"):
        ffmpeg(*inputs, *maps, "-c:s", "mov_text", *told, folder / f"film{suffix}")
    return folder


def tracks(path: Path) -> list[tuple[str, str, Flag]]:
    """Kind, title and flags of every sound and subtitle track."""
    with av.open(str(path)) as container:
        return [
            (stream.type, stream.metadata.get("title") or stream.metadata.get("name", ""), Flag(stream.disposition))
            for stream in (*container.streams.audio, *container.streams.subtitles)
        ]


def timecode(path: Path) -> str:
    with av.open(str(path)) as container:
        places = (container.metadata, *(stream.metadata for stream in container.streams))
        found = [text for tags in places for name, text in tags.items() if name.lower() == "timecode"]
        return found[0] if found else ""


TITLES = [("audio", "Original"), ("audio", "The director speaks"), ("subtitle", ""), ("subtitle", "Signs")]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_titles_flags_timecode_and_fonts_come_along(films: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    losses = write_video(path, FRAMES, FORM, films / f"film{suffix}")
    found = tracks(path)
    assert [entry[:2] for entry in found] == TITLES
    default = [bool(entry[2] & Flag.default) for entry in found]
    assert default == [False, True, False, True]
    assert timecode(path) == "10:00:00:00"
    if suffix != ".mov":  # which ffmpeg writes without other flags
        assert found[1][2] & Flag.comment
        assert found[2][2] & Flag.forced
        assert found[3][2] & Flag.hearing_impaired
    assert losses == []
    if suffix == ".mkv":
        with av.open(str(path)) as container:
            assert [bytes(font.data) for font in container.streams.attachments] == [b"letters" * 20]


def test_what_a_container_cannot_keep_is_said(films: Path, tmp_path: Path) -> None:
    avi = "\n".join(write_video(tmp_path / "result.avi", FRAMES, FORM, films / "film.mkv"))
    assert "default, commentary" in avi
    assert "timecode of film.mkv (10:00:00:00) is not in .avi" in avi
    mov = "\n".join(write_video(tmp_path / "result.mov", FRAMES, FORM, films / "film.mkv"))
    assert "commentary" in mov
    assert "default" not in mov


def cut(workspace: Workspace, file: Path, report: RecordingReport, **options: Any) -> Path:
    run(workspace, CutVideoOptions(file=file, **options), report)
    return file.with_stem(f"{file.stem}_cut")


@pytest.mark.parametrize("copy_only", [False, True])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_cut_keeps_all_tracks_subtitles_chapters_and_timecode(
    workspace: Workspace, films: Path, tmp_path: Path, report: RecordingReport, suffix: str, copy_only: bool
) -> None:
    source = tmp_path / f"film{suffix}"
    source.write_bytes((films / source.name).read_bytes())
    made = cut(workspace, source, report, from_time="1", to_time="2.4", copy_only=copy_only)
    assert [entry[:2] for entry in tracks(made)] == TITLES
    assert timecode(made) == "10:00:01:00"
    words = ffmpeg("-i", made, "-map", "0:s:0", "-f", "srt", "-").decode()
    assert "00:00:00,000 --> 00:00:00,500" in words  # the rest of the first
    assert "00:00:01,000 --> 00:00:01,400" in words
    with av.open(str(made)) as container:
        spans = [(one["start"] * one["time_base"], one["end"] * one["time_base"]) for one in container.chapters()]
        assert [(float(start), float(end)) for start, end in spans] == [(0, 0.6), (0.6, 1.4)]
        ends = [float(packet.pts * packet.time_base) for packet in container.demux(audio=1) if packet.size]
    assert 1.3 < max(ends) < 1.45


def test_a_cut_of_one_sound_track(workspace: Workspace, films: Path, tmp_path: Path, report: RecordingReport) -> None:
    source = tmp_path / "film.mkv"
    source.write_bytes((films / "film.mkv").read_bytes())
    found = tracks(cut(workspace, source, report, audio_track=1))
    assert [entry[1] for entry in found if entry[0] == "audio"] == ["The director speaks"]


@pytest.mark.parametrize(
    ("layout", "codec", "source", "channels"),
    [
        ("3.0", "pcm_s16le", ".mkv", 3),  # there it only tells how many
        ("2.1", "pcm_s16le", ".mov", 3),
        ("4.0", "pcm_s16le", ".mkv", 4),
        ("quad", "libvorbis", ".mkv", 4),
        ("5.0", "pcm_s24le", ".mov", 5),
        ("6.1", "libvorbis", ".mkv", 7),
    ],
)
def test_every_channel_is_kept_where_sound_is_coded_anew(
    tmp_path: Path, layout: str, codec: str, source: str, channels: int
) -> None:
    tones = [300 + 200 * number for number in range(channels)]
    inputs = [part for tone in tones for part in ("-f", "lavfi", "-i", f"sine=f={tone}:r=48000:d=1")]
    joined = (
        "".join(f"[{number}:a]" for number in range(channels)) + f"join=inputs={channels}:channel_layout={layout}[a]"
    )
    video = ("-f", "lavfi", "-i", "testsrc2=s=64x48:d=1")
    path, result = tmp_path / f"source{source}", tmp_path / "result.mp4"
    maps = ("-filter_complex", joined, "-map", f"{channels}:v", "-map", "[a]", "-c:a", codec, "-pix_fmt", "yuv420p")
    ffmpeg(*inputs, *video, *maps, path)
    losses = write_video(result, FRAMES[:25], FORM, path)
    assert "became AAC" in losses[0]
    with av.open(str(result)) as container:
        stream = container.streams.audio[0]
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1)
    loudest = [int(np.abs(np.fft.rfft(one[4000:28000])).argmax()) * 2 for one in sound]
    is_low = [tone - found > 100 for tone, found in zip(sorted(tones), sorted(loudest), strict=True)]
    assert sum(is_low) <= (layout == "6.1"), loudest  # the channel of low tones of 6.1


def test_what_is_left_of_very_many_channels_is_said(tmp_path: Path) -> None:
    inputs = [part for number in range(12) for part in ("-f", "lavfi", "-i", f"sine=f={300 + 100 * number}:d=1")]
    maps = ("-filter_complex", "".join(f"[{number}:a]" for number in range(12)) + "amerge=inputs=12[a]", "-map", "12:v")
    video = ("-f", "lavfi", "-i", "testsrc2=s=64x48:d=1")
    ffmpeg(*inputs, *video, *maps, "-map", "[a]", "-c:a", "pcm_s16le", "-pix_fmt", "yuv420p", tmp_path / "many.mov")
    losses = write_video(tmp_path / "result.mp4", FRAMES[:25], FORM, tmp_path / "many.mov")
    assert "Of its 12 channels stereo is left" in losses[0]
