"""The stage cut-video: which frames, which sound, which marks."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.video.cut_video import parse_time, run
from dfl.video.marking import COMMENT, mark_result, read_marks
from dfl.video.options import CutVideoOptions
from dfl.video.read import read_frames
from dfl.video.read_clip import read_clip
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport
from tests.video.conftest import ClipMaker, ffmpeg, pictures, times

GOP = ("-pix_fmt", "yuv420p", "-g", "10", "-bf", "2")


@pytest.fixture
def clip(make_clip: ClipMaker, tmp_path: Path) -> Path:
    """75 frames in 3 s, a key frame every 10; silent for 2 s, then a tone."""
    source = make_clip("cut_source.mp4", *GOP, seconds=3, sound=True)
    path = tmp_path / "my clip.mp4"
    ffmpeg("-i", source, "-c:v", "copy", "-af", "volume=enable='lt(t,2)':volume=0", path)
    return path


def cut(workspace: Workspace, file: Path | str, report: RecordingReport, **given: Any) -> None:
    run(workspace, CutVideoOptions(file=Path(file), **given), report)


def onset(path: Path) -> float:
    """When the sound begins to be loud, in seconds from the video's start."""
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[0]):
            loud = np.abs(frame.to_ndarray()[0]) > 0.02
            if loud.any() and frame.pts is not None and frame.time_base is not None:
                return float(frame.pts * frame.time_base) + int(loud.argmax()) / frame.sample_rate
    raise AssertionError("all is silent")


def test_the_frames_and_the_sound_of_the_span(workspace: Workspace, clip: Path, report: RecordingReport) -> None:
    cut(workspace, clip, report, from_time="00:00:00.520", to_time="2.7")
    made = clip.with_name("my clip_cut.mp4")
    assert times(made) == [Fraction(number, 25) for number in range(55)]
    got, source = pictures(made).astype(int), pictures(clip)
    errors = {first: np.abs(got - source[first : first + 55]).mean() for first in (12, 13, 14)}
    assert min(errors, key=lambda first: errors[first]) == 13
    assert onset(made) == pytest.approx(2 - 0.52, abs=0.03)
    assert read_clip(made).length == pytest.approx(2.2, abs=0.05)


def test_copied_packets_are_the_same_pictures(workspace: Workspace, clip: Path, report: RecordingReport) -> None:
    cut(workspace, clip, report, from_time="1", to_time="2.2", copy_only=True)
    made = clip.with_name("my clip_cut.mp4")
    got, source = pictures(made), pictures(clip)
    assert np.array_equal(got[:35], source[20:55])
    assert 35 <= len(got) <= 38  # B-frames: those that they refer to come along
    assert times(made)[0] == 0
    assert onset(made) == pytest.approx(2 - 0.8, abs=0.03)
    assert "begins at the key frame at 0.800 s" in report.lines[0]


def test_rotation_and_tags_stay_when_copied(workspace: Workspace, clip: Path, report: RecordingReport) -> None:
    turned = clip.with_name("turned.mp4")
    ffmpeg("-display_rotation", "90", "-i", clip, "-c", "copy", "-metadata", "title=Holiday", turned)
    cut(workspace, turned, report, copy_only=True)
    made = read_clip(turned.with_name("turned_cut.mp4"))
    assert made.turn == read_clip(turned).turn
    assert made.turn.clockwise_degrees
    with av.open(str(made.path)) as container:
        assert container.metadata["title"] == "Holiday"
    cut(workspace, turned, report, from_time="2")
    upright = read_clip(turned.with_name("turned_cut_2.mp4"))
    assert (upright.width, upright.height) == (made.width, made.height)
    assert upright.turn.clockwise_degrees == 0


@pytest.mark.parametrize(("codec", "suffix"), [("libsvtav1", ".mp4"), ("libvpx-vp9", ".webm"), ("libx265", ".mov")])
def test_newer_kinds_of_video_are_copied_too(
    workspace: Workspace, clip: Path, report: RecordingReport, codec: str, suffix: str
) -> None:
    path = clip.with_name(f"newer{suffix}")
    tag = ("-tag:v", "hvc1") if codec == "libx265" else ()
    ffmpeg("-i", clip, "-an", "-t", "1", "-c:v", codec, "-g", "10", *tag, path)
    cut(workspace, path, report, from_time="0.5", copy_only=True)
    made = path.with_name(f"newer_cut{suffix}")
    assert np.array_equal(pictures(made), pictures(path)[10:])
    if tag:
        assert b"hvc1" in made.read_bytes()


def test_a_second_cut_keeps_the_first(workspace: Workspace, clip: Path, report: RecordingReport) -> None:
    cut(workspace, clip, report, to_time="1")
    first = clip.with_name("my clip_cut.mp4").read_bytes()
    cut(workspace, clip, report, from_time="1", copy_only=True)
    cut(workspace, clip, report, from_time="2")
    assert clip.with_name("my clip_cut.mp4").read_bytes() == first
    assert [len(times(clip.with_name(f"my clip_cut_{number}.mp4"))) for number in (2, 3)] == [55, 25]


