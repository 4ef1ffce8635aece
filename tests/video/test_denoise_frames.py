"""The stage denoise-frames: less noise, and no frame lost."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, read_picture, write_picture
from dfl.video.denoise import denoised
from dfl.video.denoise_frames import run
from dfl.video.options import DenoiseFramesOptions
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport

COUNT = 8


def clean(size: tuple[int, int] = (96, 128)) -> Picture:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.stack([rows * 2, columns, 255 - rows - columns // 2], axis=2).astype(np.uint8)


def noisy(seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, 6, (96, 128, 3))
    return np.clip(clean() + noise, 0, 255).astype(np.uint8)


def error(picture: NDArray[Any]) -> float:
    return float(np.abs(picture.astype(int) - clean()).mean())


@pytest.fixture
def frames(workspace: Workspace) -> Path:
    """Eight noisy frames of one picture, of mixed kinds."""
    folder = workspace.frames("dst")
    for number in range(1, COUNT + 1):
        write_picture(folder / f"{number:05d}{'.jpg' if number == 3 else '.png'}", noisy(number), 100)
    return folder


def denoise(workspace: Workspace, report: RecordingReport, **given: Any) -> None:
    run(workspace, DenoiseFramesOptions(side="dst", **given), report)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".png", ".jpg")}


def test_noise_goes_and_the_frames_before_are_kept(workspace: Workspace, frames: Path, report: RecordingReport) -> None:
    before = content(frames)
    denoise(workspace, report)
    after = content(frames)
    assert after.keys() == before.keys()
    assert all(error(read_picture(frames / name)) < 0.8 * error(noisy(int(name[:5]))) for name in after)
    assert content(frames / "frames_before_denoise") == before
    assert sorted(path.name for path in frames.iterdir() if path.is_dir()) == ["aligned", "frames_before_denoise"]
    assert report.counts == {"frames": COUNT, "failed": 0}


def test_a_second_run_does_nothing_and_another_factor_begins_with_the_first_frames(
    workspace: Workspace, frames: Path, report: RecordingReport
) -> None:
    before = content(frames)
    denoise(workspace, report)
    seven = content(frames)
    denoise(workspace, report)
    assert "denoised already" in report.lines[-1]
    assert content(frames) == seven
    denoise(workspace, report, factor=20)
    assert content(frames) != seven
    denoise(workspace, report, factor=7)
    assert content(frames) == seven
    assert content(frames / "frames_before_denoise") == before


def test_without_the_frames_before(workspace: Workspace, frames: Path, report: RecordingReport) -> None:
    denoise(workspace, report, keep=False)
    assert not (frames / "frames_before_denoise").exists()
    denoise(workspace, report, keep=False, factor=3)
    assert "were not kept" in report.warnings[0]


def test_new_frames_among_denoised_ones(workspace: Workspace, frames: Path, report: RecordingReport) -> None:
    denoise(workspace, report)
    kept = content(frames / "frames_before_denoise")
    write_picture(frames / "00002.png", noisy(99))
    denoise(workspace, report)
    assert content(frames / "frames_before_denoise") == kept
    assert np.array_equal(read_picture(frames / "frames_before_denoise_2" / "00002.png"), noisy(99))
    assert error(read_picture(frames / "00002.png")) < 0.7 * error(noisy(99))


def test_damaged_frames_and_other_sizes(workspace: Workspace, frames: Path, report: RecordingReport) -> None:
    (frames / "00005.png").write_bytes(b"no picture")
    write_picture(frames / "00006.png", clean((64, 64)))
    denoise(workspace, report)
    assert (frames / "00005.png").read_bytes() == b"no picture"
    assert "00005.png" in report.warnings[0]
    assert report.counts == {"frames": COUNT - 1, "failed": 1}
    assert read_picture(frames / "00006.png").shape == (64, 64, 3)
    assert error(read_picture(frames / "00008.png")) < 0.7 * error(noisy(8))


def test_foreign_files_in_the_work_folder_end_nothing(
    workspace: Workspace, frames: Path, report: RecordingReport
) -> None:
    work = frames / "frames_denoising"
    (work / "mine").mkdir(parents=True)
    (work / ".DS_Store").write_bytes(b"x")
    denoise(workspace, report)
    assert report.counts == {"frames": COUNT, "failed": 0}
    assert (frames / "frames_denoising_before_1" / "mine").is_dir()
    denoise(workspace, report, factor=9)
    assert report.counts == {"frames": COUNT, "failed": 0}


def test_no_frames_are_told(workspace: Workspace, report: RecordingReport) -> None:
    with pytest.raises(UserError, match="no frames"):
        denoise(workspace, report)


KILLED = """
import os, sys
from pathlib import Path
from dfl.base.report import Report
from dfl.video.denoise_frames import run
from dfl.video.options import DenoiseFramesOptions
from dfl.workspace import Workspace
left = int(sys.argv[2])
def kill(event, arguments):
    global left
    if event == "os.rename" and "denois" in str(arguments[0]) + str(arguments[1]):
        if left == 0: os.kill(os.getpid(), 9)
        left -= 1
