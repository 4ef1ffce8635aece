import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.base.pickle_writer import dumps
from dfl.faceset.face_metadata import FaceMetadata, metadata_to_dict
from dfl.faceset.rename import rename_all
from dfl.faceset.segmentation import Polygon, encode_mask
from dfl.faceset.sidecar import SidecarEntry, add_to_index, gather_notes, note_face, read_index, rename_in_index
from dfl.workspace import FACESET_INDEX, FACESET_LOCK
from tests.faceset_fixtures import files_of

PRINT = bytes(range(256))


@pytest.fixture
def metadata(tmp_path: Path, write_faces: Any) -> FaceMetadata:
    made: FaceMetadata = write_faces(tmp_path / "elsewhere", "a.jpg")["a.jpg"]
    return made


def _same(one: FaceMetadata, other: FaceMetadata) -> bool:
    return dumps(metadata_to_dict(one)) == dumps(metadata_to_dict(other))


@pytest.fixture
def full(metadata: FaceMetadata) -> FaceMetadata:
    return replace(
        metadata,
        xseg_mask=encode_mask(np.eye(32, dtype=np.float32)),
        polygons=(Polygon(True, metadata.landmarks[:5] / 3), Polygon(False, metadata.landmarks[9:12])),
        eyebrows_expand_mod=1.75,
        other={"confidence": 0.9, "note": ["é", None, {"a": 1}], "pitch_yaw_roll": (0.1, 0.2, 0.3), "raw": b"\0\xff"},
    )


def test_face_data_come_back_exactly(tmp_path: Path, metadata: FaceMetadata, full: FaceMetadata) -> None:
    plain = replace(metadata, image_to_face_mat=None)
    add_to_index(tmp_path, {"a.png": SidecarEntry(full, (64, 64, 3), PRINT), "顔.webp": SidecarEntry(plain, (8, 9, 3))})
    index = read_index(tmp_path)
    first, second = index.get("a.png"), index.get("顔.webp")
    assert first
    assert second
    assert _same(first.metadata, full)
    assert _same(second.metadata, plain)
    assert (first.shape, first.perceptual_hash) == ((64, 64, 3), PRINT)
    assert (second.shape, second.perceptual_hash) == ((8, 9, 3), None)
    assert index.get("b.png") is None
    assert json.loads((tmp_path / FACESET_INDEX).read_text(encoding="utf-8"))["format"] == 1


def test_notes_count_and_are_gathered(tmp_path: Path, metadata: FaceMetadata) -> None:
    add_to_index(tmp_path, {"a.png": SidecarEntry(metadata, (64, 64, 3))})
    note_face(tmp_path, "b.png", SidecarEntry(metadata, (32, 32, 3)))
    note_face(tmp_path, "a.png", SidecarEntry(metadata, (16, 16, 3)))
    (tmp_path / "faceset-7.jsonl").write_text('{"name": "c.png", "shape": [1')  # torn by a kill
    for _ in range(2):
        index = read_index(tmp_path)
        assert sorted(index.rows) == ["a.png", "b.png"]
        assert [entry.shape[0] for name in index.rows if (entry := index.get(name))] == [16, 32]
        gather_notes(tmp_path)
    assert set(files_of(tmp_path)) - {FACESET_LOCK} == {FACESET_INDEX, "elsewhere/a.jpg"}


def test_names_change_places(tmp_path: Path, metadata: FaceMetadata) -> None:
    rows = {
        name: SidecarEntry(metadata, (side, side, 3)) for side, name in enumerate(("a.png", "b.png", "gone.png"), 1)
    }
    add_to_index(tmp_path, rows)
    rename_in_index(tmp_path, {"a.png": "b.png", "b.png": "a.png", "other.png": "gone.png"})
    index = read_index(tmp_path)
    assert {name: entry.shape[0] for name in index.rows if (entry := index.get(name))} == {"b.png": 1, "a.png": 2}
    rename_in_index(tmp_path / "elsewhere", {"a.png": "b.png"})
    assert not (tmp_path / "elsewhere" / FACESET_INDEX).exists()


