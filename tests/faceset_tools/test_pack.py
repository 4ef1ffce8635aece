import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import write_picture
from dfl.base.report import Report
from dfl.faceset.aligned_face import with_metadata
from dfl.faceset.faceset import list_faceset
from dfl.faceset.segmentation import Polygon
from dfl.faceset_tools.options import PackOptions, UnpackOptions
from dfl.faceset_tools.pack import run as pack
from dfl.faceset_tools.unpack import run as unpack
from dfl.workspace import FACESET_PAK, Workspace
from tests.faceset_fixtures import files_of

KEEP, DELETE, UNPACK = PackOptions(side="src", delete=False), PackOptions(side="src"), UnpackOptions(side="src")
PICTURE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    return workspace.aligned("src")


def test_packed_faces_are_the_same_faces(workspace: Workspace, folder: Path, write_faces: Any) -> None:
    written = write_faces(folder, "b.jpg", "a.jpg", "顔.jpg")
    before = files_of(folder)
    pack(workspace, DELETE, Report())
    assert list(files_of(folder)) == [FACESET_PAK]
    faces = list_faceset(folder)
    assert [face.name for face in faces] == ["a.jpg", "b.jpg", "顔.jpg"]
    for face in faces:
        assert face.read_content() == before[face.name]
        assert face.read_picture().shape == face.shape == (64, 64, 3)
        assert np.array_equal(face.metadata.landmarks, written[face.name].landmarks)
        assert FACESET_PAK in face.display_path
        assert face.name in face.display_path
    unpack(workspace, UNPACK, Report())
    assert files_of(folder) == before


def test_persons_are_folders_again_after_unpacking(workspace: Workspace, folder: Path, write_faces: Any) -> None:
    for person in ("Zoë", "Adam"):
        write_faces(folder / person, "00001_0.jpg", "00002_0.jpg")
    write_faces(folder, "top.jpg")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("a")
    before = files_of(folder)
    pack(workspace, DELETE, Report())
    assert sorted(files_of(folder)) == [FACESET_PAK, "notes/a.txt", "top.jpg"]
    assert not (folder / "Adam").exists()
    (folder / "top.jpg").rename(folder.parent / "top.jpg")
    assert [(face.person, face.name) for face in list_faceset(folder)] == [
        ("Adam", "00001_0.jpg"),
        ("Adam", "00002_0.jpg"),
        ("Zoë", "00001_0.jpg"),
        ("Zoë", "00002_0.jpg"),
    ]
    unpack(workspace, UNPACK, Report())
    del before["top.jpg"]
    assert files_of(folder) == before


def test_sub_folders_may_be_left_alone(workspace: Workspace, folder: Path, write_faces: Any) -> None:
    write_faces(folder / "Adam", "1.jpg")
    write_faces(folder, "top.jpg")
    pack(workspace, PackOptions(side="src", persons=False), Report())
    assert sorted(files_of(folder)) == ["Adam/1.jpg", FACESET_PAK]


def test_pictures_that_are_not_packed_are_never_deleted(
    workspace: Workspace, folder: Path, write_faces: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_faces(folder / "Adam", "1.jpg", "2.jpg", "3.png")
    write_picture(folder / "Adam" / "holiday.jpg", PICTURE)
    (folder / "Adam" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "Adam" / "2.jpg").write_bytes((folder / "Adam" / "2.jpg").read_bytes()[:900])
    pack(workspace, DELETE, Report())
    left = {Path(name).name for name in files_of(folder)}
    assert {"2.jpg", "3.png", "holiday.jpg", "broken.jpg", FACESET_PAK} <= left
    assert "1.jpg" not in left
    assert [face.name for face in list_faceset(folder)] == ["1.jpg"]
    told = capsys.readouterr().out
    assert "4 pictures are not in it and stay" in told
    assert "no JPEGs" in told


def test_keeping_the_files_and_packing_again(
    workspace: Workspace, folder: Path, write_faces: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_faces(folder, "a.jpg", "b.jpg")
    pack(workspace, KEEP, Report())
    assert sorted(files_of(folder)) == ["a.jpg", "b.jpg", FACESET_PAK]
    write_faces(folder, "b.jpg", "c.jpg")  # another b, and a new one
    wanted = {name: content for name, content in files_of(folder).items() if name != FACESET_PAK}
    pack(workspace, KEEP, Report())
    assert {face.name: face.read_content() for face in list_faceset(folder)} == wanted
    list_faceset(folder, Report())
    assert "the 3 pictures beside it are not" in capsys.readouterr().out


def test_a_pack_with_faces_that_are_nowhere_else_is_not_written_over(
    workspace: Workspace, folder: Path, write_faces: Any
) -> None:
    write_faces(folder, "a.jpg", "b.jpg")
    pack(workspace, DELETE, Report())
    before = (folder / FACESET_PAK).read_bytes()
    write_faces(folder, "c.jpg")
    with pytest.raises(UserError, match=r"holds 2 faces that the folder lacks.* lose them: a\.jpg, "):
        pack(workspace, DELETE, Report())
    assert (folder / FACESET_PAK).read_bytes() == before
    assert (folder / "c.jpg").exists()


def test_nothing_to_pack_or_unpack_is_told(workspace: Workspace, folder: Path, write_faces: Any) -> None:
    with pytest.raises(UserError, match="There are no faces in"):
        pack(workspace, DELETE, Report())
    with pytest.raises(UserError, match="There is no"):
        unpack(workspace, UNPACK, Report())
    write_faces(folder, "a.jpg")
    pack(workspace, DELETE, Report())
    pack(workspace, DELETE, Report())  # again: nothing to do
    assert list(files_of(folder)) == [FACESET_PAK]


def test_names_that_another_system_could_not_unpack_are_told(
    workspace: Workspace, folder: Path, write_faces: Any
) -> None:
    write_faces(folder, "a.jpg", "aux.jpg")
    with pytest.raises(UserError, match=r"aux\.jpg cannot be packed"):
        pack(workspace, DELETE, Report())
    assert sorted(files_of(folder)) == ["a.jpg", "aux.jpg"]


def test_a_full_disk_is_told_before_anything_is_written(
    workspace: Workspace, folder: Path, write_faces: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_faces(folder, "a.jpg")
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=500))
    with pytest.raises(UserError, match="Packing needs"):
        pack(workspace, DELETE, Report())
    monkeypatch.undo()
    pack(workspace, DELETE, Report())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=500))
    with pytest.raises(UserError, match="Unpacking needs"):
        unpack(workspace, UNPACK, Report())
    assert list(files_of(folder)) == [FACESET_PAK]


