import io
import os
import pickle
import pickletools
import struct
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.pickle_writer import EnumValue, dump_dict, dump_list, dumps
from dfl.base.safe_pickle import loads
from tests.recorded import RECORDS


def test_what_is_written_is_read_by_us_and_by_python() -> None:
    value = {
        "array": np.arange(12, dtype=np.float32).reshape(3, 4),
        "column major": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big endian": np.arange(3, dtype=">u2"),
        "bytes": np.arange(70_000, dtype=np.uint8),
        "flags": np.array([True, False]),
        "plain": [1, -2.5, "é", b"\xff", None, False, (1, 2), {"a": 2**70}, {3}, frozenset([4])],
    }
    content = dumps(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy 2 says that the module's name is old
        python = pickle.loads(content)
    for back in (loads(content, "x"), python):
        assert back["plain"] == value["plain"]
        for name in ("array", "column major", "big endian", "bytes", "flags"):
            assert np.array_equal(back[name], value[name])
            assert back[name].dtype.newbyteorder("=") == value[name].dtype.newbyteorder("=")


def test_only_names_that_numpy_1_has_are_written() -> None:
    content = dumps([np.zeros(2), np.zeros(2, np.float32)])
    assert content[:2] == b"\x80\x04"
    texts = {argument for opcode, argument, _ in pickletools.genops(content) if "UNICODE" in opcode.name}
    assert texts == {"numpy.core.multiarray", "_reconstruct", "numpy", "ndarray", "dtype", "f8", "f4", "<"}


def test_pickles_of_the_original_are_written_equal_to_the_byte() -> None:
    with np.load(RECORDS / "face_pickles.npz") as recorded:
        names = [name for name in recorded.files if not name.startswith("old_")]
        assert len(names) == 12
        for name in names:
            content = recorded[name].tobytes()
            assert dumps(loads(content, name)) == content


def test_enums_are_written_as_the_originals_pack_has_them(shared: Path) -> None:
    pack = (shared / "original" / "aligned" / "faceset.pak").read_bytes()
    (length,) = struct.unpack_from("<Q", pack, 8)
    content = pack[16 : 16 + length]
    samples = loads(content, "faceset.pak")
    again = loads(content, "faceset.pak")
    for sample in samples:
        sample["sample_type"] = EnumValue("samplelib.Sample", "SampleType", sample["sample_type"])
        sample["face_type"] = EnumValue("facelib.FaceType", "FaceType", sample["face_type"])
    written = dumps(samples)
    # Equal up to the first mask: whether number types are shared between files is chance.
    assert _parts(written)[:2000] == _parts(content)[:2000]
    assert dumps(loads(written, "x")) == dumps(again)


def _parts(content: bytes) -> list[Any]:
    return [(opcode.name, value) for opcode, value, _ in pickletools.genops(content) if opcode.name != "FRAME"]


@pytest.mark.parametrize(
    "value",
    [
        object(),
        print,
        np.float32(1),
        np.array(["text"]),
        np.array([{}], object),
        np.array([1j]),
        Path("x"),
        bytearray(b"x"),
        EnumValue,
    ],
)
def test_what_has_no_place_in_the_originals_files_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="no place in the original's files"):
        dumps({"a": [value]})


def _rows(count: int) -> list[Any]:
    kind = EnumValue("facelib.FaceType", "FaceType", 2)
    return [
        {"name": f"{n}.jpg", "kind": kind, "shape": (n, [n]), "mask": np.arange(n % 7, dtype=np.uint8), "none": None}
        for n in range(count)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 2, 1000, 1001, 2500])
def test_a_stream_of_items_is_written_as_the_whole(count: int) -> None:
    target = io.BytesIO()
    dump_list((row for row in _rows(count)), target)
    assert target.getvalue() == dumps(_rows(count))
    target = io.BytesIO()
    dump_dict(((row["name"], row) for row in _rows(count)), target)
    assert target.getvalue() == dumps({row["name"]: row for row in _rows(count)})


@pytest.mark.slow
def test_a_stream_is_not_held_in_memory() -> None:
    rows = ([float(n)] * 150 for n in range(5_000))
    with Path(os.devnull).open("wb") as nowhere:
        tracemalloc.start()
        dump_list(rows, nowhere)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4e6  # all of them take 6.5 MB and more
