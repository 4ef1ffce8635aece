import hashlib
import json
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl.base import jpeg, pickle_writer, safe_pickle
from dfl.base.errors import UserError
from dfl.faceset.aligned_face import read_face
from dfl.faceset.faceset import FaceFile, list_faceset, read_face_file
from dfl.faceset.pak_format import PackedFace, read_member, read_members, write_pak
from dfl.workspace import FACESET_PAK
from tests.recorded import RECORDS

# What the original's programs can look up when they load a pack.
LOADABLE = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("samplelib.Sample", "SampleType"),
    ("facelib.FaceType", "FaceType"),
}


def _packed(face: FaceFile, person: str | None = None) -> PackedFace:
    return PackedFace(face.path, face.metadata, face.shape, face.path.stat().st_size, person)


def _write(target: Path, faces: list[PackedFace]) -> bytes:
    for _ in write_pak(target, faces):
        pass
    return target.read_bytes()


def _list_of(pack: bytes) -> bytes:
    return pack[16 : 16 + int.from_bytes(pack[8:16], "little")]


def _pack(rows: Any, pictures: list[bytes], offsets: list[int] | None = None, version: int = 1) -> bytes:
    """A pack by hand."""
    content = rows if isinstance(rows, bytes) else pickle_writer.dumps(rows)
    offsets = np.cumsum([0, *map(len, pictures)]).tolist() if offsets is None else offsets
    table = struct.pack(f"<{len(offsets)}Q", *offsets)
    return struct.pack("<QQ", version, len(content)) + content + table + b"".join(pictures)


