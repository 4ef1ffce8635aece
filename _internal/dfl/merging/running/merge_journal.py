"""The merge journal: which frames are merged and how, so that a stopped run continues and a finished one does nothing.

`merge.journal` next to the merged pictures, one JSON value a line: an object is a render signature (models, iterations,
settings) under a short name; a list is a frame whose files are written, with a digest of its sources and the
signature's name. A line that was cut off by a crash is ignored.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dfl.base.files import write_text
from dfl.base.json_lines import to_lines, values_in
from dfl.base.system_errors import to_user_error

Signature = Mapping[str, Any]  # JSON values: all settings and models that a frame's pictures depend on
# Where the digest of a network's weights is known, it identifies the network: name and iteration are then ignored.
DIGESTS = {"weights": ("model", "iteration"), "xseg_weights": ("xseg_iteration",)}


def name_of(signature: Signature) -> str:
    """A short text that differs for different signatures."""
    faces = [
        _without(face, [name for key in DIGESTS if key in face for name in DIGESTS[key]]) for face in _faces(signature)
    ]
    identity = {**signature, "faces": faces} if faces else signature
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _faces(signature: Signature) -> Iterable[Mapping[str, Any]]:
    faces = signature.get("faces", [])
    return faces if isinstance(faces, list) and all(isinstance(face, dict) for face in faces) else []


def _without(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    gone = set(names)
    return {name: value for name, value in values.items() if name not in gone}


def _older(signature: Signature) -> Signature:
    """The signature as earlier versions wrote it, without the weights' digests."""
    return {**signature, "faces": [_without(face, DIGESTS) for face in _faces(signature)]}


class MergeJournal:
    """The open journal of one folder. Use as a context manager; `add` may be called from any one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signatures, self._done, self._sizes = _read(path)

    def __enter__(self) -> Self:
        used = {signature for _, signature in self._done.values()}
        signatures = [{"look": name, "made": signature} for name, signature in self._signatures.items() if name in used]
        self._signatures = {entry["look"]: entry["made"] for entry in signatures}
        entries = [[stem, *entry, *self._size(stem)] for stem, entry in self._done.items()]
        write_text(self._path, to_lines([*signatures, *entries]))
        self._file = self._path.open("a", encoding="utf-8", newline="\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        with suppress(OSError):  # full disk, already reported; a lost line only means that a frame is merged again
            self._file.close()

    def has(self, stem: str, source: str, signature: Signature) -> bool:
        """Whether a frame was merged from this source with this signature."""
        done = self._done.get(stem)
        return done is not None and done[0] == source and done[1] in (name_of(signature), name_of(_older(signature)))

    def signature_of(self, stem: str) -> Signature | None:
        """The signature that a frame was merged with; None if it was not."""
        entry = self._done.get(stem)
        return self._signatures.get(entry[1]) if entry else None

    def is_changed(self, stem: str, size: int) -> bool:
        """Whether the size of a frame's files has changed since they were written: then they were edited."""
        return self._sizes.get(stem, size) != size

    def _size(self, stem: str) -> list[int]:
        return [self._sizes[stem]] if stem in self._sizes else []

    def add(self, stem: str, source: str, signature: Signature, size: int | None = None) -> None:
        """Record a frame whose files are written. size: bytes of its picture and mask together."""
        name = name_of(signature)
        lines: list[Any] = []
        if name not in self._signatures:
            self._signatures[name] = json.loads(json.dumps(signature))
            lines.append({"look": name, "made": signature})
        self._done[stem] = (source, name)
        self._sizes |= {} if size is None else {stem: size}
        lines.append([stem, source, name, *self._size(stem)])
        try:
            self._file.write(to_lines(lines))
            self._file.flush()
        except OSError as error:
            raise to_user_error(error, self._path) from error

    @property
    def stems(self) -> set[str]:
        """All frames that were merged, whether their files still exist or not."""
        return set(self._done)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, tuple[str, str]], dict[str, int]]:
    """The signatures by name; of every frame source and signature, and its size; empty without a usable journal."""
    try:
        content = path.read_bytes()
    except OSError:
        return {}, {}, {}
    signatures: dict[str, Any] = {}
    done: dict[str, tuple[str, str]] = {}
    sizes: dict[str, int] = {}
    for value in values_in(content.rpartition(b"\n")[0]):
        if isinstance(value, dict) and isinstance(value.get("look"), str) and isinstance(value.get("made"), dict):
            signatures[value["look"]] = value["made"]
        elif isinstance(value, list) and len(value) in (3, 4) and all(isinstance(part, str) for part in value[:3]):
            done[value[0]] = (value[1], value[2])
            sizes |= {value[0]: value[3]} if type(value[-1]) is int else {}
    done = {stem: entry for stem, entry in done.items() if entry[1] in signatures}
    return signatures, done, {stem: size for stem, size in sizes.items() if stem in done}
