"""What a user has before and after clear-workspace."""

import builtins
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfl.base.errors import Stopped, UserError
from dfl.base.listing import list_pictures
from dfl.base.pickle_writer import dumps
from dfl.base.pictures import write_picture
from dfl.base.report import Report
from dfl.diagnostics.clear_workspace import run
from dfl.diagnostics.options import ClearWorkspaceOptions
from dfl.diagnostics.own_files import find_own_files
from dfl.faceset import trash
from dfl.faceset.aligned_face import with_metadata
from dfl.faceset.segmentation import Polygon
from dfl.faceset.sidecar import gather_notes
from dfl.faceset_tools import debug_landmarks, export_mask, pack, resize, save_metadata, sort, xseg_labels
from dfl.faceset_tools.options import (
    DebugLandmarksOptions,
    ExportMaskOptions,
    PackOptions,
    ResizeOptions,
    SaveMetadataOptions,
    SortOptions,
    XsegFetchOptions,
)
from dfl.merging.merge import run_merge
from dfl.merging.options import MergeOptions
from dfl.merging.running.open_models import GivenModels
from dfl.models.backups import make_backup
from dfl.models.checkpoint import Checkpoint, write_checkpoint
from dfl.models.lock import hold_model
from dfl.video.facts import ClipFacts, Source, write_facts
from dfl.workspace import Workspace
from tests.merging.conftest import FakeModel, make_clip

DELETE = ClearWorkspaceOptions(delete=True)
ASKING = ClearWorkspaceOptions()
KEPT = {"data_src.mp4", "data_dst.mkv", "result.mp4", "result_mask.mp4", "answers.json"}


def facts(count: int) -> ClipFacts:
    source = Source(name="a.mp4", size=1, fingerprint="f", picture_format="png", fps=Fraction(0), digits=5)
    return ClipFacts(
        source=source, width=8, height=8, pixel_aspect=Fraction(1), rate=Fraction(25), time_base=Fraction(1, 25),
        times=list(range(count)), end=count, primaries=1, transfer=1,
    )  # fmt: skip


@pytest.fixture
def full(workspace: Workspace) -> Workspace:
    """A workspace as a user has it: two clips' frames and faces, merged frames, a model with a backup."""
    for name in KEPT:
        (workspace.root / name).write_bytes(b"{}")
    make_clip(workspace, 2)
    write_picture(workspace.frames("src") / "00001.png", np.zeros((8, 8, 3), np.uint8))
    (workspace.aligned("dst") / "00001_0.jpg").rename(workspace.aligned("src") / "00001_0.jpg")
    write_facts(workspace.clip_facts("src"), facts(1))
    write_facts(workspace.clip_facts("dst"), facts(2))
    run_merge(workspace, MergeOptions(), GivenModels(FakeModel()), Report())
    folder = workspace.model / "new_SAEHD"
    write_checkpoint(
        folder, Checkpoint("SAEHD", {"batch_size": 4}, 1, {"encoder/weight": np.zeros((2, 2), np.float32)})
    )
    (folder / "preview.png").write_bytes(b"1")
    with hold_model(folder):
        make_backup(folder)
    return workspace


def names(workspace: Workspace) -> set[str]:
    """All files but the logs."""
    found = {path.relative_to(workspace.root).as_posix() for path in workspace.root.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith("logs/")}


