"""What goes wrong beside the program: nothing that is finished is lost, the message names the file, and the same
command goes on. Kills are in test_merge.py and test_to_video.py.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.merging.merge import run_merge, run_merge_to_video
from dfl.merging.options import MergeOptions
from dfl.merging.running import video_source
from dfl.merging.running.merge_journal import MergeJournal
from dfl.merging.running.open_models import GivenModels
from dfl.merging.running.video_source import open_video_source
from dfl.video.encoders import coding_of
from dfl.video.options import EncodingOptions
from dfl.video.write import Shown, VideoForm, write_video
from dfl.workspace import Workspace
from tests.merging.conftest import FakeModel, add_face, face_at, make_clip, waves
from tests.merging.running.test_to_video import STEP, TICK, pictures
from tests.recording_report import RecordingReport

Clip = Callable[..., None]
Merged = Callable[..., Any]
DISK_KB = 24_000


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace on a disk of a few megabytes, whose free space is told wrongly: it fills up after that was asked."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = sys.platform == "linux" and shutil.which("mount")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k", "tmpfs", str(place)]
    if not mounted or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk of its own can be mounted here")
    usage = shutil.disk_usage
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2**40})())
    workspace = Workspace(place / "work")
    workspace.create()
    monkeypatch.setattr(fill, "usage", usage, raising=False)
    yield workspace
    subprocess.run(["umount", str(place)], check=True)


def fill(workspace: Workspace, left: int) -> Path:
    """Leave so many bytes on the disk; the file that takes the rest."""
    other = workspace.root.parent / "other"
    free = fill.usage(workspace.root).free  # type: ignore[attr-defined]
    other.write_bytes(b"x" * (free - left))
    return other


def merge(workspace: Workspace) -> RecordingReport:
    report = RecordingReport()
    run_merge(workspace, MergeOptions(), GivenModels(FakeModel()), report)
    return report


def merged_files(workspace: Workspace) -> dict[str, bytes]:
    found = list_pictures(workspace.merged) + list_pictures(workspace.merged_mask)
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in found}


@pytest.mark.slow
def test_on_a_full_disk_what_is_merged_stays_and_the_same_command_goes_on(
    small_disk: Workspace, workspace: Workspace
) -> None:
    for one in (small_disk, workspace):
        make_clip(one, 40)
    merge(workspace)
    wanted = merged_files(workspace)
    # Space for about half of the pictures.
    half = sum(len(content) for content in wanted.values()) // 2
    other = fill(small_disk, half)
    with pytest.raises(UserError, match=r"The disk is full: .*merge"):
        merge(small_disk)
    there = merged_files(small_disk)
    assert 5 < len(there) < len(wanted)
    assert all(wanted[name] == content for name, content in there.items()), "each is whole or not there"
    assert not list(small_disk.root.rglob("*.part-*"))
    other.unlink()
    report = merge(small_disk)
    assert "of 40 frames are merged already" in report.text
    assert merged_files(small_disk) == wanted


def test_a_journal_on_a_full_disk_says_so_and_knows_all_but_the_last_frame(small_disk: Workspace) -> None:
    path = small_disk.root / "merge.journal"
    look = {"faces": [], "mark": True}
    with MergeJournal(path) as journal:
        journal.add("00001", "source", look)
        other = fill(small_disk, 0)
        with pytest.raises(UserError, match=r"The disk is full: .*merge\.journal"):
            journal.add("00002", "s" * 10_000, look)
    assert MergeJournal(path).has("00001", "source", look)
    other.unlink()
    with MergeJournal(path) as journal:
        journal.add("99999", "source", look)
    assert MergeJournal(path).has("99999", "source", look)


def make_video_clip(workspace: Workspace, count: int) -> None:
    frames = [Shown(waves(number), STEP * (number - 1), STEP) for number in range(1, count + 1)]
    coding = coding_of(EncodingOptions(bitrate=8))
    write_video(workspace.root / "data_dst.mp4", frames, VideoForm(coding, TICK, 25))
    for number in range(1, count + 1):
        add_face(workspace, f"{number:05d}.png", face_at(60 + 3 * number, 90, 50))


def merge_to_video(workspace: Workspace) -> RecordingReport:
    report, options = RecordingReport(), MergeOptions(to_video=True, lossless=True, mark=False)
    source = open_video_source(workspace, options, report)
    run_merge_to_video(workspace, options, GivenModels(FakeModel()), report, source)
    return report


@pytest.mark.slow
def test_a_video_on_a_full_disk_keeps_its_whole_parts(
    small_disk: Workspace, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_source, "PART_FRAMES", 5)
    for one in (small_disk, workspace):
        make_video_clip(one, 30)
    merge_to_video(workspace)
    size = workspace.result(".mp4").stat().st_size
    other = fill(small_disk, size // 2)
    with pytest.raises(UserError, match="The disk is full"):
        merge_to_video(small_disk)
    folder = small_disk.frames("dst") / "merged_video"
    assert 0 < len(list(folder.glob("*.json"))) < 6
    assert not small_disk.result(".mp4").exists()
    other.unlink()
    report = merge_to_video(small_disk)
    assert "of 30 frames are merged already" in report.text
    assert np.array_equal(pictures(small_disk.result(".mp4")), pictures(workspace.result(".mp4")))
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-20]), id="cut off"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="a folder"),
        pytest.param(lambda path: path.write_bytes(b"GIF89a"), id="no picture"),
    ],
)
def test_a_frame_that_cannot_be_read_is_named_and_done_when_it_is_mended(
    workspace: Workspace, clip: Clip, merged: Merged, damage: Any
) -> None:
    clip(6)
    path = workspace.frames("dst") / "00004.png"
    whole = path.read_bytes()
    damage(path)
    report = merged()
    is_gone = path.is_dir()
    assert ("00004.png was not merged" in report.text) == (not is_gone)
    assert report.counts["swapped"] == 5
    assert "merged/00005.png" in merged_files(workspace)
    assert not (workspace.merged / "00004.png").exists()
    if is_gone:
        path.rmdir()
    path.write_bytes(whole)
    report = merged()
    # The smoothed frames beside it are made again, with what was missing.
    assert "1 of 6 frames are merged already" in report.text or "2 of 6" in report.text
    assert report.counts == {"frames": 6, "swapped": 6, "without_face": 0, "failed": 0}


@pytest.mark.slow
def test_a_frame_that_vanishes_while_it_runs_is_named(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(40)

    class Deleting(FakeModel):
        def predict(self, faces: Any) -> Any:
            (workspace.frames("dst") / "00039.png").unlink(missing_ok=True)
            return super().predict(faces)

    report = merged(Deleting(), workers=1)
    assert "00039.png was not merged" in report.text
    assert report.counts["swapped"] == 39


def test_an_aligned_picture_without_face_data_is_named_and_its_frame_stays(
    workspace: Workspace, clip: Clip, merged: Merged
) -> None:
    clip(4)
    path = workspace.aligned("dst") / "00002_0.jpg"
    content = path.read_bytes()
    start = content.index(b"\xff\xef")
    length = int.from_bytes(content[start + 2 : start + 4], "big")
    path.write_bytes(content[:start] + content[start + 2 + length :])
    report = merged()
    assert "1 pictures carry no face data and are left out: 00002_0.jpg" in report.text
    assert report.counts == {"frames": 4, "swapped": 3, "without_face": 1, "failed": 0}
    before, after = (read_picture(folder / "00002.png") for folder in (workspace.frames("dst"), workspace.merged))
    assert np.array_equal(before, after)


@pytest.mark.slow
def test_a_failing_thread_loses_its_frame_alone(
    workspace: Workspace, clip: Clip, merged: Merged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the original an error kills its worker; when all are gone the merge waits for ever."""
    from dfl.merging.running.frame_processor import FrameProcessor

    clip(30)
    blend = FrameProcessor.blend

    def failing(self: Any, frame: Any, around: Any) -> Any:
        if frame.cropped.task.index % 3 == 0:
            raise MemoryError("no memory for this frame")
        return blend(self, frame, around)

    with monkeypatch.context() as patch:
        patch.setattr(FrameProcessor, "blend", failing)
        report = merged(workers=2)
    assert "00001.png was not merged: MemoryError: no memory" in report.text
    assert report.counts["failed"] == 10
    report = merged(workers=2)
    assert "20 of 30 frames are merged already" in report.text
    assert report.counts["failed"] == 0
