"""A clip decoded in parts gives the very frames that it gives in one go."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from dfl.base.errors import UserError
from dfl.video import segments as module
from dfl.video.read import read_frames
from dfl.video.read_clip import read_clip
from dfl.video.segments import ClipSegment, read_segment, segments
from tests.video.conftest import ClipMaker, ffmpeg

NOISE = ("-vf", "noise=alls=20:allf=t,format=yuv420p")
OPEN = "open-gop=1:bframes=3:b-adapt=0:keyint=20"
CUTTABLE = {
    "parts_closed.mp4": (*NOISE, "-g", "20"),
    "parts_open.ts": (*NOISE, "-c:v", "libx264", "-x264-params", f"{OPEN}:b-pyramid=normal:ref=4"),
    "parts_open.mkv": (*NOISE, "-c:v", "libx264", "-x264-params", OPEN),
    "parts_open_hevc.mp4": (*NOISE, "-c:v", "libx265", "-x265-params", f"{OPEN}:log-level=error"),
    "parts_open.mpg": (*NOISE, "-c:v", "mpeg2video", "-g", "12", "-bf", "2"),
    "parts_hidden.webm": (
        *NOISE,
        "-c:v",
        "libvpx",
        "-g",
        "20",
        "-auto-alt-ref",
        "1",
        "-lag-in-frames",
        "16",
        "-b:v",
        "1M",
    ),
    "parts_no_index.flv": (*NOISE, "-c:v", "libx264", "-g", "20"),
    "parts_gaps.mp4": ("-vf", r"select=not(between(mod(n\,10)\,3\,4)),format=yuv420p", "-fps_mode", "vfr", "-g", "20"),
}
WHOLE = {
    "parts_raw.h264": (*NOISE, "-g", "20"),  # no time stamps
    "parts_no_display_times.avi": (*NOISE, "-c:v", "libx264", "-g", "20"),
    "parts_refresh.mkv": (*NOISE, "-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=20"),  # no frame forgets
    "parts_anim.gif": (),  # each frame is drawn over the one before
}


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 12 frames, so that short clips have some."""
    monkeypatch.setattr(module, "SEGMENT_FRAMES", 12)


def check(path: Path) -> list[ClipSegment]:
    """Compare times and pixels; the parts."""
    clip = read_clip(path)
    warnings: list[str] = []
    whole = [
        (f.time / clip.time_base, hashlib.md5(f.picture.tobytes()).digest()) for f in read_frames(clip, warnings.append)
    ]
    parts = [pickle.loads(pickle.dumps(part)) for part in segments(clip)]
    told: list[str] = []
    found = [
        (frame.ticks, hashlib.md5(frame.picture.tobytes()).digest())
        for part in parts
        for frame in read_segment(clip, part, told.append)
    ]
    assert [ticks for ticks, _ in found] == [ticks for ticks, _ in whole]
    assert found == whole
    assert bool(told) == bool(warnings)
    return parts


@pytest.mark.parametrize("name", CUTTABLE)
def test_all_parts_are_the_clip(make_clip: ClipMaker, name: str) -> None:
    path = make_clip(name, *CUTTABLE[name], seconds=3)
    parts = check(path)
    assert len(parts) >= 3
    assert sum(part.frames for part in parts) == (59 if name == "parts_gaps.mp4" else 75)


@pytest.mark.parametrize("name", WHOLE)
def test_one_part_where_cuts_are_not_safe(make_clip: ClipMaker, name: str) -> None:
    assert len(check(make_clip(name, *WHOLE[name], seconds=2))) == 1


def test_edit_lists_and_late_starts(make_clip: ClipMaker, tmp_path: Path) -> None:
    source = make_clip("parts_closed.mp4", *CUTTABLE["parts_closed.mp4"], seconds=3)
    for name, arguments in {"edit.mp4": ("-ss", "0.7"), "late.mp4": ("-itsoffset", "0.5")}.items():
        ffmpeg(*arguments, "-i", source, "-c", "copy", tmp_path / name)
        assert len(check(tmp_path / name)) >= 2


def test_a_file_that_was_cut(make_clip: ClipMaker, tmp_path: Path) -> None:
    front = make_clip("parts_front.mp4", *CUTTABLE["parts_closed.mp4"], "-movflags", "+faststart", seconds=3)
    for source in (front, make_clip("parts_open.ts", *CUTTABLE["parts_open.ts"], seconds=3)):
        path = tmp_path / f"cut{source.suffix}"
        path.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
        check(path)


@pytest.mark.slow
def test_turned_deep_and_hdr_clips(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_FRAMES", 8)
    names = ("many_people.mp4", "scene_cuts.mp4", "rot90_meta.mp4", "hevc_10bit.mp4", "vfr.mp4", "vp9_opus.webm")
    parts = {name: len(check(shared / "hard" / name)) for name in names}
    assert parts["scene_cuts.mp4"] == 4
    assert parts["many_people.mp4"] == 3


def test_a_file_that_changed_meanwhile(make_clip: ClipMaker) -> None:
    clip = read_clip(make_clip("parts_closed.mp4", *CUTTABLE["parts_closed.mp4"], seconds=3))
    with pytest.raises(UserError, match="not as it was"):
        list(read_segment(clip, ClipSegment(1, 1, None, 20), pytest.fail))


def test_the_script(make_clip: ClipMaker) -> None:
    script = Path(__file__).parents[2] / "tools" / "check_segments.py"
    path = make_clip("parts_closed.mp4", *CUTTABLE["parts_closed.mp4"], seconds=3)
    done = subprocess.run([sys.executable, script, path], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("parts, 75 frames, 0 differ\n")
