import pickle
import struct
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.base.pickle_writer import dumps
from dfl.base.safe_pickle import loads
from tests.recorded import RECORDS

# Opcodes by hand: module and name on two lines, arguments in brackets, R calls, b sets a state, . ends.
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01btR"
F8 = b"cnumpy\ndtype\n(Vf8\nI0\nI1\ntR"
F8_STATE = b"(I3\nV<\nNNNI-1\nI-1\nI0\ntb"


class _Calls:
    """Pickled as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def _refused(content: bytes, reason: str = "") -> None:
    with pytest.raises(UserError, match=r"evil\.dat is damaged or holds more") as caught:
        loads(content, "evil.dat")
    assert reason in caught.value.what
    assert "Nothing in it was run" in caught.value.todo


@pytest.mark.parametrize("protocol", range(6))
def test_no_function_is_called(tmp_path: Path, protocol: int) -> None:
    ran = tmp_path / "ran"
    import builtins
    import os
    import subprocess

    for call in (
        _Calls(os.system, f"touch {ran}"),
        _Calls(subprocess.check_call, ["touch", str(ran)]),
        _Calls(builtins.eval, f"open({str(ran)!r}, 'w')"),
        _Calls(builtins.exec, f"open({str(ran)!r}, 'w')"),
        _Calls(builtins.getattr, os.PathLike, "register"),
        _Calls(np.load, str(ran)),
        _Calls(np.memmap, str(ran), "uint8", "w+", 0, (10,)),
        _Calls(open, str(ran), "w"),
        _Calls(bytearray, 10**12),
    ):
        _refused(pickle.dumps({"landmarks": [1.0, call]}, protocol), "it asks for")
    assert not ran.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"cos\nsystem\n(Vls\ntR.", "os.system"),
        (b"(Vls\nios\nsystem\n.", "INST"),
        (b"(cos\nsystem\nVls\no.", "OBJ"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"Pother file\n.", "another file"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"cnumpy\nndarray\n.", "holds"),  # a name alone
        (b"cnumpy.core.multiarray\n_reconstruct\n.", "holds"),
        (F8 + b".", "holds a NumberType"),
        (ARRAY + b".", "without content"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntC\x01btR.", "usual way"),
        (b"cnumpy\nndarray\n)R.", "without content"),
        # state for what the reader handed out would stay there for all later files
        (b"cnumpy.core.multiarray\n_reconstruct\n}Vx\nI1\nsb.", "changes"),
        (b"cnumpy.core.multiarray\nscalar\n(N}V__defaults__\n(I1\ntstb.", "changes"),
        (b"cnumpy\nndarray\n(N}V__init__\nI1\nstb.", ""),
        # arrays with parts that are no numbers
        (b"cnumpy\ndtype\n(VO8\nI0\nI1\ntR.", "not allowed"),
        (b"cnumpy\ndtype\n(VV8\nI0\nI1\ntR.", "not allowed"),
        (b"cnumpy\ndtype\n(VM8\nI0\nI1\ntR.", "not allowed"),
        (b"cnumpy\ndtype\n(Vi4,i4\nI0\nI1\ntR.", "strange name"),
        (b"cnumpy\ndtype\n(I5\ntR.", "strange name"),
        (F8 + b"(I3\nV<\n(Vx\ntNNI-1\nI-1\nI0\ntb.", "hidden parts"),
        (F8 + b"}Vx\nI1\nsb.", "hidden parts"),
        # content and shape that do not belong together
        (ARRAY + b"(I1\n(I-5\nI3\nt" + F8 + F8_STATE + b"I0\nC\x08abcdefghtb.", ""),
        (ARRAY + b"(I1\n(I1000000000000\nt" + F8 + F8_STATE + b"I0\nC\x08abcdefghtb.", "reshape"),
        (ARRAY + b"(I1\n(I1\nt" + F8 + F8_STATE + b"I0\nC\x07abcdefgtb.", ""),
        (ARRAY + b"(I1\n(I1\ntI5\nI0\nC\x08abcdefghtb.", ""),
        (ARRAY + b"(I1\n(I1\nt" + F8 + F8_STATE + b"I0\nNtb.", ""),
        (ARRAY + b"Vtext\nb.", ""),
        # numbers
        (b"cnumpy.core.multiarray\nscalar\n(" + F8 + b"C\x03abctR.", "strange length"),
        (b"cnumpy.core.multiarray\nscalar\n(" + F8 + b"tR.", "strange length"),
        (b"cnumpy.core.multiarray\nscalar\n(I5\nC\x03abctR.", ""),
        (b"c_codecs\nencode\n(Va\nVrot13\ntR.", "not expected"),
        (b"cfacelib.FaceType\nFaceType\n(Va\ntR.", "enum"),
        # keys
        (b"}" + ARRAY + b"I1\ns.", "as a key"),
        (b"\x80\x04\x8f(" + F8 + b"\x90.", "as a key"),
        (b"}(I1\nI2\ntI1\ns.", "as a key"),
        # sizes that a few bytes announce
        (b"r\xff\xff\xff\x7f.", "numbers more parts"),
        (b"Np4000000000\n.", "numbers more parts"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.", ""),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.", ""),
        (b"\x80\x02\x8b" + struct.pack("<i", -1) + b".", ""),
        (b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b".", ""),
        (b"I" + b"9" * 100_000 + b"\n.", ""),
        # damage
        (b"", ""),
        (b".", ""),
        (b"N", ""),
        (b"0.", ""),
        (b"\x80\x09N.", ""),
        (b"h\x05.", ""),
        (b"(lI1\na(I2\nb.", ""),
    ],
)
def test_hostile_and_damaged_pickles_are_refused(content: bytes, reason: str) -> None:
    _refused(content, reason)
    # and what came before leaves no trace
    assert loads(dumps({"a": np.arange(3)}), "good.dat")["a"].tolist() == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("depth", [150, 100_000])
@pytest.mark.parametrize("wrap", [(b"(", b"l", b""), (b"(", b"", b"t"), (b"]", b"", b"a")])
def test_deep_nesting_is_refused(depth: int, wrap: tuple[bytes, bytes, bytes]) -> None:
    opening, middle, closing = wrap
    content = (opening + middle) * depth + b"N" + (closing or b"a") * depth + b"."
    _refused(content, "nested too deeply")


def test_a_part_that_holds_itself_does_not_hang() -> None:
    value = loads(b"]q\x00h\x00a.", "odd.dat")
    assert value[0] is value


def test_doubling_parts_take_no_time() -> None:
    # each tuple holds the one before twice: 2 ** 90 leaves when counted one by one
    content = b"\x80\x02N" + b"2\x86" * 90 + b"."
    assert len(loads(content, "odd.dat")) == 2


@pytest.mark.parametrize("protocol", range(5))
def test_what_numpy_writes_is_read(protocol: int) -> None:
    rng = np.random.default_rng(5)
    value: dict[str, Any] = {
        "weights": rng.random((3, 4, 2)).astype(np.float32),
        "column major": np.asfortranarray(rng.random((3, 5))),
        "big endian": np.arange(7, dtype=">i2"),
        "half": np.linspace(0, 1, 9, dtype=np.float16),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 3), np.uint8),
        "single": np.array(3.5),
        "view": np.arange(20)[::3],
        "number": np.float32(0.25),
        "count": np.int64(-7),
        "is it": np.bool_(True),
        "plain": [1, -2.5, "text é", b"\x00\xff", None, True, (1, (2,)), {"a": 2**70}],
    }
    if protocol == 4:  # before, sets are calls of a class; the original has none
        value["sets"] = [{3, 4}, frozenset([5])]
    value["again"] = value["weights"]
    content = pickle.dumps(value, protocol)
    for spelling in (content, content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")):
        if spelling != content and protocol == 4:
            continue  # texts have a length there; the original's own files are read below
        back = loads(spelling, "data.dat")
        for name, wanted in value.items():
            if isinstance(wanted, np.ndarray):
                assert np.array_equal(back[name], wanted), name
                assert back[name].dtype == wanted.dtype, name
                assert back[name].flags.writeable
            else:
                assert back[name] == wanted, name
        assert {type(back[name]) for name in ("number", "count", "is it")} == {float, int, bool}
        assert back["again"] is back["weights"]


def test_both_spellings_of_numpys_module_are_read() -> None:
    for module in (b"numpy.core.multiarray", b"numpy._core.multiarray"):
        array = ARRAY.replace(b"numpy.core.multiarray", module)
        content = array + b"(I1\n(I1\nt" + F8 + F8_STATE + b"I0\nC\x08" + struct.pack("<d", 2.5) + b"tb."
        assert loads(content, "data.dat").tolist() == [2.5]
        scalar = b"c" + module + b"\nscalar\n(" + F8 + F8_STATE + b"C\x08" + struct.pack("<d", 2.5) + b"tR."
        assert loads(scalar, "data.dat") == 2.5


def test_enums_of_the_original_are_numbers() -> None:
    content = b"(cfacelib.FaceType\nFaceType\n(I4\ntRcsamplelib.Sample\nSampleType\n(I1\ntRl."
    assert loads(content, "faceset.pak") == [4, 1]


def test_other_classes_are_named() -> None:
    _refused(pickle.dumps(OrderedDict(a=1)), "collections.OrderedDict")
    _refused(pickle.dumps(np.array(["text"])), "not allowed")
    _refused(pickle.dumps(np.array([{}], dtype=object)), "not allowed")
    _refused(pickle.dumps(np.zeros(3), 5), "it asks for")  # as numpy writes under protocol 5; the original never does


@given(content=st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_random_bytes_give_plain_values_or_an_error(content: bytes) -> None:
    for start in (b"", b"\x80\x04", ARRAY, F8):
        try:
            value = loads(start + content + b".", "odd.dat")
        except UserError:
            continue
        assert _is_plain(value)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_changed_bytes_give_plain_values_or_an_error(data: st.DataObject) -> None:
    content = bytearray(_GOOD[data.draw(st.integers(0, len(_GOOD) - 1))])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] = data.draw(st.integers(0, 255))
        else:
            content[place : place + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))
        if not content:
            break
    try:
        value = loads(bytes(content), "odd.dat")
    except UserError:
        return
    assert _is_plain(value)


def _is_plain(value: Any, depth: int = 0) -> bool:
    if depth > 200:
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    if isinstance(value, dict):
        return all(_is_plain(part, depth + 1) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_plain(part, depth + 1) for part in value)
    return value is None or type(value) in (bool, int, float, str, bytes)


def _good_pickles() -> list[bytes]:
    value = {
        "iter": 40,
        "loss": [(0.5, 0.25)],
        "w/x:0": np.arange(6, dtype=np.float32).reshape(2, 3),
        "n": np.float64(2),
    }
    with np.load(RECORDS / "face_pickles.npz") as recorded:
        faces = [recorded[name].tobytes() for name in ("00005_0", "00009_0", "old_00009_0")]
    return [pickle.dumps(value, protocol) for protocol in range(5)] + faces


_GOOD = _good_pickles()


def test_the_fast_look_and_the_thorough_one_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    from dfl.base import safe_pickle

    dangerous = [b"r\xff\xff\xff\x7f0", b"\x96" + struct.pack("<Q", 2**40), b"\x82\x01", b"\x97", b"\x98", b"(ia\nb\n"]
    harmless = [
        b"]0",
        b"G12345678" + b"0",
        b"\x8c\x02rp0",
        b"X\x03\0\0\0abr0",
        b"Nq\xff0",
        b"\x8a\x01r0",
        b"C\x01\x960",
    ]
    for middle in dangerous:
        for before in harmless:
            for protocol in (b"\x80\x03", b"\x80\x04\x95" + struct.pack("<Q", 0)):
                _refused(protocol + before * 9 + middle + b"N.")
    for before in harmless:
        assert loads(b"\x80\x04" + before * 9 + b"N.", "good.dat") is None
    # counted, when a pickle is long
    monkeypatch.setattr(safe_pickle, "_MAX_OPCODES", 100)
    assert loads(b"\x80\x04C\xff" + bytes(255) + b"0N.", "good.dat") is None
    _refused(b"\x80\x04" + b"]0" * 60 + b"N.", "too many parts")
    _refused(b"\x80\x04" + b"C\x0000" * 120 + b"N.")


# What refers to one part again and again: a few bytes each time. `part` is of many bytes, in memo 0.
_BYTES_PART = b"B" + struct.pack("<I", 20_000) + bytes(20_000) + b"q\x000"
_TEXT_PART = b"X" + struct.pack("<I", 20_000) + b"a" * 20_000 + b"q\x000"
_KINDS = (
    F8.replace(b"Vf8", b"Vu1")
    + b"q\x010"
    + b"cnumpy.core.multiarray\n_reconstruct\nq\x02(cnumpy\nndarray\n(I0\ntC\x01bt"
)
_KINDS += b"q\x0300c_codecs\nencode\nq\x040h\x00Vlatin1\n\x86q\x050K\x01M\x20\x4e\x85q\x060"
_REPEATED = {
    "arrays over the same bytes": (_BYTES_PART, b"h\x02h\x03R(K\x01h\x06h\x01\x89h\x00tb"),
    "arrays over the same text": (_TEXT_PART, b"h\x02h\x03R(K\x01h\x06h\x01\x89h\x00tb"),
    "texts made bytes": (_TEXT_PART, b"h\x04h\x05R"),
    "empty lists": (b"", b"]"),
    "empty dicts": (b"", b"}"),
    "empty sets": (b"", b"\x8f"),
    "dicts of one": (b"", b"}K\x01Ns"),
    "lists of one": (b"", b"]Na"),
    "bytes that can change": (b"\x96" + struct.pack("<Q", 20_000) + bytes(20_000) + b"q\x000", b"h\x00"),
}


def _most_memory(content: bytes, *most: int) -> int:
    """The most that reading takes at once, whether it is refused or not."""
    tracemalloc.start()
    try:
        loads(content, "evil.dat", *most)
    except UserError:
        pass
    finally:
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return taken


def _repeating(way: str, count: int) -> bytes:
    part, again = _REPEATED[way]
    return b"\x80\x05" + part + (_KINDS if part and part[0] != 0x96 else b"") + b"(" + again * count + b"l."


@pytest.mark.slow
@pytest.mark.parametrize("way", _REPEATED)
@pytest.mark.parametrize("count", [10, 100_000])
def test_no_part_is_copied_out_of_proportion(way: str, count: int) -> None:
    content = _repeating(way, count)
    assert _most_memory(content) < 60 * len(content) + 5 * 2**20


def test_arrays_over_the_same_bytes_are_refused() -> None:
    _refused(_repeating("arrays over the same bytes", 1000), "copies its parts again and again")
    _refused(_repeating("texts made bytes", 1000), "copies its parts again and again")
    _refused(_repeating("empty sets", 200_000), "too much memory")
    assert len(loads(_repeating("arrays over the same bytes", 2), "data.dat")) == 2


_CODES = [bytes([code]) for code in b"]}(ltdaesN2\x85\x86\x94\x8f\x90)0"] + [b"K\x05", b"h\x00", b"h\x01", b"C\x01a"]
_CODES += [_REPEATED[way][1] for way in ("texts made bytes", "arrays over the same bytes")]


@pytest.mark.slow
@given(ways=st.lists(st.tuples(st.sampled_from(_CODES), st.integers(1, 3000)), max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_program_takes_memory_out_of_proportion(ways: list[tuple[bytes, int]]) -> None:
    content = b"\x80\x05" + _TEXT_PART + _KINDS + b"(" + b"".join(code * count for code, count in ways) + b"."
    assert _most_memory(content) < 60 * len(content) + 6 * 2**20


@pytest.mark.parametrize(
    "leaf", [b"Nq\x000", b"G" + bytes(8) + b"q\x000", _TEXT_PART], ids=["nothing", "number", "text"]
)
def test_parts_that_refer_to_one_another_unfold_no_further_than_is_asked_for(leaf: bytes) -> None:
    content = b"\x80\x05" + leaf
    for level in range(6):  # 100 of the one before: 10 ** 12 of the first
        content += b"(" + (b"h" + bytes([level])) * 100 + b"lq" + bytes([level + 1]) + b"0"
    content += b"h\x06."
    loads(content, "evil.dat")  # harmless until somebody goes through it
    with pytest.raises(UserError, match="without end"):
        loads(content, "evil.dat", 2**20)
    with pytest.raises(UserError, match="without end"):
        loads(b"]q\x00h\x00ah\x00a.", "evil.dat", 2**20)


def test_real_data_unfold_within_their_length() -> None:
    for content in _GOOD:
        loads(content, "good.dat", len(content) + 1000)
