"""`faceset.json`: the face data of a faceset's pictures, in the same folder.

PNG and WebP pictures have their face data here and nowhere else; JPEGs (after save-metadata) once more, against editors
that drop what they do not know. While faces are written, each process appends to a file of its own,
`faceset-PID.jsonl`; `gather_notes` puts those into faceset.json, and readers read both.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from dfl.base import pickle_writer, safe_pickle
from dfl.base.errors import UserError
from dfl.base.files import read_json, replacing
from dfl.base.json_lines import objects_in, to_lines
from dfl.base.notes import gathering, note, notes_of, read_notes
from dfl.base.system_errors import to_user_error
from dfl.faceset.face_metadata import MAX_METADATA_BYTES, FaceMetadata, metadata_from_dict
from dfl.faceset.perceptual_hash import BYTES
from dfl.workspace import FACESET_INDEX, FACESET_LOCK

_READ_ATTEMPTS = 5
_WAIT_SECONDS = 60.0
_FORMAT = 1
_MAX_EDGE = 8192
Row = dict[str, Any]  # an entry as it stands in the file


@dataclass(frozen=True, eq=False)
class SidecarEntry:
    """Face data of one picture, its (height, width, channels), and its perceptual hash (None: not known)."""

    metadata: FaceMetadata
    shape: tuple[int, int, int]
    perceptual_hash: bytes | None = None


class Sidecar:
    """The entries of faceset.json by file name. An entry is checked when `get` reads it."""

    def __init__(self, rows: dict[str, Row], source: Path) -> None:
        self.rows, self._source = rows, source

    @classmethod
    def empty(cls) -> "Sidecar":
        """An index of no face."""
        return cls({}, Path(FACESET_INDEX))

    def __contains__(self, name: str) -> bool:
        return name in self.rows

    def get(self, name: str) -> SidecarEntry | None:
        """The entry of a file; None when there is none. UserError when it is damaged."""
        row = self.rows.get(name)
        return None if row is None else _entry(row, f"{self._source}, {name}")


def read_index(folder: Path) -> Sidecar:
    """The entries of a folder's faceset.json and notes, perhaps none. UserError when faceset.json is damaged."""
    path = folder / FACESET_INDEX
    for _ in range(_READ_ATTEMPTS):
        before = _state(path)
        rows = _rows_of(path)
        for notes in notes_of(path):
            rows.update(_noted(read_notes(notes)))
        if _state(path) == before:
            break  # else another program gathered notes meanwhile, which may be in none of what was read
    return Sidecar(rows, path)


def _state(path: Path) -> tuple[int, int, list[Path]]:
    """What changes when faceset.json is written or notes are gathered."""
    state = path.stat() if path.exists() else None
    return (state.st_ino, state.st_mtime_ns, notes_of(path)) if state else (0, 0, notes_of(path))


def _rows_of(path: Path) -> dict[str, Row]:
    if not path.exists():
        return {}
    found = read_json(path)
    faces = found.get("faces") if isinstance(found, dict) and found.get("format") == _FORMAT else None
    if not isinstance(faces, dict) or not all(isinstance(row, dict) for row in faces.values()):
        raise UserError(f"{path} is damaged.", "Put back an older copy of it, or delete it.")
    return faces


def add_to_index(folder: Path, entries: Mapping[str, SidecarEntry]) -> None:
    """Write entries into faceset.json, over those of the same names; all or nothing. Notes are gathered too."""
    _update(folder, lambda rows: rows | {name: _row(entry) for name, entry in entries.items()})


def note_face(folder: Path, name: str, entry: SidecarEntry) -> None:
    """Note one face, cheaply, from any process: a killed run loses none. Call gather_notes at the end of the run."""
    note(folder / FACESET_INDEX, to_lines([{"name": name} | _row(entry)]))


def gather_notes(folder: Path) -> None:
    """Put the notes of all processes into faceset.json; what is noted while it is written waits for the next time."""
    if notes_of(folder / FACESET_INDEX):
        _update(folder, lambda rows: rows)


def rename_in_index(folder: Path, names: Mapping[str, str]) -> None:
    """Give entries new names: from old to new, all at once, so that names may be swapped.

    An entry that has a new name already, and gets no other, was of a file that is gone: it is dropped.
    """
    if not read_index(folder).rows:
        return
    taken = set(names.values())

    def renamed(rows: dict[str, Row]) -> dict[str, Row]:
        kept = {name: row for name, row in rows.items() if name not in names and name not in taken}
        return kept | {names[name]: row for name, row in rows.items() if name in names}

    _update(folder, renamed)


