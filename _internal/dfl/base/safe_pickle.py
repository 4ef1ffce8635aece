"""Read foreign pickles without running them: numpy arrays, plain containers and numbers, nothing else.

The original keeps metadata and models as Python pickles. A pickle is a program; the standard reader runs whatever it
says. This reader knows only the names below. Arrays and number types are first read into placeholders, so that no
state from a file ever reaches numpy unchecked, and become plain arrays at the end.

A pickle refers to its own parts in two bytes. So what is copied is counted, and so are containers, which take more
memory than their opcodes: both are bound to the pickle's length. Parts that refer to one another unfold without end;
callers that walk them give a limit (`most_bytes`).
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError

_MAX_OPCODES = 50_000_000
_MAX_DEPTH = 100
_NUMBER_KINDS = "biuf"
_NUMBERS_AND_TEXTS = {type(None), bool, int, float, str, bytes}
_NUMBERS = {type(None), bool, int, float}
# What may be copied of a pickle's bytes: all of them, as text and as array; short bytes are one object in Python.
_MAX_COPIES, _COPIES_FREE = 2, 2**16
# What Python keeps of an opcode, about, with what reading notes of each part (dicts: half of it), and how much that may
# be of a pickle's length. Faces need 9 times as much as their pickles, empty lists 64 times.
_BYTES_OF = {
    "EMPTY_LIST": 64, "LIST": 72, "APPEND": 24, "EMPTY_DICT": 180, "DICT": 180, "SETITEM": 160, "SETITEMS": 160,
    "EMPTY_SET": 232, "FROZENSET": 232, "REDUCE": 120, "NEWOBJ": 120, "BUILD": 120, "MEMOIZE": 16, "MARK": 8, "NONE": 8,
    "NEWTRUE": 8, "NEWFALSE": 8, "EMPTY_TUPLE": 8, "BINGET": 8, "LONG_BINGET": 8, "GET": 8,
}  # fmt: skip
_BYTES_OF_OTHERS = 40
_MAX_TIMES, _TIMES_FREE = 48, 2**22
# A quick upper bound by counting opcode letters, which may be bytes of numbers; not for small pickles.
_QUICK_SIZES = {b"]": 64, b"l": 72, b"}": 180, b"d": 180, b"s": 160}
_QUICK_TIMES = 20
# Most of these files is numbers in lists, and harmless opcodes of one length follow each other by the hundred: one
# expression passes over them twenty times as fast as pickletools does (measured).
_HARMLESS = rb"[\]\[}{()tldeasubR.0NQ\x81\x85-\x89\x93\x94]|G.{8}|[Khq\x80].|M..|[Jj].{4}|c[^\n]*\n[^\n]*\n"
_ONE_HARMLESS = re.compile(_HARMLESS, re.DOTALL)
_RUN = re.compile(rb"(?:" + _HARMLESS + rb")*+", re.DOTALL)
# Opcodes followed by a length and that many bytes: how many bytes the length has.
_COUNTED = {
    code[0]: size
    for code, size in (
        (b"X", 4),  # BINUNICODE
        (b"\x8c", 1),  # SHORT_BINUNICODE
        (b"\x8d", 8),  # BINUNICODE8
        (b"B", 4),  # BINBYTES
        (b"C", 1),  # SHORT_BINBYTES
        (b"\x8e", 8),  # BINBYTES8
        (b"U", 1),  # SHORT_BINSTRING
        (b"\x8a", 1),  # LONG1
    )
}
_FRAME = 0x95


class _NumberType:
    """Stands for numpy.dtype: a plain number type and its byte order."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or len(code) > 4:
            raise pickle.UnpicklingError("a number type of a strange name")
        self.dtype = np.dtype(code)
        if self.dtype.kind not in _NUMBER_KINDS:
            raise pickle.UnpicklingError(f"arrays of {self.dtype} are not allowed")

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("a number type with hidden parts")
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray while a pickle is read. state: what it is made of at the end."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple):
            raise pickle.UnpicklingError("an array of a strange form")
        self.state = state

    def array(self, budget: "_Budget") -> NDArray[Any]:
        """The array itself, a copy of the pickle's bytes."""
        if self.state is None:
            raise pickle.UnpicklingError("an array without content")
        _, shape, kind, is_column_major, content = self.state
        if isinstance(content, str):
            content = budget.encoded(content)
        flat = np.frombuffer(content, kind.dtype)
        budget.take(flat.nbytes)
        return flat.reshape(shape, order="F" if is_column_major else "C").copy()