def test_another_file_where_one_would_go_stops_unpacking(workspace: Workspace, folder: Path, write_faces: Any) -> None:
    write_faces(folder, "a.jpg", "b.jpg")
    pack(workspace, DELETE, Report())
    (folder / "b.jpg").write_text("something else")
    with pytest.raises(UserError, match=r"b\.jpg is there already"):
        unpack(workspace, UNPACK, Report())
    assert sorted(files_of(folder)) == ["b.jpg", FACESET_PAK]


@pytest.mark.slow
@pytest.mark.parametrize("persons", [False, True])
def test_packing_can_be_killed_anywhere(
    workspace: Workspace, folder: Path, write_faces: Any, kill_at_every: Any, persons: bool
) -> None:
    def prepare() -> None:
        shutil.rmtree(folder)
        for place in [folder / "Adam", folder / "Zoë"] if persons else [folder]:
            write_faces(place, "a.jpg", "b.jpg")

    prepare()
    before = files_of(folder)

    def check(operation: int) -> None:
        found = files_of(folder)
        if FACESET_PAK not in found:
            assert found == before
        pack(workspace, DELETE, Report())
        assert list(files_of(folder)) == [FACESET_PAK]
        assert len(list_faceset(folder)) == len(before)
        unpack(workspace, UNPACK, Report())
        assert files_of(folder) == before
        assert not list(folder.rglob("*.part-*"))

    assert kill_at_every(lambda: pack(workspace, DELETE, Report()), prepare, check) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("persons", [False, True])
def test_unpacking_can_be_killed_anywhere(
    workspace: Workspace, folder: Path, write_faces: Any, kill_at_every: Any, persons: bool
) -> None:
    for place in [folder / "Adam", folder / "Zoë"] if persons else [folder]:
        write_faces(place, "a.jpg", "b.jpg")
    before = files_of(folder)
    pack(workspace, DELETE, Report())
    packed = (folder / FACESET_PAK).read_bytes()

    def prepare() -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / FACESET_PAK).write_bytes(packed)

    def check(operation: int) -> None:
        if (folder / FACESET_PAK).exists():
            unpack(workspace, UNPACK, Report())
        assert files_of(folder) == before
        assert not list(folder.rglob("*.part-*"))

    assert kill_at_every(lambda: unpack(workspace, UNPACK, Report()), prepare, check) >= 6


def test_a_pack_with_other_versions_of_the_faces_is_kept(workspace: Workspace, folder: Path, write_faces: Any) -> None:
    written = write_faces(folder, "a.jpg", "b.jpg")
    plain = files_of(folder)
    outlined = replace(written["a.jpg"], polygons=(Polygon(True, written["a.jpg"].landmarks[:4]),))
    (folder / "a.jpg").write_bytes(with_metadata(plain["a.jpg"], outlined))
    pack(workspace, DELETE, Report())
    first = (folder / FACESET_PAK).read_bytes()
    for name, content in plain.items():  # older copies, put back beside the pack
        (folder / name).write_bytes(content)
    pack(workspace, DELETE, Report())
    assert [bool(face.metadata.polygons) for face in list_faceset(folder)] == [False, False]
    assert (folder / "faceset_before_1.pak").read_bytes() == first
