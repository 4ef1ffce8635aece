"""What was merged, so that a stopped run goes on and a finished one has nothing to do.

`merge.journal` beside the merged pictures, a JSON value a line: an object tells one way in which frames were made
(models, iterations, settings) under a short name; a list names a frame whose files are written, with a print of what
they were made from and the way. A line that was cut off by a crash does not count.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dfl.base.files import write_text
from dfl.base.system_errors import to_user_error

Look = Mapping[str, Any]  # JSON values: how a frame is made
# What a network is known by where the digest of its weights is known: then its name and iteration do not count.
DIGESTS = {"weights": ("model", "iteration"), "xseg_weights": ("xseg_iteration",)}


def name_of(look: Look) -> str:
    """A short text that differs for different looks."""
    faces = [_without(face, [name for key in DIGESTS if key in face for name in DIGESTS[key]]) for face in _faces(look)]
    known_by = {**look, "faces": faces} if faces else look
    return hashlib.sha256(json.dumps(known_by, sort_keys=True).encode()).hexdigest()[:16]


def _faces(look: Look) -> Iterable[Mapping[str, Any]]:
    faces = look.get("faces", [])
    return faces if isinstance(faces, list) and all(isinstance(face, dict) for face in faces) else []


def _without(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    gone = set(names)
    return {name: value for name, value in values.items() if name not in gone}


def _older(look: Look) -> Look:
    """The look as programs noted it that did not know weights by their digest."""
    return {**look, "faces": [_without(face, DIGESTS) for face in _faces(look)]}


class MergeJournal:
    """The open journal of one folder. Use as a context manager; `add` may be called from any one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looks, self._done, self._sizes = _read(path)

    def __enter__(self) -> Self:
        used = {look for _, look in self._done.values()}
        looks = [{"look": name, "made": look} for name, look in self._looks.items() if name in used]
        self._looks = {entry["look"]: entry["made"] for entry in looks}
        entries = [[stem, *entry, *self._size(stem)] for stem, entry in self._done.items()]
        write_text(self._path, "".join(f"{json.dumps(line)}\n" for line in [*looks, *entries]))
        self._file = self._path.open("a", encoding="utf-8", newline="\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        with suppress(OSError):  # of a full disk, met and told of before: the line that is lost is a frame done again
            self._file.close()

    def has(self, stem: str, source: str, look: Look) -> bool:
        """Whether a frame was made from this source in this way."""
        done = self._done.get(stem)
        return done is not None and done[0] == source and done[1] in (name_of(look), name_of(_older(look)))

    def look_of(self, stem: str) -> Look | None:
        """How a frame was made; None for one that was not."""
        entry = self._done.get(stem)
        return self._looks.get(entry[1]) if entry else None

    def is_changed(self, stem: str, size: int) -> bool:
        """Whether a frame's files were of another size when they were written: somebody has edited them since."""
        return self._sizes.get(stem, size) != size

    def _size(self, stem: str) -> list[int]:
        return [self._sizes[stem]] if stem in self._sizes else []

    def add(self, stem: str, source: str, look: Look, size: int | None = None) -> None:
        """Note a frame whose files are written. size: bytes of its picture and mask together."""
        name = name_of(look)
        lines: list[Any] = []
        if name not in self._looks:
            self._looks[name] = json.loads(json.dumps(look))
            lines.append({"look": name, "made": look})
        self._done[stem] = (source, name)
        self._sizes |= {} if size is None else {stem: size}
        lines.append([stem, source, name, *self._size(stem)])
        try:
            self._file.write("".join(f"{json.dumps(line)}\n" for line in lines))
            self._file.flush()
        except OSError as error:
            raise to_user_error(error, self._path) from error

    @property
    def stems(self) -> set[str]:
        """All frames that were made, whether they are still there or not."""
        return set(self._done)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, tuple[str, str]], dict[str, int]]:
    """The looks by name; of every frame source and look, and its size; empty for no journal or one that is none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return {}, {}, {}
    looks: dict[str, Any] = {}
    done: dict[str, tuple[str, str]] = {}
    sizes: dict[str, int] = {}
    for value in map(_parsed, lines[:-1]):
        if isinstance(value, dict) and isinstance(value.get("look"), str) and isinstance(value.get("made"), dict):
            looks[value["look"]] = value["made"]
        elif isinstance(value, list) and len(value) in (3, 4) and all(isinstance(part, str) for part in value[:3]):
            done[value[0]] = (value[1], value[2])
            sizes |= {value[0]: value[3]} if type(value[-1]) is int else {}
    done = {stem: entry for stem, entry in done.items() if entry[1] in looks}
    return looks, done, {stem: size for stem, size in sizes.items() if stem in done}


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
