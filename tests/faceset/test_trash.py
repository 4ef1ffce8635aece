"""Faces go to the trash and come back, however a run ends."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.base.pictures import write_picture
from dfl.base.report import Report
from dfl.faceset.faceset import list_faceset
from dfl.faceset.sidecar import SidecarEntry, add_to_index
from dfl.faceset.trash import list_trash, move_to_trash, restore, trash_folder
from dfl.faceset_tools import pack
from dfl.faceset_tools.options import PackOptions, RestoreOptions, TrashOptions
from dfl.faceset_tools.trash_stages import run, run_restore
from dfl.workspace import Workspace
from tests.faceset.made_faces import aligned_face


@pytest.fixture
def aligned(workspace: Workspace) -> Path:
    """Twelve files, each with its own name in it."""
    folder = workspace.aligned("src")
    for number in range(12):
        name = f"{number:05d}_0.jpg"
        (folder / name).write_text(name)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.jpg")}


def test_what_goes_comes_back(aligned: Path, workspace: Workspace) -> None:
    before = contents(aligned)
    trash = move_to_trash(aligned, ["00003_0.jpg", "00007_0.jpg"], "blurred")
    assert trash == workspace.aligned_trash("src")
    assert set(contents(trash)) == {"00003_0.jpg", "00007_0.jpg"}
    assert len(contents(aligned)) == 10
    assert restore(aligned) == 2
    assert contents(aligned) == before
    assert restore(aligned) == 0


def test_the_last_run_a_reason_or_all(aligned: Path) -> None:
    for number, reason in enumerate(("blurred", "other person", "blurred", "dark")):
        move_to_trash(aligned, [f"{number:05d}_0.jpg"], reason)
    assert restore(aligned) == 1
    assert (aligned / "00003_0.jpg").is_file()
    assert restore(aligned, reason="blurred") == 1
    assert (aligned / "00002_0.jpg").is_file()
    assert restore(aligned, reason="blurred", all_runs=True) == 1
    (trash_folder(aligned) / "of the original.jpg").write_text("of the original.jpg")
    assert restore(aligned, reason="no such", all_runs=True) == 0
    assert restore(aligned, all_runs=True) == 2
    assert len(contents(aligned)) == 13


def test_a_name_that_is_taken_gets_a_number_both_ways(aligned: Path) -> None:
    for text in ("first", "second", "third"):
        (aligned / "00001_0.jpg").write_text(text)
        move_to_trash(aligned, ["00001_0.jpg"], "test")
    assert set(contents(trash_folder(aligned))) == {"00001_0.jpg", "00001_0_1.jpg", "00001_0_2.jpg"}
    (aligned / "00001_0.jpg").write_text("new")
    assert restore(aligned, all_runs=True) == 3
    found = {name: text for name, text in contents(aligned).items() if name.startswith("00001")}
    assert found == {
        "00001_0.jpg": "new",
        "00001_0_1.jpg": "first",
        "00001_0_2.jpg": "second",
        "00001_0_3.jpg": "third",
    }


def test_nothing_moves_when_a_name_is_wrong(aligned: Path) -> None:
    (aligned.parent / "clip.json").write_text("{}")
    for wrong in ("no.jpg", "../clip.json", ""):
        with pytest.raises(UserError, match="holds no file"):
            move_to_trash(aligned, ["00001_0.jpg", wrong], "test")
    assert len(contents(aligned)) == 12
    assert not trash_folder(aligned).exists()


KILLED = """
import os, sys
from pathlib import Path
from dfl.faceset import trash
aligned, how, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
plain = Path.rename
def rename(self, target):
    global left
    if left == 0: os._exit(9)
    left -= 1
    return plain(self, target)