@pytest.mark.slow
def test_renaming_files_takes_their_entries_along(tmp_path: Path, write_faces: Any, kill_at_every: Any) -> None:
    folder = tmp_path / "aligned"
    names = {"a.png": "b.png", "b.png": "a.png", "c.png": "00000.png"}
    written = write_faces(folder, *names)
    gather_notes(folder)
    before = files_of(folder)

    def prepare() -> None:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        for name, content in before.items():
            (folder / name).write_bytes(content)

    def check(operation: int) -> None:
        rename_all(folder, {})  # finishes
        is_done = "00000.png" in files_of(folder)
        for old, new in names.items():
            name = new if is_done else old
            entry = read_index(folder).get(name)
            assert entry
            assert _same(entry.metadata, written[old])
            assert (folder / name).read_bytes() == before[old]

    assert kill_at_every(lambda: rename_all(folder, names), prepare, check) > 6


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2, "faces": {}}', '{"format": 1, "faces": {"a": 5}}'])
def test_a_damaged_index_is_a_mendable_error(tmp_path: Path, content: str) -> None:
    (tmp_path / FACESET_INDEX).write_text(content)
    with pytest.raises(UserError, match=r"faceset\.json"):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("landmarks", None),
        ("landmarks", "AAAA"),
        ("landmarks", "é"),
        ("landmarks", [[1, 2]] * 68),
        ("source_rect", [1, 2, 3]),
        ("source_rect", [10**30, 0, 0, 0]),
        ("source_rect", "text"),
        ("image_to_face_mat", [[1, 2], [3, 4]]),
        ("image_to_face_mat", [[1, 2, 3], [4, 5]]),
        ("face_type", "nobody"),
        ("shape", [100_000, 100_000, 3]),
        ("shape", [0, 5, 3]),
        ("shape", 5),
        ("shape", [1.5, 2, 3]),
        ("likeness", "AAAA"),
        ("polygons", [{}]),
        ("polygons", [{"includes": True, "points": "x"}]),
        ("eyebrows_expand_mod", "much"),
        ("other", 5),
        ("other_pickled", "AAAA"),
    ],
)
def test_a_damaged_entry_is_a_mendable_error_of_its_own(
    tmp_path: Path, full: FaceMetadata, key: str, value: Any
) -> None:
    add_to_index(tmp_path, {name: SidecarEntry(full, (64, 64, 3), PRINT) for name in ("a.png", "b.png")})
    index = read_index(tmp_path)
    index.rows["a.png"][key] = value
    with pytest.raises(UserError, match=r"a\.png"):
        index.get("a.png")
    assert index.get("b.png")


def test_pickled_leftovers_cannot_run_anything(tmp_path: Path, full: FaceMetadata) -> None:
    import base64
    import os

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    add_to_index(tmp_path, {"a.png": SidecarEntry(full, (64, 64, 3))})
    index = read_index(tmp_path)
    index.rows["a.png"]["other_pickled"] = base64.b64encode(pickle.dumps(Evil())).decode()
    with pytest.raises(UserError, match="damaged or holds more"):
        index.get("a.png")
    assert not (tmp_path / "ran").exists()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_damage_is_an_error_or_entries(data: st.DataObject, tmp_path: Path, full: FaceMetadata) -> None:
    path = tmp_path / FACESET_INDEX
    path.unlink(missing_ok=True)
    add_to_index(tmp_path, {"a.png": SidecarEntry(full, (64, 64, 3), PRINT)})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    try:
        index = read_index(tmp_path)
        for name in index.rows:
            index.get(name)
    except UserError:
        return


_BUSY = """
import pickle, sys
from pathlib import Path
from dfl.faceset.sidecar import add_to_index, gather_notes, note_face, read_index

folder, entry, who = Path(sys.argv[1]), pickle.loads(bytes.fromhex(sys.argv[2])), sys.argv[3]
for number in range(25):
    note_face(folder, f"{who}{number}.png", entry)
    if number % 5 == 0:
        gather_notes(folder)
    if number % 7 == 0:
        add_to_index(folder, {f"{who}{number}_added.png": entry})
    seen = read_index(folder)
    assert all(f"{who}{other}.png" in seen for other in range(number + 1)), number
gather_notes(folder)
"""


def test_two_programs_on_one_folder_lose_no_face_data(tmp_path: Path, metadata: FaceMetadata) -> None:
    folder = tmp_path / "aligned"
    folder.mkdir()
    entry = pickle.dumps(SidecarEntry(metadata, (64, 64, 3))).hex()
    programs = [subprocess.Popen([sys.executable, "-c", _BUSY, str(folder), entry, who]) for who in "abc"]
    assert [program.wait() for program in programs] == [0, 0, 0]
    wanted = {f"{who}{number}.png" for who in "abc" for number in range(25)}
    wanted |= {f"{who}{number}_added.png" for who in "abc" for number in range(0, 25, 7)}
    assert set(read_index(folder).rows) == wanted
    assert set(json.loads((folder / FACESET_INDEX).read_text(encoding="utf-8"))["faces"]) == wanted
