"""From clips with odd times to results: every frame at its time, and every beep within 25 ms, in every container."""

import json
import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dfl.video import cut_video, extract_frames, make_video
from dfl.video.facts import ClipFacts, read_facts
from dfl.video.options import CutVideoOptions, ExtractFramesOptions, MakeVideoOptions
from dfl.video.plan import read_clip_plan
from dfl.video.read import decode
from dfl.video.segments import read_segment, segments
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport
from tests.video.conftest import ffmpeg
from tests.video.numbered import beeps, make_numbered, shown

FORMATS = ("mp4", "mov", "mkv", "avi")
KINDS = ("anew.ts", "overlap.ts", "hour.ts", "late.mp4", "gap.mkv", "mute_first.ts", "other_sound.ts", "hls.ts")
# The number of the frame that is shown when each beep sounds; what a cut beep at a join may add is left out.
SECONDS = {
    "anew.ts": [0, 25, 0, 25],
    "overlap.ts": [0, 25, 0, 25],
    "hour.ts": [0, 25, 0, 25],
    "late.mp4": [18, 43, 68, 93],
    "gap.mkv": [0, 25, 75],
    "mute_first.ts": [0, 25],
    "other_sound.ts": [0, 25, 0, 25],
    "hls.ts": [0, 25, 50, 75],
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clips of KINDS."""
    folder = tmp_path_factory.mktemp("clips")
    short, whole = make_numbered(folder / "short.mp4", 50), make_numbered(folder / "whole.mp4", 100)
    long = make_numbered(folder / "long.mp4", 50, seconds=2.09)

    def as_ts(source: Path, offset: float, *arguments: str) -> bytes:
        part = folder / "part.ts"
        ffmpeg("-i", source, *(arguments or ("-c", "copy")), "-output_ts_offset", str(offset), part)
        return part.read_bytes()

    first = as_ts(short, 0)
    (folder / "anew.ts").write_bytes(first * 2)
    (folder / "overlap.ts").write_bytes(as_ts(long, 0) + as_ts(short, 2))
    (folder / "hour.ts").write_bytes(first + as_ts(short, 3600))
    (folder / "mute_first.ts").write_bytes(as_ts(short, 0, "-c", "copy", "-an") + first)
    (folder / "other_sound.ts").write_bytes(
        first + as_ts(short, 0, "-c:v", "copy", "-c:a", "aac", "-ac", "1", "-ar", "44100")
    )
    sound = folder / "whole.wav"
    ffmpeg(
        "-i", whole, "-itsoffset", "0.7", "-i", sound, "-map", "0:v", "-map", "1:a", "-c:v", "copy", folder / "late.mp4"
    )
    ffmpeg("-i", whole, "-c:v", "copy", "-af", "aselect='not(between(t,1.5,2.5))'", folder / "gap.mkv")
    hls = ("-c:v", "libx264", "-g", "25", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0")
    ffmpeg("-i", whole, *hls, "-hls_segment_filename", folder / "hls%d.ts", folder / "hls.m3u8")
    parts = sorted(folder.glob("hls[0-9].ts"))
    assert len(parts) == 4
    (folder / "hls.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    return folder


def extracted(workspace: Workspace, clip: Path, report: RecordingReport, **options: Any) -> ClipFacts:
    """Take the frames of a clip out and call them merged; its facts."""
    shutil.copy(clip, workspace.root / f"data_dst{clip.suffix}")
    extract_frames.run(workspace, ExtractFramesOptions(side="dst", **options), report)
    shutil.copytree(workspace.frames("dst"), workspace.merged)
    facts = read_facts(workspace.clip_facts("dst"))
    assert facts
    return facts


def made(workspace: Workspace, report: RecordingReport, suffix: str) -> tuple[list[tuple[int, float]], list[float]]:
    """The result's frames (number, seconds) and beeps (seconds)."""
    make_video.run(workspace, MakeVideoOptions(format=suffix, mask=False, mark=False, crf=12), report)
    path = workspace.result(f".{suffix}")
    return shown(path), beeps(path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_frames_and_sound_are_together_in_every_container(
    clips: Path, workspace: Workspace, report: RecordingReport, kind: str
) -> None:
    facts = extracted(workspace, clips / kind, report)
    expected = [float(ticks * facts.time_base) for ticks in facts.times]
    assert len(expected) == 100
    assert all(abs(later - earlier - 0.04) < 0.002 for earlier, later in pairwise(expected))
    numbers = [number for number, _ in shown(clips / kind)] if kind in ("late.mp4", "gap.mkv", "hls.ts") else None
    for suffix in FORMATS:
        frames, heard = made(workspace, report, suffix)
        assert [number for number, _ in frames] == (numbers or [*range(50), *range(50)]), suffix
        assert all(abs(time - wanted) <= 0.041 for (_, time), wanted in zip(frames, expected, strict=True)), suffix
        # By the times that the frames should have: an avi's first frame is read at 0, whatever it is.
        begins = [
            expected[place] for place, (number, _) in enumerate(frames) if number in SECONDS[kind] and number % 25 == 0
        ]
        if kind == "late.mp4":
            begins = [0.7 + second for second in range(4)]
        if kind == "gap.mkv":
            begins = [0.0, 1.0, 3.0]
        if kind == "mute_first.ts":
            begins = begins[2:]
        assert len(heard) == len(begins), (suffix, heard, begins)
        assert all(abs(beep - begin) <= 0.025 for beep, begin in zip(heard, begins, strict=True)), (
            suffix,
            heard,
            begins,
        )


@pytest.mark.parametrize("options", [{}, {"copy_only": True}])
def test_a_cut_over_a_join_has_all_frames_and_their_sound(
    clips: Path, tmp_path: Path, report: RecordingReport, options: dict[str, Any]
) -> None:
    path = tmp_path / "joined.ts"
    shutil.copy(clips / "anew.ts", path)
    cut_video.run(Workspace(tmp_path), CutVideoOptions(file=path, bitrate=5, **options), report)
    (cut,) = tmp_path.glob("joined_cut*")
    frames, heard = shown(cut), beeps(cut)
    assert [number for number, _ in frames] == [*range(50), *range(50)]
    begins = [time for number, time in frames if number in (0, 25)]
    assert all(abs(beep - begin) <= 0.025 for beep, begin in zip(heard, begins, strict=True))
    assert all(later[1] - earlier[1] < 0.045 for earlier, later in pairwise(frames))


def test_the_pause_is_kept_when_asked_for(clips: Path, workspace: Workspace, report: RecordingReport) -> None:
    facts = extracted(workspace, clips / "hour.ts", report, gaps="keep")
    assert facts.source.gaps == "keep"
    frames, heard = made(workspace, report, "mkv")
    assert frames[-1][1] > 3599
    assert abs(heard[2] - frames[50][1]) < 0.025
    assert any("no pictures for" in text for text in report.warnings)


def old_facts(workspace: Workspace, facts: ClipFacts) -> None:
    """Write clip.json as the version before did: the second recording's frames one tick apart."""
    times = facts.times[:50] + [facts.times[49] + 1 + number for number in range(50)]
    changed = json.loads(facts.model_dump_json()) | {"times": times, "end": times[-1] + 3600}
    del changed["has_mended_times"], changed["source"]["gaps"], changed["source"]["video_stream"]
    workspace.clip_facts("dst").write_text(json.dumps(changed), encoding="utf-8")


def test_frames_of_an_earlier_version_get_their_right_times(
    clips: Path, workspace: Workspace, report: RecordingReport
) -> None:
    facts = extracted(workspace, clips / "anew.ts", report)
    old_facts(workspace, facts)
    frames, heard = made(workspace, report, "mp4")
    assert any("are of an earlier version" in text for text in report.warnings)
    assert all(later[1] - earlier[1] > 0.039 for earlier, later in pairwise(frames))
    assert len(heard) == 4
    extract_frames.run(workspace, ExtractFramesOptions(side="dst"), report)
    assert report.counts == {"frames": 100, "written": 0}
    assert read_facts(workspace.clip_facts("dst")) == facts


def test_frames_that_an_earlier_version_chose_by_wrong_times_are_taken_again(
    clips: Path, workspace: Workspace, report: RecordingReport
) -> None:
    facts = extracted(workspace, clips / "anew.ts", report, fps=5)
    changed = json.loads(facts.model_dump_json())
    del changed["has_mended_times"]
    workspace.clip_facts("dst").write_text(json.dumps(changed), encoding="utf-8")
    extract_frames.run(workspace, ExtractFramesOptions(side="dst", fps=5), report)
    assert report.counts == {"frames": 20, "written": 20}


def test_other_gaps_change_times_and_no_picture(clips: Path, workspace: Workspace, report: RecordingReport) -> None:
    extracted(workspace, clips / "hour.ts", report)
    extract_frames.run(workspace, ExtractFramesOptions(side="dst", gaps="keep"), report)
    assert report.counts == {"frames": 100, "written": 0}
    facts = read_facts(workspace.clip_facts("dst"))
    assert facts
    assert (facts.times[-1] - facts.times[0]) * facts.time_base > 3599


@pytest.mark.parametrize("kind", ["anew.ts", "hour.ts"])
def test_without_pictures_all_frames_are_seen_too(
    clips: Path, workspace: Workspace, report: RecordingReport, kind: str
) -> None:
    """extract-faces and merge --to-video read the clip itself: the first in parts, the second by the plan's times."""
    shutil.copy(clips / kind, workspace.root / "data_dst.ts")
    clip, plan = read_clip_plan(workspace, report)
    assert [frame.duration * plan.time_base for frame in plan.frames[:-1]] == [Fraction(1, 25)] * 99
    assert [frame.ticks for frame in decode(clip, pytest.fail)] == [frame.ticks for frame in plan.frames]
    parts = segments(clip)
    assert sum(part.frames for part in parts) == 100
    assert sum(1 for part in parts for _ in read_segment(clip, part, pytest.fail)) == 100
    assert plan.sound_cut.reading == clip.reading
    assert report.lines[0].startswith("data_dst.ts: 192 x 64")


def test_subtitles_of_joined_recordings_follow_their_pictures(
    clips: Path, tmp_path: Path, workspace: Workspace, report: RecordingReport
) -> None:
    words, part = tmp_path / "words.srt", tmp_path / "part.mkv"
    words.write_text("1\n00:00:01,000 --> 00:00:01,500\nGood day\n", encoding="utf-8")
    ffmpeg("-i", clips / "short.mp4", "-i", words, "-map", "0", "-map", "1", "-c", "copy", "-c:s", "srt", part)
    path = tmp_path / "joined.mkv"
    path.write_bytes(part.read_bytes() * 2)
    extracted(workspace, path, report)
    frames, _ = made(workspace, report, "mkv")
    assert [number for number, _ in frames] == [*range(50), *range(50)]
    told = ffmpeg("-i", workspace.result(".mkv"), "-map", "0:s", "-f", "srt", "-").decode()
    assert "00:00:01,000 --> 00:00:01,500" in told
    assert "00:00:03,000 --> 00:00:03,500" in told
