"""What the doctor tells of the files that the program keeps."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfl.base.locks import hold_folders
from dfl.diagnostics.doctor import examine, in_words
from dfl.diagnostics.findings import Finding
from dfl.diagnostics.workspace_state import check_state
from dfl.models.checkpoint import Checkpoint, write_checkpoint
from dfl.workspace import Workspace


def _file_in_place_of(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"x")


def test_a_whole_workspace_has_nothing_to_tell(workspace: Workspace) -> None:
    write_checkpoint(workspace.model / "new_SAEHD", Checkpoint("SAEHD", {}, 1, {"w": np.zeros(4, np.float32)}))
    workspace.answers.write_text('{"sort dst": {}}')
    assert list(check_state(workspace)) == []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda w: _file_in_place_of(w.root), "is a file, where a folder should be"),
        (lambda w: _file_in_place_of(w.model), "model is a file, where a folder should be"),
        (lambda w: (w.model / "new_SAEHD").mkdir(), "new_SAEHD holds no saved model"),
        (lambda w: (w.model / "new_SAEHD" / "set-000001").mkdir(parents=True), "new_SAEHD holds no saved model"),
        (lambda w: w.answers.write_bytes(bytes(200)), "answers.json is damaged"),
        (lambda w: w.answers.write_bytes(b""), "answers.json is damaged"),
        (lambda w: w.clip_facts("dst").write_bytes(b'{"times": [1,'), "clip.json is damaged"),
        (lambda w: (w.frames("dst") / "merge_session.json").write_bytes(b"[]"), "merge_session.json is damaged"),
    ],
)
def test_what_is_in_the_way_empty_or_damaged_is_told(
    workspace: Workspace, spoil: Callable[[Workspace], None], told: str
) -> None:
    spoil(workspace)
    (finding,) = check_state(workspace)
    assert told in finding.text
    assert finding.todo


@pytest.mark.slow
def test_a_workspace_that_is_a_file_must_be_mended(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"x")
    said = "\n".join(in_words(examine(Workspace(tmp_path / "clip.mp4"), start_engine=False)))
    assert f"{tmp_path / 'clip.mp4'} is a file, where a folder should be" in said.split("To mend:")[1]
    assert "could not be checked" not in said


def test_stages_that_run_are_told(workspace: Workspace) -> None:
    with hold_folders(workspace.running, "sort dst", (), ("data_dst/aligned",), print):
        (finding,) = check_state(workspace)
    assert isinstance(finding, Finding)
    assert finding.text.startswith("sort dst (process ")


def test_a_stage_that_holds_folders_twice_is_told_once(workspace: Workspace) -> None:
    running = workspace.running
    with (
        hold_folders(running, "train", ("model",), (), print),
        hold_folders(running, "train", ("data_dst/aligned",), (), print),
    ):
        (finding,) = check_state(workspace)
    assert finding.text.startswith("train (process ")