def test_what_the_program_made_goes_videos_and_results_stay(
    full: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run(full, DELETE, Report())
    assert names(full) == KEPT
    for folder in (full.aligned("src"), full.aligned("dst"), full.model):
        assert list(folder.iterdir()) == []
    assert not full.merged.exists()
    told = " ".join(capsys.readouterr().out.split())
    assert "3 frames, 2 faces, 4 merged pictures, 11 model files" in told
    assert "not the program's" not in told


OWN = (
    "data_src/holiday.mp4",
    "data_src/portrait.jpg",
    "data_src/00009.png",
    "data_dst/title.psd",
    "data_dst/00001_retouched.png",
    "data_dst/stills/00001.png",
    "data_dst/merged/00001_retouched.png",
    "data_dst/merged/notes.txt",
    "data_dst/merged_mask/by hand.png",
    "data_dst/merged by Anna/00001.png",
    "data_src/aligned/reference.jpg",
    "data_src/aligned/project.psd",
    "data_src/aligned_people/Anna.jpg",
    "data_src/aligned_best/notes.txt",
    "data_src/found_faces-old.jsonl",
    "model/new_SAEHD/notes.txt",
    "model/new_SAEHD/backups/the good one/set-000001/weights.safetensors",
    "model/pretrained/saehd.zip",
    "model/readme.txt",
)


def test_files_of_the_users_stay_and_are_named(full: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for name in OWN:
        path = full.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".png", ".jpg"):
            write_picture(path, np.full((8, 8, 3), 99, np.uint8))
        else:
            path.write_bytes(b"mine")
    before = {name: (full.root / name).read_bytes() for name in OWN}
    run(full, DELETE, Report())
    told = " ".join(capsys.readouterr().out.split())
    assert f"{len(OWN)} files there are not the program's and stay: data_" in told
    assert told.count("Deleted:") == 1
    assert names(full) == KEPT | set(OWN)
    assert {name: (full.root / name).read_bytes() for name in OWN} == before
    run(full, DELETE, Report())
    assert "nothing to delete" in capsys.readouterr().out
    assert names(full) == KEPT | set(OWN)


@pytest.mark.slow
def test_yes_alone_deletes_nothing_as_the_default_answer_is_no(full: Workspace) -> None:
    before = names(full)
    with pytest.raises(UserError, match="Nothing was deleted") as caught:
        run(full, ClearWorkspaceOptions(yes=True), Report())
    assert "--delete" in caught.value.todo
    assert names(full) == before
    command = [sys.executable, "-m", "dfl", "clear-workspace", "--workspace", str(full.root), "--yes"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    assert names(full) == before
    assert subprocess.run([*command, "--delete"], capture_output=True, check=False).returncode == 0
    assert names(full) == KEPT


@pytest.mark.parametrize("answers", [[""], ["n"], ["x", "n"]], ids=str)
def test_only_a_yes_deletes(full: Workspace, monkeypatch: pytest.MonkeyPatch, answers: list[str]) -> None:
    before, typed = names(full), iter(answers)
    monkeypatch.setattr(builtins, "input", lambda _: next(typed))
    with pytest.raises(Stopped):
        run(full, ASKING, Report())
    assert names(full) == before
    monkeypatch.setattr(builtins, "input", lambda _: "y")
    run(full, ASKING, Report())
    assert names(full) == KEPT


def test_outlines_that_somebody_drew_are_told_before_the_question(
    full: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = full.aligned("src") / "00001_0.jpg"
    from dfl.faceset.aligned_face import read_face

    metadata = read_face(path).metadata
    drawn = replace(metadata, polygons=(Polygon(True, metadata.landmarks[:5]),))
    path.write_bytes(with_metadata(path.read_bytes(), drawn))
    monkeypatch.setattr(builtins, "input", lambda _: "n")
    with pytest.raises(Stopped):
        run(full, ASKING, Report())
    assert "2 faces (1 with outlines that somebody drew)" in " ".join(capsys.readouterr().out.split())


def test_an_empty_workspace_is_not_asked_about_and_gets_its_folders(tmp_path: Path) -> None:
    empty = Workspace(tmp_path / "new")
    run(empty, ASKING, Report())
    assert empty.aligned("dst").is_dir()


def test_pictures_that_are_no_frames_of_a_clip_stay(workspace: Workspace) -> None:
    """Who gave pictures instead of a clip has no others."""
    for number in range(1, 4):
        write_picture(workspace.frames("src") / f"{number:05d}.png", np.zeros((8, 8, 3), np.uint8))
    run(workspace, DELETE, Report())
    assert len(names(workspace)) == 3


def test_a_model_that_is_being_trained_stops_it(full: Workspace) -> None:
    before = names(full)
    with hold_model(full.model / "new_SAEHD"), pytest.raises(UserError, match="being trained"):
        run(full, DELETE, Report())
    assert names(full) >= before


def test_models_of_the_original_go_and_its_folders_with_them(workspace: Workspace) -> None:
    model = workspace.model
    (model / "Anna 2_SAEHD_data.dat").write_bytes(dumps({"options": {}}))
    for name in ("Anna 2_SAEHD_encoder.npy", "Anna 2_SAEHD_summary.txt", "SAEHD_default_options.dat"):
        (model / name).write_bytes(b"1")
    (model / "Anna 2_SAEHD_history" / "preview").mkdir(parents=True)
    (model / "Anna 2_SAEHD_history" / "preview" / "0001.jpg").write_bytes(b"1")
    for name in ("Bert_SAEHD_encoder.npy", "list.npy"):  # of no model that is there
        (model / name).write_bytes(b"1")
    run(workspace, DELETE, Report())
    assert names(workspace) == {"model/Bert_SAEHD_encoder.npy", "model/list.npy"}


@pytest.mark.slow
def test_everything_that_stages_leave_is_known(workspace: Workspace, write_faces: Any) -> None:
    """Nothing of the program's is taken for the user's."""
    side, report = "src", Report()
    aligned = workspace.aligned("src")
    write_faces(aligned, *(f"{number:05d}_0.jpg" for number in range(1, 6)), "00006_0.png")
    gather_notes(aligned)
    save_metadata.run(workspace, SaveMetadataOptions(side=side), report)
    sort.run(workspace, SortOptions(side=side, by="blur"), report)
    trash.move_to_trash(aligned, [list_pictures(aligned)[0].name], "blurred")
    debug_landmarks.run(workspace, DebugLandmarksOptions(side=side), report)
    export_mask.run(workspace, ExportMaskOptions(side=side, source="hull"), report)
    xseg_labels.run_fetch(workspace, XsegFetchOptions(side=side), report)
    resize.run(workspace, ResizeOptions(side=side, size=128, merge=False), report)
    pack.run(workspace, PackOptions(side=side), report)
    found = find_own_files(workspace, [workspace.frames("src")])
    assert found.foreign == []
    run(workspace, DELETE, report)
    assert names(workspace) == set()


def test_all_formats_of_merged_frames_are_known(workspace: Workspace) -> None:
    make_clip(workspace, 2)
    write_facts(workspace.clip_facts("dst"), facts(2))
    for options in ({}, {"output_format": "png16", "crops": True}, {"output_format": "exr"}):
        run_merge(workspace, MergeOptions(**options), GivenModels(FakeModel()), Report())
    (workspace.frames("dst") / "00002.png").unlink()
    run_merge(workspace, MergeOptions(), GivenModels(FakeModel()), Report())  # sets pictures aside
    assert (workspace.frames("dst") / "merged_set_aside").is_dir()
    assert find_own_files(workspace, [workspace.frames("dst")]).foreign == []
    run(workspace, DELETE, Report())
    assert names(workspace) == set()


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights there")
def test_links_stay_and_so_does_what_they_lead_to(full: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    cv2.imwrite(str(outside / "precious.png"), np.zeros((8, 8, 3), np.uint8))
    (full.aligned("src") / "link").symlink_to(outside)
    (full.frames("dst") / "00001.png").unlink()
    (full.frames("dst") / "00001.png").symlink_to(outside / "precious.png")
    run(full, DELETE, Report())
    assert (outside / "precious.png").is_file()
    assert (full.aligned("src") / "link").is_symlink()


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights there")
def test_a_folder_that_is_a_link_is_left_alone(
    full: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "other disk"
    full.frames("src").rename(elsewhere)
    full.frames("src").symlink_to(elsewhere)
    run(full, DELETE, Report())
    assert (elsewhere / "00001.png").is_file()
    assert str(elsewhere) in capsys.readouterr().out
    assert not (full.frames("dst") / "00001.png").exists()