Path.rename = rename
if how == "restore": trash.restore(aligned)
else: trash.move_to_trash(aligned, [f"{n:05d}_0.jpg" for n in range(4)], "test")
"""


@pytest.mark.slow
@pytest.mark.parametrize("moves", [0, 1, 3])
def test_a_kill_between_two_moves_loses_nothing(aligned: Path, moves: int) -> None:
    before = contents(aligned)

    def killed(how: str) -> None:
        code = subprocess.run([sys.executable, "-c", KILLED, aligned, how, str(moves)], check=False).returncode
        assert code == 9
        assert contents(aligned) | contents(trash_folder(aligned)) == before

    killed("trash")
    assert len(list_trash(aligned)) == moves
    move_to_trash(aligned, [name for name in before if name < "00004" and (aligned / name).exists()], "again")
    killed("restore") if moves < 4 - moves else None
    restore(aligned, all_runs=True)
    assert contents(aligned) == before


def test_damaged_and_hostile_lines_are_passed_over(aligned: Path) -> None:
    trash = move_to_trash(aligned, ["00001_0.jpg"], "test")
    (trash / "evil").write_text("evil")
    rows = [
        {"name": "../../evil", "trash_name": "evil", "reason": "", "run": "x"},
        {"name": "a.jpg", "trash_name": "..\\evil", "reason": "", "run": "x"},
        {"name": "b.jpg", "trash_name": "trash.jsonl", "reason": "", "run": "x"},
        {"name": 3, "trash_name": "evil", "reason": "", "run": "x"},
    ]
    with (trash / "trash.jsonl").open("a") as journal:
        journal.write("\n".join([*map(json.dumps, rows), '{"name": "00002_0.jpg", "tr']))  # torn by a power cut
    move_to_trash(aligned, ["00005_0.jpg"], "after the torn line")
    assert [row.name for row in list_trash(aligned)] == ["00001_0.jpg", "00005_0.jpg"]
    assert restore(aligned, all_runs=True) == 2
    assert {path.name for path in trash.iterdir()} == {"evil", "trash.jsonl"}


def test_face_data_that_stand_beside_a_picture_go_along(aligned: Path) -> None:
    face = aligned_face(128)
    write_picture(aligned / "a.png", face.picture)
    add_to_index(aligned, {"a.png": SidecarEntry(face.metadata, (128, 128, 3))})
    move_to_trash(aligned, ["a.png"], "test")
    add_to_index(aligned, {"a.png": SidecarEntry(replace(face.metadata, source_filename="other.png"), (128, 128, 3))})
    write_picture(aligned / "a.png", face.picture)  # another face got the name meanwhile
    restore(aligned)
    found = {face.name: face.metadata.source_filename for face in list_faceset(aligned)}
    assert found == {"a.png": "other.png", "a_1.png": "00001.png"}


@given(st.binary(max_size=200))
def test_any_journal_is_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    aligned = tmp_path_factory.mktemp("any") / "aligned"
    trash_folder(aligned).mkdir()
    (trash_folder(aligned) / "trash.jsonl").write_bytes(content)
    assert list_trash(aligned) == []


def test_the_stages(aligned: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("00002_0.jpg", "0001*", str(aligned / "00004_0.JPG".lower()))
    run(workspace, TrashOptions(side="src", names=names), Report())
    assert set(contents(trash_folder(aligned))) == {"00002_0.jpg", "00004_0.jpg", "00010_0.jpg", "00011_0.jpg"}
    with pytest.raises(UserError, match="no picture 'zzz"):
        run(workspace, TrashOptions(side="src", names=("00005_0.jpg", "zzz*")), Report())
    with pytest.raises(UserError, match="No file was named"):
        run(workspace, TrashOptions(side="src"), Report())
    run_restore(workspace, RestoreOptions(side="src"), Report())
    run_restore(workspace, RestoreOptions(side="src", all=True), Report())
    said = capsys.readouterr().out
    assert "4 pictures back" in said
    assert "Nothing to put back" in said
    assert len(contents(aligned)) == 12


@pytest.mark.parametrize("content", [b"", b"\0" * 300, b'{"name": "00003_0.jpg", "tra', b"[1, 2]\n\xff\xfe\n"])
def test_a_damaged_list_of_the_trash_is_told_with_the_way_out(
    aligned: Path, workspace: Workspace, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(aligned)
    move_to_trash(aligned, ["00003_0.jpg", "00007_0.jpg"], "blurred")
    (trash_folder(aligned) / "trash.jsonl").write_bytes(content)
    run_restore(workspace, RestoreOptions(side="src"), Report())
    told = " ".join(capsys.readouterr().out.split())
    assert "2 pictures in" in told
    assert "`dfl restore src --all` puts all pictures back" in told
    assert "Nothing to put back" in told
    run_restore(workspace, RestoreOptions(side="src", all=True), Report())
    assert "is not in its list" not in capsys.readouterr().out
    assert contents(aligned) == before


def test_the_trash_of_a_packed_faceset_says_that_it_is_packed(workspace: Workspace, write_faces: Any) -> None:
    folder = workspace.aligned("src")
    write_faces(folder, *(f"{number:05d}_0.jpg" for number in range(3)))
    move_to_trash(folder, ["00002_0.jpg"], "blurred")
    pack.run(workspace, PackOptions(side="src"), Report())
    for stage in (
        lambda: run(workspace, TrashOptions(side="src", names=("00000_0.jpg",)), Report()),
        lambda: run_restore(workspace, RestoreOptions(side="src"), Report()),
    ):
        with pytest.raises(UserError, match="is packed") as caught:
            stage()
        assert "dfl unpack src" in caught.value.todo
    assert len(list_faceset(folder)) == 2
    assert (trash_folder(folder) / "00002_0.jpg").is_file()