sys.addaudithook(kill)
run(Workspace(Path(sys.argv[1])), DenoiseFramesOptions(side="dst"), Report())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills with a signal")
@pytest.mark.parametrize("renames", [1, 4, COUNT + 2, COUNT + 3, COUNT + 8, 3 * COUNT + 2])
def test_a_kill_loses_no_frame(workspace: Workspace, frames: Path, report: RecordingReport, renames: int) -> None:
    before = content(frames)
    done = subprocess.run([sys.executable, "-c", KILLED, workspace.root, str(renames)], check=False)
    assert done.returncode == -signal.SIGKILL
    denoise(workspace, report)
    killed = content(frames)
    assert content(frames / "frames_before_denoise") == before
    assert not (frames / "frames_denoising").exists()
    pictures = [cv2.imdecode(np.frombuffer(before[name], np.uint8), 1) for name in sorted(before)]
    wanted = list(denoised(iter(pictures), 7))
    for name, picture in zip(sorted(killed), wanted, strict=True):
        if name.endswith(".png"):
            assert np.array_equal(read_picture(frames / name), picture), name


def test_a_hostile_journal_moves_nothing(workspace: Workspace, frames: Path, report: RecordingReport) -> None:
    work = frames / "frames_denoising"
    work.mkdir()
    (frames / "clip.json").write_text("{}")
    (work / "denoise.json").write_text('{"exchange": {"../clip.json": true}, "before": "..", "factor": 7}')
    with pytest.raises(UserError, match="damaged"):
        denoise(workspace, report)
    assert (frames / "clip.json").exists()


def test_files_in_the_work_folder_that_are_somebodys_are_kept(
    workspace: Workspace, frames: Path, report: RecordingReport
) -> None:
    work = frames / "frames_denoising"
    (work / "my folder").mkdir(parents=True)
    for name in ("00001.png", "notes.txt", "my folder/a.txt"):
        (work / name).write_bytes(b"mine")
    denoise(workspace, report)
    aside = frames / "frames_denoising_before_1"
    assert all((aside / name).read_bytes() == b"mine" for name in ("00001.png", "notes.txt", "my folder/a.txt"))
    assert str(aside) in report.warnings[0]
    assert error(read_picture(frames / "00001.png")) < error(noisy(1)), "it is no frame that was denoised before"
    assert not work.exists()


def test_frames_of_kinds_that_are_not_written_stay_and_are_named(
    workspace: Workspace, frames: Path, report: RecordingReport
) -> None:
    from PIL import Image

    Image.fromarray(clean()).save(frames / "00009.tga")
    before = (frames / "00009.tga").read_bytes()
    denoise(workspace, report)
    assert report.counts == {"frames": COUNT, "failed": 0}
    assert "00009.tga" in report.warnings[0]
    assert (frames / "00009.tga").read_bytes() == before
