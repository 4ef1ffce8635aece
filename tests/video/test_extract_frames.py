"""The stage extract-frames, as a user meets it."""

import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture, write_picture
from dfl.video.extract_frames import run
from dfl.video.facts import ClipFacts, read_facts
from dfl.video.options import ExtractFramesOptions
from dfl.workspace import Workspace
from tests.recorded import SHARED
from tests.recording_report import RecordingReport
from tests.video.conftest import ClipMaker, pictures, times

# Dies as by kill -9 when it is about to write the seventh picture.
KILLED = """
import os, signal, sys
from pathlib import Path
from dfl.base.report import Report
from dfl.video import extract_frames
from dfl.video.options import ExtractFramesOptions
from dfl.workspace import Workspace
written, write = [], extract_frames.write_bytes
def dying(path, content, durable):
    written.append(path)
    if len(written) == 7:
        path.with_name(path.stem + ".part-0000dead" + path.suffix).write_bytes(content[:50])
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    write(path, content, durable=durable)
extract_frames.write_bytes = dying
extract_frames.run(Workspace(Path(sys.argv[1])), ExtractFramesOptions(side="dst"), Report())
"""


def put(workspace: Workspace, side: str, clip: Path) -> Path:
    """Put a clip into the workspace; a clip that was there goes."""
    for path in workspace.root.glob(f"data_{side}.*"):
        path.unlink()
    return Path(shutil.copy(clip, workspace.root / f"data_{side}{clip.suffix}"))


def extract(workspace: Workspace, report: RecordingReport, **options: Any) -> ClipFacts:
    run(workspace, ExtractFramesOptions(**{"side": "dst"} | options), report)
    facts = read_facts(workspace.clip_facts("dst"))
    assert facts
    return facts


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in list_pictures(folder)}


def test_every_frame_once_with_its_time(workspace: Workspace, vfr_clip: Path, report: RecordingReport) -> None:
    put(workspace, "dst", vfr_clip)
    facts = extract(workspace, report)
    paths = list_pictures(workspace.frames("dst"))
    assert [path.name for path in paths] == facts.frame_names() == [f"{number:05d}.png" for number in range(1, 21)]
    found = np.stack([read_picture(path) for path in paths]).astype(int)
    assert np.abs(found - pictures(vfr_clip)).max() <= 1
    assert [ticks * facts.time_base for ticks in facts.times] == times(vfr_clip)
    assert facts.end * facts.time_base == 1
    assert report.counts == {"frames": 20, "written": 20}
    assert report.warnings == []


