"""The stage resize, stopped and started again."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from dfl.base.errors import UserError
from dfl.base.files import write_json
from dfl.base.report import Report
from dfl.faceset.aligned_face import read_face, write_face
from dfl.faceset.faceset import list_faceset
from dfl.faceset.trash import restore
from dfl.faceset_tools.options import ResizeOptions
from dfl.faceset_tools.resize import run
from dfl.workspace import Workspace
from tests.faceset.made_faces import write_faces
from tests.recording_report import RecordingReport


def options(**given: Any) -> ResizeOptions:
    return ResizeOptions(side="src", **{"size": 128, "workers": 1} | given)


def sizes(folder: Path) -> list[int]:
    return [face.shape[0] for face in list_faceset(folder)]


def test_new_pictures_replace_the_old_ones_which_are_kept(workspace: Workspace) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 3)
    run(workspace, options(face_type="f"), Report())
    assert sizes(aligned) == [128] * 3
    assert read_face(aligned / "00002_0.jpg").metadata.face_type.letter == "f"
    assert sizes(workspace.aligned_trash("src")) == [200] * 3
    assert not aligned.with_name("aligned_resized").exists()


def test_without_merge_they_lie_beside_and_a_second_run_takes_them_over(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    aligned, beside = workspace.aligned("src"), workspace.aligned("src").with_name("aligned_resized")
    write_faces(aligned, 3)
    run(workspace, options(merge=False), Report())
    assert (sizes(aligned), sizes(beside)) == ([200] * 3, [128] * 3)
    made = {path.name: path.stat().st_ino for path in beside.glob("*.jpg")}
    write_faces(aligned, 1)  # one original is another one now
    os.utime(aligned / "00001_0.jpg", (1, 1))
    (aligned / "00003_0.jpg").unlink()
    run(workspace, options(), Report())
    now = {path.name: path.stat().st_ino for path in aligned.glob("*.jpg")}
    assert now.keys() == {"00001_0.jpg", "00002_0.jpg"}
    assert now["00002_0.jpg"] == made["00002_0.jpg"]
    assert now["00001_0.jpg"] != made["00001_0.jpg"]


def test_faces_that_become_wider_than_they_show_are_told(workspace: Workspace) -> None:
    write_faces(workspace.aligned("src"), 2)
    report = RecordingReport()
    run(workspace, options(face_type="head"), report)
    assert report.warnings[0].startswith(
        "2 of 2 faces show less of the head than head: the rest becomes black, and training"
    )
    run(workspace, options(face_type="h"), report)
    assert len(report.warnings) == 1


def test_results_of_other_settings_are_kept_aside(workspace: Workspace) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 2)
    run(workspace, options(merge=False), Report())
    run(workspace, options(merge=False, size=160), Report())
    assert sizes(aligned.with_name("aligned_resized_before_1")) == [128] * 2
    assert sizes(aligned.with_name("aligned_resized")) == [160] * 2


def test_what_cannot_be_resized_stays_and_is_told(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 4)
    content = (aligned / "00001_0.jpg").read_bytes()
    (aligned / "00001_0.jpg").write_bytes(content[: len(content) // 2] + b"\xff\xd9")  # its header is whole
    face = read_face(aligned / "00002_0.jpg")
    write_face(aligned / "00002_0.jpg", face.picture[:150], face.metadata)
    cv2.imencode(".jpg", face.picture)[1].tofile(aligned / "holiday.jpg")
    write_face(aligned / "00004_0.jpg", face.picture[:128, :128], face.metadata)
    run(workspace, options(), Report())
    said = capsys.readouterr().out
    assert "1 pictures are not square" in said
    assert "1 faces are of that size" in said
    assert "holiday.jpg" in said
    assert read_face(aligned / "00003_0.jpg").picture.shape[0] == 128
    assert read_face(aligned / "00002_0.jpg").picture.shape[0] == 150
    run(workspace, options(), Report())
    assert len(list(aligned.glob("*.jpg"))) == 5


def test_a_packed_or_empty_faceset_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="no faces"):
        run(workspace, options(), Report())
    (workspace.aligned("src") / "faceset.pak").touch()
    with pytest.raises(UserError, match="packed"):
        run(workspace, options(), Report())


@pytest.mark.slow
def test_a_kill_at_any_moment_of_taking_over_loses_nothing(workspace: Workspace, kill_at_every: Any) -> None:
    aligned = workspace.aligned("src")
    beside, trash = aligned.with_name("aligned_resized"), workspace.aligned_trash("src")

    def prepare() -> None:
        for folder in (aligned, beside, trash):
            for path in folder.glob("*"):
                path.unlink()
        write_faces(aligned, 2)
        write_faces(beside, 2, 128)
        write_json(beside / "resize.json", {"settings": {"size": 128, "face_type": "same"}})
        for path in aligned.glob("*.jpg"):
            os.utime(beside / path.name, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))

    def check(operation: int) -> None:
        run(workspace, options(), Report())
        assert sizes(aligned) == [128] * 2, operation
        assert sizes(trash) == [200] * 2, operation
        assert not list(beside.glob("*"))
        assert restore(aligned, reason="resized", all_runs=True) == 2

    work: Callable[[], None] = lambda: run(workspace, options(), Report())  # noqa: E731
    assert kill_at_every(work, prepare, check) >= 8


def test_a_hostile_journal_moves_nothing(workspace: Workspace) -> None:
    aligned = workspace.aligned("src")
    beside = aligned.with_name("aligned_resized")
    write_faces(aligned, 1)
    (aligned.parent / "clip.json").write_text("{}")
    beside.mkdir()
    write_json(beside / "resize.json", {"taking_over": {"../clip.json": "a.jpg"}})
    with pytest.raises(UserError, match="damaged"):
        run(workspace, options(), Report())
    assert (aligned.parent / "clip.json").exists()


@pytest.mark.slow
def test_resized_faces_that_somebody_retouched_are_taken_over_as_they_are(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    aligned, beside = workspace.aligned("src"), workspace.aligned("src").with_name("aligned_resized")
    write_faces(aligned, 4)
    run(workspace, options(merge=False), Report())
    face = read_face(beside / "00001_0.jpg")
    write_face(beside / "00001_0.jpg", 255 - face.picture, face.metadata)  # by an editor that keeps all data
    retouched = (beside / "00001_0.jpg").read_bytes()
    cv2.imencode(".jpg", face.picture)[1].tofile(beside / "00002_0.jpg")  # by one that drops them
    cv2.imencode(".jpg", face.picture)[1].tofile(beside / "my own.jpg")
    own = {name: (beside / name).read_bytes() for name in ("00002_0.jpg", "my own.jpg")}
    run(workspace, options(), Report())
    assert (aligned / "00001_0.jpg").read_bytes() == retouched
    assert sizes(aligned) == [128, 200, 128, 128]
    assert "lost their face data: 00002_0.jpg. They stay there" in " ".join(capsys.readouterr().out.split())
    assert (beside / "00002_0.jpg").read_bytes() == own["00002_0.jpg"]
    assert (beside.with_name("aligned_resized_before_1") / "my own.jpg").read_bytes() == own["my own.jpg"]
    (beside / "00002_0.jpg").unlink()
    run(workspace, options(), Report())
    assert sizes(aligned) == [128] * 4
    assert not beside.exists()


@pytest.mark.slow
def test_what_is_made_anew_never_replaces_what_somebody_may_have_edited(workspace: Workspace) -> None:
    aligned, beside = workspace.aligned("src"), workspace.aligned("src").with_name("aligned_resized")
    write_faces(aligned, 1)
    run(workspace, options(merge=False), Report())
    before = (beside / "00001_0.jpg").read_bytes() + b" "
    (beside / "00001_0.jpg").write_bytes(before)
    os.utime(aligned / "00001_0.jpg", (1, 1))  # the original is another one now
    run(workspace, options(merge=False), Report())
    assert (beside.with_name("aligned_resized_replaced") / "00001_0.jpg").read_bytes() == before
    assert sizes(beside) == [128]
