"""Write pickles that the original can load: its Python 3.6 (protocol 4 at most) and its NumPy 1.

NumPy 2 pickles its arrays under a module name that NumPy 1 does not have, hence a writer of our own: it writes numpy
arrays as NumPy 1 does, plain containers, numbers and texts, and refuses everything else.
"""

import io
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

PROTOCOL = 4
_PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset)


@dataclass(frozen=True)
class EnumValue:
    """A member of one of the original's enums, written as a reference to its class and its number."""

    module: str
    name: str
    value: int


@dataclass(frozen=True)
class _Name:
    """A class or function, written as module and name."""

    module: str
    name: str


@dataclass(frozen=True)
class _NumberType:
    """A number type by numpy's short name, such as "<f4"."""

    text: str


class _Stream:
    """A list (or, of pairs, a dict) whose items are made only when they are written."""

    def __init__(self, items: Iterable[Any], is_dict: bool) -> None:
        self.items, self.is_dict = items, is_dict


_RECONSTRUCT = _Name("numpy.core.multiarray", "_reconstruct")
_NDARRAY = _Name("numpy", "ndarray")
_DTYPE = _Name("numpy", "dtype")
_NO_CONTENT = b"b"
_ITEMS_REMEMBERED = 1000  # as many as the standard library's pickler takes at once
Item = TypeVar("Item")


def _may_be_shared(part: Any) -> bool:
    """Whether items that share nothing of their own can share it: bytes that short are one object in Python."""
    return isinstance(part, str | _Name | _NumberType | EnumValue) or (isinstance(part, bytes) and len(part) <= 1)


# The standard library's pickler in Python: the one in C cannot change how a name is written.
_PythonPickler: Any = pickle._Pickler


class _Writer(_PythonPickler):  # type: ignore[misc]
    dispatch: ClassVar[dict[type, Any]] = dict(_PythonPickler.dispatch)

    def __init__(self, target: BinaryIO) -> None:
        super().__init__(target, PROTOCOL)
        self._shared: dict[Any, Any] = {}  # equal names, number types and enums are one part of the pickle
        self._parts = 0
        self.memo: dict[int, tuple[int, Any]]

    def reducer_override(self, value: Any) -> Any:
        if type(value) not in (*_PLAIN, np.ndarray, _Name, EnumValue, _NumberType, _Stream):
            raise TypeError(f"a {type(value).__name__} has no place in the original's files")
        return NotImplemented

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Name | _NumberType | EnumValue):
            value = self._shared.setdefault(value, value)
        super().save(value, save_persistent_id)

    def memoize(self, value: Any) -> None:
        """Number a part of the pickle. The number is not the count of parts that are remembered: see _save_stream."""
        self.write(self.put(self._parts))
        self.memo[id(value)] = self._parts, value
        self._parts += 1

    def _save_stream(self, stream: _Stream) -> None:
        self.write(pickle.EMPTY_DICT if stream.is_dict else pickle.EMPTY_LIST)
        self.memoize(stream)
        write_all = self._batch_setitems if stream.is_dict else self._batch_appends
        write_all(self._forgetting(stream.items))

    def _forgetting(self, items: Iterable[Item]) -> Iterator[Item]:
        """Forget, now and then, all parts but those that later items can share: texts, names, number types, enums."""
        for number, item in enumerate(items):
            if number % _ITEMS_REMEMBERED == 0:
                self.memo = {key: part for key, part in self.memo.items() if _may_be_shared(part[1])}
            yield item

    def _reduce(self, value: Any, function: _Name, arguments: tuple[Any, ...], state: Any = None) -> None:
        self.save(function)
        self.save(arguments)
        self.write(pickle.REDUCE)
        self.memoize(value)
        if state is not None:
            self.save(state)
            self.write(pickle.BUILD)

    def _save_name(self, name: _Name) -> None:
        self.save(name.module)
        self.save(name.name)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(name)

    def _save_array(self, array: NDArray[Any]) -> None:
        if array.dtype.kind not in "biuf":
            raise TypeError(f"arrays of {array.dtype} have no place in the original's files")
        state = (1, array.shape, _NumberType(array.dtype.str), False, array.tobytes())
        self._reduce(array, _RECONSTRUCT, (_NDARRAY, np.empty(0).shape, _NO_CONTENT), state)

    def _save_number_type(self, kind: _NumberType) -> None:
        self._reduce(kind, _DTYPE, (kind.text[1:], False, True), (3, kind.text[0], None, None, None, -1, -1, 0))

    def _save_enum(self, member: EnumValue) -> None:
        self._reduce(member, _Name(member.module, member.name), (member.value,))


_Writer.dispatch |= {
    _Stream: _Writer._save_stream,
    np.ndarray: _Writer._save_array,
    _Name: _Writer._save_name,
    _NumberType: _Writer._save_number_type,
    EnumValue: _Writer._save_enum,
}


def dumps(value: Any) -> bytes:
    """Pickle plain containers, numbers, texts, bytes, number arrays and EnumValue; TypeError for anything else."""
    target = io.BytesIO()
    _Writer(target).dump(value)
    return target.getvalue()


def dump_list(items: Iterable[Any], target: BinaryIO) -> None:
    """Write a list of any length as dumps would, holding a thousand items at a time.

    The items share nothing but texts and enums. TypeError as for dumps.
    """
    _Writer(target).dump(_Stream(items, is_dict=False))


def dump_dict(items: Iterable[tuple[str, Any]], target: BinaryIO) -> None:
    """Write a dict, given as its pairs, in the same way."""
    _Writer(target).dump(_Stream(items, is_dict=True))