def test_jpg_and_the_other_side(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    clip = make_clip("plain.mp4")
    put(workspace, "src", clip)
    run(workspace, ExtractFramesOptions(side="src", format="jpg"), report)
    paths = list_pictures(workspace.frames("src"))
    assert {path.suffix for path in paths} == {".jpg"}
    found = np.stack([read_picture(path) for path in paths]).astype(int)
    assert np.abs(found - pictures(clip)).mean() < 12  # a test card of 64 x 48 is the worst there is for JPEG


@pytest.mark.parametrize(
    ("fps", "count", "first"),
    [(5, 5, [0, 5, 10]), (12.5, 13, [0, 2, 4]), (10, 10, [0, 2, 5]), (25, 25, [0, 1, 2]), (24.9, 25, [0, 1, 2])],
)
def test_a_lower_rate_leaves_frames_out_by_time(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, fps: float, count: int, first: list[int]
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    facts = extract(workspace, report, fps=fps)
    seconds = [ticks * facts.time_base for ticks in facts.times]
    assert len(seconds) == len(list_pictures(workspace.frames("dst"))) == count
    assert seconds[:3] == [Fraction(number, 25) for number in first]
    assert facts.end * facts.time_base == 1
    assert report.warnings == []


def test_rounded_time_stamps_lose_no_frame(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    put(workspace, "dst", make_clip("rounded.mkv", "-pix_fmt", "yuv420p", rate="30000/1001", seconds=2))
    assert len(extract(workspace, report, fps=29.97).times) == 60


def test_a_rate_above_the_clips_repeats_nothing(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    assert len(extract(workspace, report, fps=60).times) == 25
    assert "has 25 frames a second, not 60" in report.warnings[0]


def test_a_second_run_changes_nothing(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    extract(workspace, report)
    stamps = [path.stat().st_mtime_ns for path in list_pictures(workspace.frames("dst"))]
    extract(workspace, report)
    assert [path.stat().st_mtime_ns for path in list_pictures(workspace.frames("dst"))] == stamps
    assert report.lines[-1] == "All 25 frames of data_dst.mp4 are there already."


def test_killed_and_started_again_it_gives_the_same_files(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    folder = workspace.frames("dst")
    died = subprocess.run([sys.executable, "-c", KILLED, str(workspace.root)], capture_output=True, check=False)
    assert died.returncode != 0, died.stderr
    there = content(folder)
    assert 1 <= len(there) < 25
    assert not workspace.clip_facts("dst").exists()
    path = folder / min(there)
    stamp = path.stat().st_mtime_ns
    facts = extract(workspace, report)
    assert path.stat().st_mtime_ns == stamp, "what was there is kept"
    assert report.counts["written"] == 25 - len(there)
    after = content(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*after, "aligned", "clip.json"])
    shutil.rmtree(folder)
    assert extract(workspace, report) == facts
    assert content(folder) == after


def test_a_picture_that_lost_its_end_is_made_again(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    """A power cut can leave a name without content."""
    put(workspace, "dst", make_clip("plain.mp4"))
    extract(workspace, report)
    before = content(workspace.frames("dst"))
    (workspace.frames("dst") / "00003.png").write_bytes(b"")
    (workspace.frames("dst") / "00004.png").write_bytes(before["00004.png"][:-20])
    (workspace.frames("dst") / "00005.png").unlink()
    extract(workspace, report)
    assert content(workspace.frames("dst")) == before
    assert report.counts["written"] == 3


def test_another_clip_replaces_the_frames_and_no_more(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    extract(workspace, report)
    kept, merged = workspace.aligned("dst") / "00001_0.jpg", workspace.merged / "00001.png"
    for path in (kept, merged):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"of the user")
    short = make_clip("short.mp4", "-pix_fmt", "yuv420p", size="96x80", seconds=0.4)
    put(workspace, "dst", short)
    extract(workspace, report)
    paths = list_pictures(workspace.frames("dst"))
    assert len(paths) == 10
    assert read_picture(paths[0]).shape == (80, 96, 3)
    assert "another clip (data_dst.mp4)" in report.warnings[0]
    assert "faces of the old frames" in report.warnings[1]
    assert "merged of the old frames" in report.warnings[2]
    assert kept.read_bytes() == b"of the user"


def test_merged_frames_of_another_clip_do_not_become_the_result(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    extract(workspace, report)
    workspace.merged.mkdir()
    (workspace.merged / "00001.png").write_bytes(b"of the old clip")
    extract(workspace, report, format="jpg")  # the same frames
    assert (workspace.merged / "00001.png").is_file()
    put(workspace, "dst", make_clip("short.mp4", "-pix_fmt", "yuv420p", size="96x80", seconds=0.4))
    extract(workspace, report)
    assert not workspace.merged.exists()
    aside = workspace.frames("dst") / "merged_before_1" / "merged" / "00001.png"
    assert aside.read_bytes() == b"of the old clip"
    assert str(aside.parents[1]) in report.warnings[-1]


def test_other_options_replace_the_frames(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    extract(workspace, report)
    extract(workspace, report, format="jpg", fps=5)
    assert [path.name for path in list_pictures(workspace.frames("dst"))] == [f"0000{n}.jpg" for n in range(1, 6)]
    assert "other options" in report.warnings[0]


def test_a_renamed_clip_is_the_same_clip(workspace: Workspace, make_clip: ClipMaker, report: RecordingReport) -> None:
    path = put(workspace, "dst", make_clip("plain.mp4"))
    extract(workspace, report)
    path.rename(path.with_suffix(".m4v"))
    extract(workspace, report)
    assert report.warnings == []
    assert "there already" in report.lines[-1]


def test_pictures_of_the_user_are_never_touched(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    picture = workspace.frames("dst") / "00001.png"
    picture.write_bytes(b"of the user")
    with pytest.raises(UserError, match="holds 1 pictures that were not taken") as caught:
        extract(workspace, report)
    assert "extract-faces dst" in caught.value.todo
    assert picture.read_bytes() == b"of the user"


def test_pictures_instead_of_a_clip_are_the_frames(workspace: Workspace, report: RecordingReport) -> None:
    (workspace.frames("src") / "photo.jpg").write_bytes(b"of the user")
    run(workspace, ExtractFramesOptions(side="src"), report)
    assert "the 1 pictures" in report.lines[0]
    with pytest.raises(UserError, match="No data_dst video"):
        run(workspace, ExtractFramesOptions(side="dst"), report)


def test_a_full_disk_is_told_before_the_work(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match="25 frames needs about"):
        extract(workspace, report)
    assert list_pictures(workspace.frames("dst")) == []


def test_long_clips_get_longer_names(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names must sort in the order of the clip: 100000.png comes before 10001.png."""
    put(workspace, "dst", make_clip("tiny.mp4", "-pix_fmt", "yuv420p", size="32x32", seconds=0.2))
    monkeypatch.setattr("dfl.video.clip.Clip.expected_frames", 123_456)
    extract(workspace, report)
    assert [path.name for path in list_pictures(workspace.frames("dst"))][:2] == ["000001.png", "000002.png"]


def test_pictures_wider_than_the_encoder_takes_are_said_at_once(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    clip = make_clip("wide_strip.avi", "-c:v", "ffv1", size="16400x32", seconds=0.08)
    put(workspace, "dst", clip)
    extract(workspace, report)
    assert [text for text in report.warnings if "larger than libx264 takes" in text] == [
        "Frames of 16400 x 32 are larger than libx264 takes: make the result with --encoder libx265 --format mp4 or "
        "--encoder prores --format mov or --encoder ffv1 --format mkv."
    ]
    workspace.clip("dst").unlink()
    report.warnings.clear()
    run(workspace, ExtractFramesOptions(side="dst"), report)  # now they are the user's own pictures
    assert len(report.warnings) == 1


def test_notes_with_the_clips_name_do_not_hide_the_users_pictures(
    workspace: Workspace, report: RecordingReport
) -> None:
    (workspace.frames("src") / "a.png").write_bytes(b"x")
    for suffix in (".srt", ".wav", ".json"):
        (workspace.root / f"data_src{suffix}").write_bytes(b"x")
    run(workspace, ExtractFramesOptions(side="src"), report)
    assert report.counts["frames"] == 1


@pytest.mark.parametrize("name", ["stream.h264", "live.webm"])
def test_clips_that_do_not_tell_their_length(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport, name: str
) -> None:
    live = () if name.endswith("h264") else ("-c:v", "libvpx", "-live", "1")
    put(workspace, "dst", make_clip(name, "-pix_fmt", "yuv420p", *live))
    assert len(extract(workspace, report).times) == 25


def hard_table() -> dict[str, tuple[int, int] | None]:
    """Frames to be found in each hard clip, from the table of the data's own README; None: it is refused."""
    path = SHARED / "hard" / "README.md"
    rows = [line.split("|") for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    table: dict[str, tuple[int, int] | None] = {}
    for row in rows:
        if len(row) > 7 and "." in row[1]:
            counts = [int(word) for word in row[6].split() if word.isdigit()]
            table[row[1].strip()] = (counts[0], counts[-1]) if counts and counts[0] else None
    return table


@pytest.mark.slow
@pytest.mark.parametrize("name", list(hard_table()) or ["no table"])
def test_hard_clips(shared: Path, workspace: Workspace, report: RecordingReport, name: str) -> None:
    clip, expected = shared / "hard" / name, hard_table()[name]
    (workspace.root / f"data_dst{clip.suffix}").write_bytes(clip.read_bytes())
    if expected is None:
        with pytest.raises(UserError, match=f"data_dst{clip.suffix}"):
            extract(workspace, report, format="jpg")
        return
    facts = extract(workspace, report, format="jpg")
    paths = list_pictures(workspace.frames("dst"))
    assert expected[0] <= len(paths) == len(facts.times) <= expected[1]
    assert read_picture(paths[-1]).shape == (facts.height, facts.width, 3)
    assert read_picture(paths[0]).std() > 5, "something is to be seen"


@pytest.mark.parametrize(("is_text", "code"), [(False, 0), (True, 2)])
def test_exit_codes_of_the_command(workspace: Workspace, make_clip: ClipMaker, is_text: bool, code: int) -> None:
    path = put(workspace, "dst", make_clip("plain.mp4"))
    if is_text:
        path.write_text("no video")
    command = ["-m", "dfl", "extract-frames", "dst", "--workspace", str(workspace.root), "--yes", "--progress", "json"]
    done = subprocess.run([sys.executable, *command], capture_output=True, check=False)
    assert done.returncode == code
    assert b"Traceback" not in done.stdout + done.stderr
    if code == 0:
        last = json.loads(done.stdout.splitlines()[-1])
        assert last["counts"] == {"frames": 25, "written": 25}


def test_a_refusal_because_of_a_users_picture_has_deleted_no_frame(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    extract(workspace, report)
    (workspace.frames("dst") / "holiday.png").write_bytes(b"of the user")
    before = content(workspace.frames("dst"))
    with pytest.raises(UserError, match="no frames: holiday"):
        extract(workspace, report, format="jpg", fps=5)
    assert content(workspace.frames("dst")) == before


def test_frames_that_somebody_painted_in_are_not_deleted(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    extract(workspace, report)
    folder = workspace.frames("dst")
    painted = np.zeros((48, 64, 3), np.uint8)
    write_picture(folder / "00003.png", painted)
    later = workspace.clip_facts("dst").stat().st_mtime_ns + 60_000_000_000
    os.utime(folder / "00003.png", ns=(later, later))
    extract(workspace, report, fps=5)
    assert [path.name for path in list_pictures(folder)] == [f"{number:05d}.png" for number in range(1, 6)]
    aside = folder / "frames_before_1"
    assert [path.name for path in list_pictures(aside)] == ["00003.png"]
    assert np.array_equal(read_picture(aside / "00003.png"), painted)
    assert str(aside) in " ".join(report.warnings)


def test_a_picture_that_was_added_behind_the_last_frame_is_not_deleted(
    workspace: Workspace, make_clip: ClipMaker, report: RecordingReport
) -> None:
    put(workspace, "dst", make_clip("plain.mp4"))
    extract(workspace, report)
    folder = workspace.frames("dst")
    write_picture(folder / "00026.png", np.zeros((48, 64, 3), np.uint8))
    (folder / "00001.png").unlink()
    extract(workspace, report)
    assert len(list_pictures(folder)) == 25
    assert [path.name for path in list_pictures(folder / "frames_before_1")] == ["00026.png"]
