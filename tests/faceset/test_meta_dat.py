import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl.base import jpeg, pickle_writer, safe_pickle
from dfl.base.errors import UserError
from dfl.faceset.aligned_face import read_metadata
from dfl.faceset.face_metadata import metadata_to_dict
from dfl.faceset.meta_dat import read_meta_dat, rename_in_meta_dat, write_meta_dat
from dfl.faceset.sidecar import SidecarEntry
from dfl.workspace import META_DAT
from tests.recorded import RECORDS


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The original's own meta.dat."""
    with np.load(RECORDS / "pak_lists.npz") as lists:
        (tmp_path / META_DAT).write_bytes(lists["meta_dat"].tobytes())
    return tmp_path / META_DAT


def test_the_originals_file_is_read_and_written_with_equal_values(
    recorded: Path, face_pickles: dict[str, bytes], plain_jpeg: bytes
) -> None:
    entries = read_meta_dat(recorded)
    assert len(entries) == 12
    for name, entry in entries.items():
        data = face_pickles[Path(name).stem]
        alone = read_metadata(jpeg.with_payload(plain_jpeg, 0xEF, data, ""), name)
        assert alone
        assert pickle_writer.dumps(metadata_to_dict(entry.metadata)) == pickle_writer.dumps(metadata_to_dict(alone))
        assert entry.shape == (256, 256, 3)
    again = recorded.with_name("again.dat")
    write_meta_dat(again, entries)
    theirs = safe_pickle.loads(recorded.read_bytes(), "")
    ours = safe_pickle.loads(again.read_bytes(), "")
    assert list(ours) == list(theirs)
    for name in theirs:
        if name != "00009_0.jpg":  # its polygons: those that include come first after any loading
            assert pickle_writer.dumps(ours[name]) == pickle_writer.dumps(theirs[name])
    assert again.read_bytes()[:2] == b"\x80\x04"
    assert b"numpy._core" not in again.read_bytes()


def test_names_change_places(recorded: Path) -> None:
    before = read_meta_dat(recorded)
    rename_in_meta_dat(recorded, {"00001_0.jpg": "00002_0.jpg", "00002_0.jpg": "00001_0.jpg", "x": "00003_0.jpg"})
    after = read_meta_dat(recorded)
    assert after["00002_0.jpg"].metadata.source_filename == before["00001_0.jpg"].metadata.source_filename
    assert after["00001_0.jpg"].metadata.source_filename == before["00002_0.jpg"].metadata.source_filename
    assert "00003_0.jpg" not in after


class _Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(
    "values",
    [
        [],
        {5: ((1, 1, 3), {})},
        {"a.jpg": 5},
        {"a.jpg": ((1, 1, 3),)},
        {"a.jpg": ((1, 1), {})},
        {"a.jpg": ((10**9, 10**9, 3), {})},
        {"a.jpg": ((1.0, 1, 3), {})},
        {"a.jpg": ((1, 1, 3), 5)},
        {"a.jpg": ((1, 1, 3), {"landmarks": []})},
        {"a.jpg": ((1, 1, 3), _Evil())},
        _Evil(),
    ],
)
def test_damaged_and_hostile_files_are_refused(tmp_path: Path, values: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / META_DAT).write_bytes(pickle.dumps(values, 4))
    with pytest.raises(UserError, match=r"meta\.dat"):
        read_meta_dat(tmp_path / META_DAT)
    assert not (tmp_path / "ran").exists()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_damage_is_an_error_or_entries(data: st.DataObject, recorded: Path, tmp_path: Path) -> None:
    name, value = next(iter(safe_pickle.loads(recorded.read_bytes(), "").items()))
    content = bytearray(pickle_writer.dumps({name: value}))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    damaged = tmp_path / "damaged.dat"
    damaged.write_bytes(content)
    try:
        entries = read_meta_dat(damaged)
    except UserError:
        return
    assert all(isinstance(entry, SidecarEntry) for entry in entries.values())