class _Budget:
    """Counts the bytes that reading one pickle copies."""

    def __init__(self, length: int) -> None:
        self._left = _MAX_COPIES * length + _COPIES_FREE

    def take(self, count: int) -> None:
        """Note a copy of so many bytes, before it is made."""
        self._left -= count
        if self._left < 0:
            raise pickle.UnpicklingError("it copies its parts again and again")

    def encoded(self, text: str) -> bytes:
        """The bytes of a latin-1 text."""
        self.take(len(text))
        return text.encode("latin1")

    def codecs_encode(self, text: str, encoding: str) -> bytes:
        """What `_codecs.encode` does for pickles of protocol 2, whose bytes are latin-1 text."""
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"encoding {encoding!r} is not expected in these files")
        return self.encoded(text)


def _reconstruct(subtype: object, shape: object, kind: object) -> _Array:
    """The start of every pickled array: an empty one, which the state then fills."""
    if subtype is not _Array:
        raise pickle.UnpicklingError("an array that is not built the usual way")
    return _Array()


def _scalar(kind: _NumberType, content: bytes | str = b"") -> int | float | bool:
    """A numpy number as a plain Python number."""
    if len(content) != kind.dtype.itemsize:
        raise pickle.UnpicklingError("a number of a strange length")
    data = content.encode("latin1") if isinstance(content, str) else content
    value: int | float | bool = np.frombuffer(data, kind.dtype)[0].item()
    return value


def _no_bytes() -> bytes:
    """How protocols up to 2 write bytes of length 0."""
    return b""


def _enum_value(value: object) -> int:
    """The original's enums (FaceType, SampleType) as their plain integers."""
    if not isinstance(value, int):
        raise pickle.UnpicklingError("an enum without a number")
    return value