@pytest.fixture
def recorded_faces(tmp_path: Path, face_pickles: dict[str, bytes], plain_jpeg: bytes) -> list[FaceFile]:
    """The original's twelve faces, their pictures replaced, as files."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    for name, data in face_pickles.items():
        if not name.startswith("old_"):
            (folder / f"{name}.jpg").write_bytes(jpeg.with_payload(plain_jpeg, 0xEF, data, name))
    faces = list_faceset(folder)
    assert len(faces) == 12
    sides = [(256, 256, channels) for channels in [3] * 12]  # a tuple of its own each, as in the original
    return [FaceFile(face.path, face.metadata, shape) for face, shape in zip(faces, sides, strict=True)]


@pytest.mark.parametrize("kind", ["plain", "person"])
def test_the_list_is_the_originals(tmp_path: Path, recorded_faces: list[FaceFile], kind: str) -> None:
    with np.load(RECORDS / "pak_lists.npz") as lists:
        recorded = lists[kind].tobytes()
    faces = [_packed(face) for face in recorded_faces]
    if kind == "person":  # three persons, each every third face
        persons = ["person_A", "person_B", "person_C"]
        faces = [_packed(face, person) for n, person in enumerate(persons) for face in recorded_faces[n::3]]
    ours = _list_of(_write(tmp_path / FACESET_PAK, faces))
    # Whether number types are shared between masks is chance; up to the first mask the pickles are equal.
    assert _parts(ours)[:2000] == _parts(recorded)[:2000]
    assert pickle_writer.dumps(safe_pickle.loads(ours, "")) == pickle_writer.dumps(safe_pickle.loads(recorded, ""))


def _parts(content: bytes) -> list[Any]:
    return [(opcode.name, value) for opcode, value, _ in pickletools.genops(content) if opcode.name != "FRAME"]


def test_the_original_can_look_up_all_that_a_pack_names(tmp_path: Path, recorded_faces: list[FaceFile]) -> None:
    found: set[Any] = set()

    class Watch(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            found.add((module, name))
            return (lambda *arguments: np.ndarray.__new__(np.ndarray, (0,))) if name == "_reconstruct" else _known(name)

    def _known(name: str) -> Any:
        return {"ndarray": np.ndarray, "dtype": np.dtype}.get(name, int)

    content = _list_of(_write(tmp_path / FACESET_PAK, [_packed(face) for face in recorded_faces]))
    with (tmp_path / "list").open("wb+") as file:
        file.write(content)
        file.seek(0)
        rows = Watch(file).load()
    assert found == LOADABLE
    assert max(opcode.proto for opcode, _, _ in pickletools.genops(content)) <= 4
    assert rows[5]["xseg_mask_compressed"].dtype == np.uint8


@pytest.mark.parametrize("kind", ["", "person"])
def test_recorded_packs_are_read(shared: Path, kind: str) -> None:
    folder = shared / "original" / "aligned"
    expected = json.loads((folder / "expected.json").read_text())
    wanted = expected[f"{kind}/faceset.pak" if kind else "faceset.pak"]["samples"]
    pak = folder / kind / FACESET_PAK
    members = read_members(pak)
    assert [(member.name, member.person) for member in members] == [
        (sample["filename"], sample["person_name"]) for sample in wanted
    ]
    faces = list_faceset(pak.parent)
    for member, face, sample in zip(members, faces, wanted, strict=True):
        content = read_member(pak, member)
        assert len(content) == sample["bytes"]
        assert hashlib.sha256(content).hexdigest() == sample["sha256"]
        assert content == (folder / member.name).read_bytes() == face.read_content()
        alone = read_face(folder / member.name)
        assert (face.name, face.person) == (sample["filename"], sample["person_name"])
        assert list(face.shape) == sample["shape"]
        assert int(face.metadata.face_type) == sample["face_type"]
        assert face.metadata.source_filename == sample["source_filename"]
        assert (face.metadata.xseg_mask is not None) == sample["has_xseg_mask"]
        assert len(face.metadata.polygons) == sample["polys"]
        assert face.metadata.eyebrows_expand_mod == sample["eyebrows_expand_mod"]
        assert face.metadata.landmarks[0].tolist() == sample["landmarks_0"]
        assert np.array_equal(face.read_picture(), alone.picture)


@pytest.mark.parametrize("kind", ["", "person"])
def test_a_pack_of_the_recorded_files_is_the_recorded_one(shared: Path, tmp_path: Path, kind: str) -> None:
    folder = shared / "original" / "aligned"
    recorded = folder / kind / FACESET_PAK
    faces = []
    for member in read_members(recorded):
        face = read_face_file(folder / member.name)
        assert face
        faces.append(_packed(face, member.person))
    ours, theirs = _write(tmp_path / FACESET_PAK, faces), recorded.read_bytes()
    after = [16 + len(_list_of(content)) for content in (ours, theirs)]
    table = 8 * 13
    assert ours[after[0] : after[0] + table - 8] == theirs[after[1] : after[1] + table - 8]
    last = [int.from_bytes(c[a + table - 8 : a + table], "little") for c, a in zip((ours, theirs), after, strict=True)]
    assert last == [len(ours), len(theirs)]  # a place in the file, unlike the others
    assert ours[after[0] + table :] == theirs[after[1] + table :]


def test_a_relative_end_as_it_should_be_is_read_too(tmp_path: Path) -> None:
    (tmp_path / FACESET_PAK).write_bytes(_pack([{"filename": "a.jpg"}, {"filename": "b.jpg"}], [b"one", b"three"]))
    members = read_members(tmp_path / FACESET_PAK)
    assert [read_member(tmp_path / FACESET_PAK, member) for member in members] == [b"one", b"three"]


def test_an_empty_pack_is_an_empty_faceset(tmp_path: Path) -> None:
    (tmp_path / FACESET_PAK).write_bytes(_pack([], []))
    assert list_faceset(tmp_path) == []


def _rows(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"filename": name} | more for name in names]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\1",
        _pack(_rows("a.jpg"), [b"x"], version=2),
        struct.pack("<QQ", 1, 2**63) + b"x" * 50,
        struct.pack("<QQ", 1, 51) + b"x" * 50,
        _pack(b"cos\nsystem\n(Vtouch ran\ntR.", [b"x"]),
        _pack({"a": 1}, [b"x"]),
        _pack([1], [b"x"]),
        _pack([{}], [b"x"]),
        _pack([{"filename": 5}], [b"x"]),
        _pack(_rows("a.jpg", person_name=5), [b"x"]),
        _pack(_rows("../a.jpg"), [b"x"]),
        _pack(_rows("..\\a.jpg"), [b"x"]),
        _pack(_rows("/tmp/a.jpg"), [b"x"]),
        _pack(_rows("C:a.jpg"), [b"x"]),
        _pack(_rows("nul.jpg"), [b"x"]),
        _pack(_rows("a.jpg", person_name=".."), [b"x"]),
        _pack(_rows("a.jpg", person_name="a/b"), [b"x"]),
        _pack(_rows("a.jpg", "A.jpg"), [b"x", b"y"]),
        _pack(_rows("a.jpg", "b.jpg"), [b"x"], [0]),  # the table is too short
        _pack(_rows("a.jpg"), [], [0, 0])[:-1],
        _pack(_rows("a.jpg", "b.jpg"), [b"xy"], [0, 2**63, 2]),
        _pack(_rows("a.jpg", "b.jpg"), [b"xy"], [0, 3, 2]),
        _pack(_rows("a.jpg", "b.jpg", "c.jpg"), [b"xyz"], [0, 2, 1, 3]),  # going back
    ],
)
def test_hostile_and_damaged_packs_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FACESET_PAK).write_bytes(content)
    with pytest.raises(UserError, match=r"faceset\.pak"):
        read_members(tmp_path / FACESET_PAK)
    with pytest.raises(UserError):
        list_faceset(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FACESET_PAK]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_damage_is_an_error_or_a_faceset(
    data: st.DataObject, tmp_path: Path, face_pickles: dict[str, bytes], plain_jpeg: bytes
) -> None:
    picture = jpeg.with_payload(plain_jpeg, 0xEF, face_pickles["00009_0"], "")
    content = bytearray(_pack(_rows("a.jpg", "b.jpg", person_name="p"), [picture, picture]))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.one_of(st.integers(0, 200), st.integers(0, len(content))))
        match data.draw(st.sampled_from(["change", "drop", "double", "cut"])):
            case "change":
                content[place : place + 1] = bytes([data.draw(st.integers(0, 255))])
            case "drop":
                del content[place : place + data.draw(st.integers(1, 40))]
            case "double":
                content[place:place] = content[place : place + data.draw(st.integers(1, 400))]
            case _:
                del content[place:]
    pak = tmp_path / FACESET_PAK
    pak.write_bytes(content)
    try:
        members = read_members(pak)
        faces = list_faceset(tmp_path)
    except UserError:
        return
    assert sum(member.length for member in members) <= len(content)
    for face in faces:
        assert face.metadata.landmarks.shape == (68, 2)


def test_a_pack_that_is_cut_while_it_is_used_is_a_mendable_error(tmp_path: Path) -> None:
    pak = tmp_path / FACESET_PAK
    pak.write_bytes(_pack(_rows("a.jpg"), [b"picture"]))
    (member,) = read_members(pak)
    pak.write_bytes(pak.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"ends within a\.jpg"):
        read_member(pak, member)
    pak.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        read_member(pak, member)