def _update(folder: Path, change: Callable[[dict[str, Row]], dict[str, Row]]) -> None:
    """Write faceset.json anew, with all notes, while no other program does; one face a line."""
    path = folder / FACESET_INDEX
    with _lock(path), gathering(path) as notes:
        rows = _rows_of(path)
        for content in notes:
            rows.update(_noted(content))
        rows = change(rows)
        with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(f'{{"format": {_FORMAT}, "faces": {{')
            for number, name in enumerate(sorted(rows)):
                file.write(f"{',' if number else ''}\n{json.dumps(name)}: {json.dumps(rows[name])}")
            file.write("\n}}\n")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep other programs from writing faceset.json meanwhile. The lock's file stays: deleting it would break it."""
    lock = FileLock(path.with_name(FACESET_LOCK))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_WAIT_SECONDS)
    except Timeout:
        raise UserError(
            f"Another program is writing {path}.", "Wait until it has finished, then start again."
        ) from None
    except OSError as error:
        raise to_user_error(error, path) from error
    try:
        yield
    finally:
        lock.release()


def _noted(content: bytes) -> dict[str, Row]:
    """The entries in a process's notes; a torn line does not count."""
    rows: dict[str, Row] = {}
    for row in objects_in(content):
        if isinstance(row.get("name"), str):
            rows[row.pop("name")] = row
    return rows


def _row(entry: SidecarEntry) -> Row:
    """An entry as JSON. Points as float32, little endian, base64: a tenth of the time and exact."""
    metadata = entry.metadata
    row: Row = {
        "shape": list(entry.shape),
        "face_type": metadata.face_type.file_name,
        "source_filename": metadata.source_filename,
        "source_rect": metadata.source_rect.tolist(),
        "landmarks": _packed(metadata.landmarks),
        "source_landmarks": _packed(metadata.source_landmarks),
    }
    if entry.perceptual_hash is not None:
        row["likeness"] = _text(entry.perceptual_hash)
    if metadata.image_to_face_mat is not None:
        row["image_to_face_mat"] = metadata.image_to_face_mat.tolist()
    if metadata.xseg_mask is not None:
        row["xseg_mask"] = _text(metadata.xseg_mask)
    if metadata.polygons:
        row["polygons"] = [{"includes": one.includes, "points": one.points.tolist()} for one in metadata.polygons]
    if metadata.eyebrows_expand_mod != 1.0:
        row["eyebrows_expand_mod"] = metadata.eyebrows_expand_mod
    plain = {key: value for key, value in metadata.other.items() if _is_json(value)}
    rest = {key: value for key, value in metadata.other.items() if key not in plain}
    if plain:
        row["other"] = plain
    if rest:
        row["other_pickled"] = _text(pickle_writer.dumps(rest))
    return row


def _entry(row: Row, name: str) -> SidecarEntry:
    """The entry of a row, which may come from anywhere. UserError when a part is wrong."""
    try:
        values: dict[str, Any] = dict(row.get("other", {}))
        if "other_pickled" in row:
            values |= safe_pickle.loads(_bytes(row["other_pickled"]), name, MAX_METADATA_BYTES)
        values |= {key: row[key] for key in ("face_type", "source_filename", "eyebrows_expand_mod") if key in row}
        values |= {key: _unpacked(row[key]) for key in ("landmarks", "source_landmarks")}
        values |= {key: np.array(row[key]) for key in ("source_rect", "image_to_face_mat") if key in row}
        if "xseg_mask" in row:
            values["xseg_mask"] = _bytes(row["xseg_mask"])
        if "polygons" in row:
            polygons = [{"type": int(one["includes"] is True), "pts": one["points"]} for one in row["polygons"]]
            values["seg_ie_polys"] = {"polys": polygons}
        shape = checked_shape(row["shape"])
        perceptual_hash = _bytes(row["likeness"]) if "likeness" in row else None
        is_whole = perceptual_hash is None or len(perceptual_hash) == BYTES
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        is_whole = False
    if not is_whole:
        raise UserError(f"The face data in {name} are damaged.", "Extract this face again, or delete it.")
    return SidecarEntry(metadata_from_dict(values, name), shape, perceptual_hash)


def checked_shape(shape: Any) -> tuple[int, int, int]:
    """Height, width and channels out of a file. ValueError when no aligned picture has such: none is that large."""
    if not isinstance(shape, list | tuple) or len(shape) != 3 or not all(type(size) is int for size in shape):
        raise ValueError("a shape is three whole numbers")
    height, width, channels = shape
    if not (0 < height <= _MAX_EDGE and 0 < width <= _MAX_EDGE and 0 < channels <= 4):
        raise ValueError(f"no aligned picture has the shape {shape}")
    return height, width, channels


def _packed(points: NDArray[np.float32]) -> str:
    return _text(points.astype("<f4").tobytes())


def _unpacked(text: Any) -> NDArray[np.float32]:
    return np.frombuffer(_bytes(text), "<f4").reshape(-1, 2)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError("not a text")
    return base64.b64decode(text, validate=True)


def _is_json(value: Any) -> bool:
    """Whether JSON gives the value back as it was."""
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and _are_json(value.values())
    return value is None or type(value) in (bool, int, float, str)


def _are_json(values: Iterable[Any]) -> bool:
    return all(_is_json(value) for value in values)
