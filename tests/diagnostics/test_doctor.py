"""The doctor on a whole installation, and on broken ones: packages that are missing, fail or end the process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.diagnostics import packages
from dfl.diagnostics.doctor import examine, in_words, run
from dfl.diagnostics.findings import Finding, run_probe
from dfl.diagnostics.options import DoctorOptions
from dfl.workspace import Workspace

PACKAGE = Path(packages.__file__).resolve().parents[2]


def doctor(broken: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m dfl doctor`, with what lies in `broken` found before the installed packages."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(broken), str(PACKAGE)])}
    command = [sys.executable, "-P", "-m", "dfl", "doctor", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_it_tells_what_is_there(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "data_src.mp4").write_bytes(b"1")
    for name in ("00001_0.jpg", "00002_0.jpg"):
        (workspace.aligned("src") / name).write_bytes(b"1")
    (workspace.model / "new_SAEHD").mkdir()
    run(workspace, DoctorOptions(), Report())
    said = capsys.readouterr().out
    assert "data_src.mp4: 0 frames, 2 faces" in said
    assert "models: new_SAEHD" in said
    assert "No data_dst video" in said
    assert f"numpy {packages.installed('numpy')}" in said
    assert "libx264" in said
    assert "could not be checked" not in said


@pytest.mark.slow
def test_a_damaged_clip_is_not_followed_by_nothing_is_wrong(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.root / "data_src.mp4").write_bytes(b"")
    run(workspace, DoctorOptions(), Report())
    said = capsys.readouterr().out
    assert "Clips: Copy or download it again" in said
    assert "Nothing is wrong" not in said
    assert "dfl can work; see the lines under `Advice`." in said


def test_what_must_be_mended_ends_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    (tmp_path / "dlib.py").write_text("import os; os._exit(139)")
    done = doctor(tmp_path, "--workspace", str(tmp_path / "none yet"))
    assert done.returncode == 2
    assert "cv2: ImportError libGL.so.1" in done.stdout
    assert "opencv-python-headless<5" in done.stdout
    assert "dlib: the process ended with code 139" in done.stdout
    assert "2 things must be mended" in done.stderr
    assert "Workspace" in done.stdout  # the looks after the broken ones were made


@pytest.mark.slow
@pytest.mark.parametrize("package", ["click", "pydantic", "rich", "psutil", "platformdirs", "imageio_ffmpeg", "numpy"])
def test_it_runs_without_any_one_package(tmp_path: Path, package: str) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError('broken on purpose')")
    done = doctor(tmp_path)
    assert "Traceback" not in done.stderr
    assert "broken on purpose" in done.stdout + done.stderr
    assert "Graphics" in done.stdout


def test_other_stages_point_to_the_doctor_when_the_command_line_is_broken(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ImportError('broken on purpose')")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(PACKAGE)])}
    command = [sys.executable, "-P", "-m", "dfl", "train"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "dfl doctor" in done.stderr


@pytest.mark.slow
def test_an_av_that_cannot_write_results_must_be_mended_and_a_missing_ffmpeg_program_not(tmp_path: Path) -> None:
    (tmp_path / "av.py").write_text("class codec:\n    def Codec(name, mode):\n        raise ValueError(name)")
    (tmp_path / "imageio_ffmpeg.py").write_text("def get_ffmpeg_exe(): return '/no/such/ffmpeg'")
    done = doctor(tmp_path)
    assert done.returncode == 2
    assert "av (PyAV) writes nothing that is asked for; wanted libx264" in done.stdout
    assert "ffmpeg program does not run" in done.stdout
    assert "1 thing must be mended" in done.stderr


def test_a_missing_package_and_a_wrong_version_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"numpy": "1.26.4", "opencv-python": "5.0.0.93", "opencv-python-headless": "4.11.0.86"}
    monkeypatch.setattr(packages, "installed", lambda name: there.get(name, ""))
    wrong = [finding for finding in packages.versions() if finding.must]
    assert any(finding.text.startswith("numpy 1.26.4 does not fit") for finding in wrong)
    assert any(finding.text.startswith("missing: ") and "dlib-bin, " in finding.text for finding in wrong)
    opencv = list(packages.opencv())
    assert "opencv-python and opencv-python-headless overwrite each other" in opencv[0].text
    assert "opencv-python 5.0.0.93 computes other pixels" in opencv[1].text
    assert all(finding.must for finding in opencv)


@pytest.mark.slow
def test_a_card_that_the_engine_does_not_use_brings_advice_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA GeForce RTX 4090'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    findings = examine(Workspace(tmp_path), start_engine=False)
    (graphics,) = [finding for finding in findings if finding.topic == "Graphics"]
    assert "RTX 4090, not used by tensorflow" in graphics.text
    assert "gpu" in graphics.todo
    assert not graphics.must


def test_a_failing_look_is_a_finding_and_keeps_what_was_found_before() -> None:
    def probe() -> Iterator[Finding]:
        yield Finding("Disk", "100 GB")
        raise OSError("the drive\nis gone")

    assert run_probe("Disk", probe) == [
        Finding("Disk", "100 GB"),
        Finding("Disk", "could not be checked: OSError: the drive is gone"),
    ]


def test_words_tell_first_what_must_be_done() -> None:
    said = list(in_words([Finding("A", "a", "do a"), Finding("B", "b", "do b", must=True), Finding("C", "c")]))
    assert said[1:] == [
        "A          a",
        "B          b",
        "C          c",
        "To mend:",
        "  B: b. do b",
        "Advice:",
        "  A: do a",
    ]


@pytest.mark.slow
def test_exit_code_is_told_in_the_error(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "opencv", lambda: iter([Finding("OpenCV", "two", "keep one", must=True)]))
    with pytest.raises(UserError, match="1 thing must be mended"):
        run(workspace, DoctorOptions(), Report())