class _Function:
    """What a pickle may call. A bare function would let a pickle set its attributes, for all later files too."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes what it was given")


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _NumberType,
    ("__builtin__", "bytes"): _Function(_no_bytes),
    ("facelib.FaceType", "FaceType"): _Function(_enum_value),
    ("samplelib.Sample", "SampleType"): _Function(_enum_value),
}
# numpy 1 and numpy 2 spell the module differently.
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _KNOWN[_module, "_reconstruct"] = _Function(_reconstruct)
    _KNOWN[_module, "scalar"] = _Function(_scalar)


class _ClosedUnpickler(pickle.Unpickler):
    def __init__(self, content: bytes, budget: _Budget) -> None:
        super().__init__(io.BytesIO(content))
        self._encode = _Function(budget.codecs_encode)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to another file")


def loads(content: bytes, name: str, most_bytes: int | None = None) -> Any:
    """Read one pickle of the original's files. `name` is the file, for the error.

    Returns plain containers, numbers, strings, bytes and numpy arrays. most_bytes: of what it holds when every part is
    counted as often as it is referred to; needed by callers that go through all of it. Raises UserError for anything
    else, for damaged bytes, and for pickles that ask for memory out of proportion to their length.
    """
    try:
        _check_proportions(content)
        budget = _Budget(len(content))
        value = _plain(_ClosedUnpickler(content, budget).load(), {}, budget)
        if most_bytes is not None and not _unfolds_within(value, most_bytes):
            raise pickle.UnpicklingError("its parts refer to one another without end")
        return value
    except RecursionError:
        reason = "it is nested too deeply"
    except MemoryError:
        reason = "it asks for too much memory"
    except Exception as error:  # noqa: BLE001 - damaged pickles raise nearly every type there is
        reason = str(error) or type(error).__name__
    raise UserError(
        f"{name} is damaged or holds more than pictures' data: {reason}.",
        "Nothing in it was run. Use another copy of the file, from a source that you trust.",
    )


def _check_proportions(content: bytes) -> None:
    """Refuse what a few bytes could use to reserve gigabytes, and opcodes that these files never have."""
    offset, end, is_long = 0, len(content), len(content) > _MAX_OPCODES
    count = 0
    if 64 * end > _TIMES_FREE:
        seen = sum(size * content.count(letter) for letter, size in _QUICK_SIZES.items())
        if seen > _QUICK_TIMES * end + _TIMES_FREE:
            _check_each(content)
            return
    while True:
        run = _RUN.match(content, offset)
        stop = run.end() if run else offset
        if is_long:  # else there are fewer opcodes than bytes
            count += 1 + sum(1 for _ in _ONE_HARMLESS.finditer(content, offset, stop))
            if count > _MAX_OPCODES:
                raise pickle.UnpicklingError("it has too many parts")
        if stop >= end:
            return  # the unpickler reports what is missing
        size = _COUNTED.get(content[stop])
        if size is not None:
            length = int.from_bytes(content[stop + 1 : stop + 1 + size], "little")
            offset = stop + 1 + size + length
        elif content[stop] == _FRAME:
            offset = stop + 9
        else:
            break  # an opcode of old protocols, one that may do harm, or no opcode
        if offset > end:
            raise pickle.UnpicklingError("it is cut")
    _check_each(content)


def _check_each(content: bytes) -> None:
    """The same, opcode by opcode."""
    taken, most = 0, _MAX_TIMES * len(content) + _TIMES_FREE
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if count > _MAX_OPCODES:
            raise pickle.UnpicklingError("it has too many parts")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise pickle.UnpicklingError("it numbers more parts than it has bytes")
        if opcode.name in ("EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER", "INST", "OBJ"):
            raise pickle.UnpicklingError(f"it uses {opcode.name}")
        taken += _BYTES_OF.get(opcode.name, _BYTES_OF_OTHERS)
        if taken > most:
            raise pickle.UnpicklingError("it asks for too much memory")


def _plain(value: Any, done: dict[int, Any], budget: _Budget, depth: int = 0) -> Any:
    """Replace the placeholders by their content. `done` keeps shared parts shared (and bounds the work)."""
    if type(value) in _NUMBERS_AND_TEXTS or _is_flat_list(value):
        return value
    if depth > _MAX_DEPTH:
        raise RecursionError
    key = id(value)
    if key in done:
        return done[key]
    if isinstance(value, _Array):
        done[key] = value.array(budget)
    elif isinstance(value, list):
        done[key] = value
        # Landmarks are lists of short lists: most of them are decided here.
        value[:] = [item if _is_flat_list(item) else _plain(item, done, budget, depth + 1) for item in value]
    elif isinstance(value, dict):
        done[key] = value
        for name in value:
            value[name] = _plain(value[name], done, budget, depth + 1)
        _check_hashed(value)
    elif isinstance(value, tuple):
        done[key] = tuple(_plain(item, done, budget, depth + 1) for item in value)
    elif isinstance(value, set | frozenset):
        _check_hashed(value)
        done[key] = value
    elif isinstance(value, bytearray):
        budget.take(len(value))
        done[key] = bytes(value)
    else:
        raise pickle.UnpicklingError(f"it holds a {type(value).__name__.strip('_')}")
    return done[key]


def _unfolds_within(value: Any, most_bytes: int) -> bool:
    """Whether a value is no larger, each part counted as often as it is referred to. Goes no further than that."""
    left, waiting = most_bytes, [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str | bytes | np.ndarray):
            left -= part.nbytes if isinstance(part, np.ndarray) else len(part)
        elif isinstance(part, dict):
            waiting += part
            waiting += part.values()
        elif isinstance(part, list | tuple):
            left -= 8 * len(part)
            # Landmarks are lists of short lists of numbers: decided at once.
            kinds = set(map(type, part))
            if kinds <= {list}:
                left -= 8 * sum(map(len, part))
                if left < 0 or _NUMBERS.issuperset(map(type, chain.from_iterable(part))):
                    kinds = set()
            if not kinds <= _NUMBERS:
                waiting += part
        left -= 8
        if left < 8 * len(waiting):
            return False
    return True


def _is_flat_list(value: Any) -> bool:
    """Whether it is a list of numbers and texts, which stays as it is."""
    return type(value) is list and _NUMBERS_AND_TEXTS.issuperset(map(type, value))


def _check_hashed(values: Iterable[Any]) -> None:
    """Keys of dicts and members of sets are texts or numbers in these files."""
    for value in values:
        if value is not None and not isinstance(value, bool | int | float | str | bytes):
            raise pickle.UnpicklingError(f"it has a {type(value).__name__.strip('_')} as a key")