def test_times_of_a_clip_with_gaps(
    workspace: Workspace, vfr_clip: Path, tmp_path: Path, report: RecordingReport
) -> None:
    path = tmp_path / "gaps.mp4"
    path.write_bytes(vfr_clip.read_bytes())
    cut(workspace, path, report, from_time="0.2")
    wanted = [frame.time for frame in read_frames(read_clip(path), pytest.fail) if frame.time >= Fraction(1, 5)]
    assert times(path.with_name("gaps_cut.mp4")) == [time - wanted[0] for time in wanted]


@pytest.mark.parametrize("name", ["cut.webm", "cut.avi", "cut.ts", "cut.gif"])
def test_other_kinds_of_files(
    workspace: Workspace, make_clip: ClipMaker, tmp_path: Path, report: RecordingReport, name: str
) -> None:
    codec = {"cut.webm": ("-c:v", "libvpx", "-b:v", "1M")}.get(name, () if name == "cut.gif" else GOP)
    path = tmp_path / name
    path.write_bytes(make_clip(name, *codec, seconds=2, sound=name != "cut.gif").read_bytes())
    cut(workspace, path, report, from_time="1")
    assert 24 <= len(times(path.with_name("cut_cut.mp4"))) <= 26
    cut(workspace, path, report, copy_only=True)
    assert len(times(path.with_name(f"cut_cut{path.suffix}"))) in (50, 51)


@pytest.mark.slow
@pytest.mark.parametrize(("transfer", "number"), [("arib-std-b67", 18), ("smpte2084", 16)])
def test_a_cut_of_hdr_stays_hdr(
    workspace: Workspace, tmp_path: Path, report: RecordingReport, transfer: str, number: int
) -> None:
    flat, path = tmp_path / "flat.mov", tmp_path / "phone.mov"
    light = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
    x265 = ("-c:v", "libx265", "-x265-params", f"log-level=none:keyint=10:{light}", "-tag:v", "hvc1")
    tagged = (
        f"gblur=sigma=2,format=yuv420p10le,setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}"
    )
    picture = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=30:d=2", "-vf", tagged)
    ffmpeg(*picture, *x265, flat)
    ffmpeg("-display_rotation", "90", "-i", flat, "-c", "copy", path)
    cut(workspace, path, report, from_time="0.5", to_time="1.5")
    made = read_clip(tmp_path / "phone_cut.mov")
    assert (made.width, made.height) == (64, 96)
    assert (made.matrix, made.primaries, made.transfer) == (9, 9, number)
    assert times(made.path) == [Fraction(frame, 30) for frame in range(30)]
    assert any("is HDR, and so is the new video" in line for line in report.lines)
    with av.open(str(made.path)) as container:
        frame: Any = next(container.decode(video=0))
        kinds = {part.type.name for part in frame.side_data}
        assert frame.format.name == "yuv420p10le"
    assert {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} <= kinds
    source = [one.picture for one in read_frames(read_clip(path), pytest.fail)][15:45]
    found = [one.picture for one in read_frames(made, pytest.fail)]
    assert np.abs(np.stack(found).astype(int) - np.stack(source)).mean() < 4


def test_marks_go_along(workspace: Workspace, clip: Path, report: RecordingReport) -> None:
    made = clip.with_name("result.mp4")
    ffmpeg("-i", clip, "-c", "copy", "-metadata", f"comment={COMMENT}", made)
    layers = mark_result(made).layers
    assert layers[:2] == ["tag", "XMP"]
    for copy_only in (False, True):
        cut(workspace, made, report, to_time="1", copy_only=copy_only)
        assert read_marks(made.with_name("result_cut.mp4")).layers == layers
    cut(workspace, clip, report, to_time="1")
    assert read_marks(clip.with_name("my clip_cut.mp4")).layers == []


def test_the_workspaces_clip_and_no_sound_track_of_that_number(
    workspace: Workspace, clip: Path, report: RecordingReport
) -> None:
    clip.rename(workspace.root / "data_dst.mp4")
    cut(workspace, "dst", report, to_time="0.4", audio_track=1)
    assert read_clip(workspace.root / "data_dst_cut.mp4").sound == ()
    assert "no 1" in report.warnings[0]
    assert workspace.clip("dst").name == "data_dst.mp4"


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"from_time": "later"}, "is no time"),
        ({"from_time": "2", "to_time": "1"}, "is not after"),
        ({"from_time": "2", "to_time": "2"}, "is not after"),
        ({"from_time": "100"}, "3.000 s long"),
    ],
)
def test_wrong_times_are_told(
    workspace: Workspace, clip: Path, report: RecordingReport, given: dict[str, str], what: str
) -> None:
    with pytest.raises(UserError, match=what):
        cut(workspace, clip, report, **given)
    assert not clip.with_name("my clip_cut.mp4").exists()


def test_times_in_all_forms() -> None:
    told = {"00:00:00.000": 0, "01:02:03.5": 3723.5, "2:03": 123, "83,25": 83.25, " 7 ": 7}
    assert {text: float(parse_time(text)) for text in told} == told


@given(st.text(max_size=50))
def test_any_text_is_a_time_or_told(text: str) -> None:
    with suppress(UserError):
        assert parse_time(text) >= 0
