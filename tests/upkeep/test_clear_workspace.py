"""What a user has before and after clear-workspace."""

import builtins
import os
from pathlib import Path

import pytest

from dfl.base.errors import Stopped
from dfl.base.report import Report
from dfl.upkeep.clear_workspace import count, run
from dfl.upkeep.options import ClearWorkspaceOptions
from dfl.workspace import Workspace

YES = ClearWorkspaceOptions(yes=True)
ASKING = ClearWorkspaceOptions()


@pytest.fixture
def full(workspace: Workspace) -> Workspace:
    """A workspace with two frames, three faces, a merged picture, a model and both videos."""
    for name in ("data_src.mp4", "data_dst.mkv", "result.mp4", "result_mask.mp4", "answers.json"):
        (workspace.root / name).write_bytes(b"1234")
    workspace.merged.mkdir()
    for path in (
        workspace.frames("src") / "00001.png",
        workspace.frames("dst") / "00001.PNG",
        workspace.aligned("src") / "00001_0.jpg",
        workspace.aligned("src") / "00001_1.jpg",
        workspace.aligned("dst") / "00001_0.jpg",
        workspace.merged / "00001.png",
        workspace.clip_facts("dst"),
        workspace.model / "new_SAEHD" / "set-000001" / "manifest.json",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return workspace


def names(workspace: Workspace) -> set[str]:
    return {path.relative_to(workspace.root).as_posix() for path in workspace.root.rglob("*") if path.is_file()}


def test_frames_faces_and_models_go_videos_and_results_stay(
    full: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run(full, YES, Report())
    assert names(full) == {"data_src.mp4", "data_dst.mkv", "result.mp4", "result_mask.mp4", "answers.json"}
    assert full.aligned("src").is_dir()
    assert full.aligned("dst").is_dir()
    assert full.model.is_dir()
    assert "2 frames, 3 faces, 1 merged pictures, 1 model files, 1 other files (0.0 MB)" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["", "n", "x"])
def test_only_a_yes_deletes(full: Workspace, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    before = names(full)
    monkeypatch.setattr(builtins, "input", lambda _: answer)
    with pytest.raises(Stopped):
        run(full, ASKING, Report())
    assert names(full) == before
    monkeypatch.setattr(builtins, "input", lambda _: "y")
    run(full, ASKING, Report())
    assert names(full) != before


def test_an_empty_workspace_is_not_asked_about_and_gets_its_folders(tmp_path: Path) -> None:
    empty = Workspace(tmp_path / "new")
    run(empty, ASKING, Report())
    assert empty.aligned("dst").is_dir()


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights there")
def test_links_are_removed_and_what_they_lead_to_stays(full: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.png").write_bytes(b"1")
    (full.aligned("src") / "link").symlink_to(outside)
    (full.frames("dst") / "link.png").symlink_to(outside / "precious.png")
    assert count(full, [full.frames("dst")]).frames == 2
    run(full, YES, Report())
    assert (outside / "precious.png").is_file()
    assert not (full.aligned("src") / "link").exists()


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights there")
def test_a_folder_that_is_a_link_is_left_alone(
    full: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "other disk"
    full.frames("src").rename(elsewhere)
    full.frames("src").symlink_to(elsewhere)
    run(full, YES, Report())
    assert (elsewhere / "00001.png").is_file()
    assert str(elsewhere) in capsys.readouterr().out
    assert not (full.frames("dst") / "00001.PNG").exists()
