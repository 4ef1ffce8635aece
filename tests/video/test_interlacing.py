"""Interlaced clips: recognised, made whole at the same numbers and times, and the same for every stage."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.video.clip import Clip, Reading
from dfl.video.cut_video import run as cut_video
from dfl.video.extract_frames import run
from dfl.video.facts import ClipFacts, read_facts
from dfl.video.interlacing import Fields
from dfl.video.options import CutVideoOptions, ExtractFramesOptions
from dfl.video.read import read_frames
from dfl.video.read_clip import read_clip
from dfl.video.segments import read_segment, segments
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport
from tests.video.conftest import ClipMaker, ffmpeg, pictures
from tests.video.numbered import make_numbered, number_of, shown

TOP, BOTTOM = "interlace=scan=tff:lowpass=off", "interlace=scan=bff:lowpass=off"
FILM = "telecine=pattern=23"
X264 = ("-c:v", "libx264", "-crf", "12", "-g", "60", "-pix_fmt", "yuv420p", "-x264-params")
MPEG2 = ("-c:v", "mpeg2video", "-b:v", "8M", "-flags", "+ildct+ilme", "-g", "12")
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def moving(make_clip: ClipMaker) -> Make:
    """Something that moves at 50 moments a second, filtered and coded: `moving("a.mp4", filter, "-c:v", ...)`."""

    def make(
        name: str, filters: str, *coding: str, rate: str = "50", size: str = "192x128", seconds: float = 3
    ) -> Path:
        return make_clip(f"moving_{name}", "-vf", filters, *coding, size=size, rate=rate, seconds=seconds)

    return make


@pytest.mark.parametrize(
    ("name", "filters", "coding", "fields"),
    [
        ("top.ts", TOP, MPEG2, "tff"),
        ("top.mp4", TOP, (*X264, "tff=1"), "tff"),
        ("bottom.mkv", BOTTOM, (*X264, "bff=1"), "bff"),
        ("bottom.dv", f"scale=720:576,{BOTTOM},setfield=bff", ("-c:v", "dvvideo", "-pix_fmt", "yuv420p"), "bff"),
        ("deep.mov", TOP, ("-c:v", "prores_ks", "-flags", "+ildct"), "tff"),
        # coded as if it were not interlaced
        ("untold.mp4", f"{TOP},setfield=prog", (*X264, "keyint=60"), "tff"),
        (
            "untold.webm",
            f"{BOTTOM},setfield=prog",
            ("-c:v", "libvpx", "-b:v", "4M", "-deadline", "realtime", "-cpu-used", "8"),
            "bff",
        ),
        # nothing moves: what the file says counts
        ("still.mp4", f"loop=-1:1,trim=duration=3,{TOP}", (*X264, "tff=1"), "flagged"),
    ],
)
def test_interlaced_clips_are_recognised(
    moving: Make, name: str, filters: str, coding: tuple[str, ...], fields: Fields
) -> None:
    clip = read_clip(moving(name, filters, *coding))
    assert clip.fields == fields
    assert clip.rate == 25


@pytest.mark.parametrize("rate", ["24000/1001", "24"])
@pytest.mark.parametrize("coding", [MPEG2, (*X264, "keyint=60")])
def test_telecine_is_recognised(moving: Make, rate: str, coding: tuple[str, ...]) -> None:
    name = f"film{rate.replace('/', '_')}{coding[1]}.mkv"
    clip = read_clip(moving(name, FILM, *coding, rate=rate, seconds=4))
    assert clip.fields == "film-tff"
    assert clip.rate == Fraction(rate) * 5 / 4


@pytest.mark.slow
def test_whole_frames_are_left_alone(make_clip: ClipMaker) -> None:
    for size, rate in (("64x48", "25"), ("720x576", "25"), ("320x240", "30000/1001"), ("640x360", "12")):
        assert read_clip(make_clip(f"whole_{size}.mp4", *X264, "bf=2", size=size, rate=rate, seconds=3)).fields == ""
    told = make_clip("told.mp4", "-vf", "setfield=tff", *X264, "tff=1", size="320x240", seconds=3)
    clip = read_clip(told)
    assert (clip.is_interlaced, clip.fields) == (True, "")


@pytest.mark.slow
def test_recorded_clips_are_left_alone(shared: Path) -> None:
    for path in sorted((shared / "data" / "hard").glob("*.m*")):
        try:
            found = read_clip(path).fields
        except Exception:  # noqa: BLE001 - some of them are no clips
            continue
        assert found == "", path


def extract(workspace: Workspace, clip: Path, report: RecordingReport, **options: Any) -> ClipFacts:
    target = workspace.root / f"data_dst{clip.suffix}"
    if not target.exists():
        target.write_bytes(clip.read_bytes())
    run(workspace, ExtractFramesOptions(**{"side": "dst"} | options), report)
    facts = read_facts(workspace.clip_facts("dst"))
    assert facts
    return facts


def frames_of(workspace: Workspace) -> NDArray[np.uint8]:
    return np.stack([read_picture(path) for path in list_pictures(workspace.frames("dst"))])


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """100 numbered frames, 50 a second, as 50 interlaced ones with a beep at every second."""
    source = make_numbered(tmp_path / "source.mkv", 100, "-c:v", "ffv1", "-c:a", "pcm_s16le")
    ffmpeg("-i", source, "-vf", f"setpts=N/50/TB,fps=50,{TOP}", "-an", *MPEG2, tmp_path / "numbered.ts")
    return tmp_path / "numbered.ts"


def test_each_frame_shows_one_moment_at_its_own_number_and_time(
    workspace: Workspace, numbered: Path, report: RecordingReport
) -> None:
    facts = extract(workspace, numbered, report)
    assert facts.source.fields == "flagged"  # the lowest bit of its numbers always shows a comb
    assert [number_of(picture) // 2 for picture in frames_of(workspace)] == list(range(50))
    assert any("is interlaced: its frames are deinterlaced" in line for line in report.lines)
    off = read_clip(workspace.clip("dst"), Reading(deinterlace="off"))
    times = [frame.time for frame in read_frames(off, pytest.fail)]
    assert [ticks * facts.time_base for ticks in facts.times] == times
    assert {later - time for time, later in pairwise(times)} == {Fraction(1, 25)}


def test_the_pictures_are_those_of_one_moment(workspace: Workspace, moving: Make, report: RecordingReport) -> None:
    soft, coding = "gblur=sigma=2,scroll=horizontal=0.03", ("-c:v", "ffv1", "-pix_fmt", "yuv420p")
    whole = pictures(moving("whole.mkv", soft, *coding))[::2].astype(int)
    clip = moving("halves.mkv", f"{soft},{TOP}", *coding, "-flags", "+ildct")
    extract(workspace, clip, report)
    made = np.abs(frames_of(workspace) - whole).mean()
    combed = np.abs(pictures(clip) - whole).mean()
    assert made < combed / 3


def test_film_is_put_together_again(workspace: Workspace, tmp_path: Path, report: RecordingReport) -> None:
    source = make_numbered(tmp_path / "film.mkv", 96, "-c:v", "ffv1", "-c:a", "pcm_s16le")
    path = tmp_path / "film.ts"
    ffmpeg("-i", source, "-vf", f"setpts=N/24/TB,fps=24,{FILM}", "-an", *MPEG2, path)
    facts = extract(workspace, path, report)
    assert facts.source.fields == "film-tff"
    found = frames_of(workspace)
    numbers = [number_of(picture) for picture in found]
    assert len(numbers) == 120
    assert numbers[2:-2] == sorted(numbers[2:-2])
    assert set(range(2, 94)) <= set(numbers)
    whole = pictures(source)[numbers[2:-2]]
    assert np.abs(found[2:-2].astype(int) - whole).mean() < 3


@pytest.mark.slow
def test_every_reader_of_the_clip_sees_the_frames_that_were_taken_out(
    workspace: Workspace, moving: Make, report: RecordingReport
) -> None:
    for name, filters, rate in (("parts.ts", TOP, "50"), ("film_parts.ts", FILM, "24")):
        for path in workspace.root.glob("data_dst*.ts"):
            path.unlink()
        facts = extract(workspace, moving(name, filters, *MPEG2, rate=rate, seconds=6), report)
        clip: Clip = read_clip(workspace.clip("dst"), facts.source.reading)
        taken = frames_of(workspace)
        parts = segments(clip)
        assert len(parts) > 2
        assert np.array_equal(np.stack([frame.picture for frame in read_frames(clip, pytest.fail)]), taken)
        read = [frame for part in parts for frame in read_segment(clip, part, pytest.fail)]
        assert [frame.ticks for frame in read] == facts.times
        assert np.array_equal(np.stack([frame.picture for frame in read]), taken)


def test_frames_that_were_taken_without_stay_so_until_asked(
    workspace: Workspace, numbered: Path, report: RecordingReport
) -> None:
    assert extract(workspace, numbered, report, deinterlace="off").source.fields == ""
    assert any("is interlaced, and its frames are left so" in text for text in report.warnings)
    combed = frames_of(workspace)
    report.warnings.clear()
    assert extract(workspace, numbered, report).source.fields == ""
    assert any("--deinterlace on takes them again" in text for text in report.warnings)
    assert np.array_equal(frames_of(workspace), combed)
    assert extract(workspace, numbered, report, deinterlace="on").source.fields == "flagged"
    assert not np.array_equal(frames_of(workspace), combed)
    assert extract(workspace, numbered, report).source.fields == "flagged"
    assert report.counts == {"frames": 50}, "nothing was taken again"


def test_a_cut_of_an_interlaced_clip_is_made_whole(
    workspace: Workspace, numbered: Path, report: RecordingReport
) -> None:
    cut_video(workspace, CutVideoOptions(file=numbered, from_time="0.4", to_time="1.2"), report)
    assert [number // 2 for number, _ in shown(numbered.with_name("numbered_cut.mp4"))] == list(range(10, 30))


def test_a_size_change_on_the_way(workspace: Workspace, moving: Make, tmp_path: Path) -> None:
    path = tmp_path / "both.ts"
    parts = [moving("small.ts", TOP, *MPEG2, seconds=1), moving("large.ts", TOP, *MPEG2, seconds=1, size="256x144")]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = read_clip(path)
    assert clip.fields == "tff"
    as_coded = read_clip(path, Reading(deinterlace="off"))
    times = [frame.time for frame in read_frames(as_coded, pytest.fail)]
    assert [frame.time for frame in read_frames(clip, pytest.fail)] == times
