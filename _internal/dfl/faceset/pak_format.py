"""The file `faceset.pak`: a whole faceset in one file, as the original packs and reads it. See docs/formats.md.

Nothing here holds more than one picture in memory. A pack may come from anywhere: every length, offset and name is
checked before it is used.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dfl.base import pickle_writer, safe_pickle
from dfl.base.errors import UserError
from dfl.base.files import reading
from dfl.base.pickle_writer import EnumValue
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.file_names import name_key, why_unsafe
from dfl.faceset.segmentation import polygons_to_dict

_VERSION = 1
_START = struct.Struct("<QQ")  # version, length of the list of faces
_MAX_LIST_BYTES = 2**30
_MAX_FACES = 10_000_000
# No aligned picture is that large; a damaged table can say so.
MAX_PICTURE_BYTES = 2**28
_FACE = EnumValue("samplelib.Sample", "SampleType", 1)


@dataclass(frozen=True)
class Member:
    """One picture in a pack: the file's name, its person (None: no person faceset), its bytes in the file."""

    name: str
    person: str | None
    offset: int
    length: int

    @property
    def label(self) -> str:
        """`person/name`, or the name alone."""
        return f"{self.person}/{self.name}" if self.person else self.name


def read_members(path: Path) -> list[Member]:
    """What a pack holds, in its order. UserError when it is damaged, or when a name in it leads out of its folder."""
    with reading(path), path.open("rb") as file:
        return _members(file, path)


def _members(file: BinaryIO, path: Path) -> list[Member]:
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(_START.size)
    if len(start) < _START.size:
        raise _damaged(path, "it is too short")
    version, length = _START.unpack(start)
    if version != _VERSION:
        raise _damaged(path, f"it is of version {version}, not {_VERSION}")
    if length > min(size - _START.size, _MAX_LIST_BYTES):
        raise _damaged(path, f"its list of faces would have {length} bytes")
    rows = safe_pickle.loads(file.read(length), str(path))
    labels = _labels(rows, path)
    del rows
    table = 8 * (len(labels) + 1)
    first = _START.size + length + table
    if first > size:
        raise _damaged(path, "it ends before its table")
    offsets = np.frombuffer(file.read(table), "<u8")
    # The original writes the last offset from the start of the file, the others from the end of the table.
    ends = [*offsets[1:-1].tolist(), size - first] if labels else []
    members = []
    for (name, person), offset, end in zip(labels, offsets[:-1].tolist(), ends, strict=True):
        if not 0 <= offset <= end <= size - first or end - offset > MAX_PICTURE_BYTES:
            raise _damaged(path, f"the offset of {name} in it is wrong")
        members.append(Member(name, person, first + offset, end - offset))
    return members


def _labels(rows: Any, path: Path) -> list[tuple[str, str | None]]:
    """Name and person of every face; UserError for names that may not be written and for equal ones."""
    if not isinstance(rows, list) or len(rows) > _MAX_FACES or not all(isinstance(row, dict) for row in rows):
        raise _damaged(path, "its list of faces is none")
    labels: list[tuple[str, str | None]] = []
    seen: set[tuple[str, str]] = set()
    for row in rows:
        name, person = row.get("filename"), row.get("person_name")
        if not isinstance(name, str) or not isinstance(person, str | None):
            raise _damaged(path, "a face in it has no name")
        reason = why_unsafe(name) or (why_unsafe(person) if person else "")
        if reason:
            raise _damaged(path, f"it holds a file called {f'{person}/' if person else ''}{name!a}: {reason}")
        key = name_key(person or ""), name_key(name)
        if key in seen:
            raise _damaged(path, f"it holds {name} twice")
        seen.add(key)
        labels.append((name, person or None))
    return labels


@dataclass(frozen=True, eq=False)
class PackedFace:
    """A picture that goes into a pack: its file, its metadata, (height, width, channels), size in bytes."""

    path: Path
    metadata: FaceMetadata
    shape: tuple[int, int, int]
    size: int
    person: str | None = None


def write_pak(target: Path, faces: Sequence[PackedFace]) -> Iterator[None]:
    """Write a pack, one step of the iterator for each face. UserError when a file is not as it was listed."""
    offsets = np.concatenate([[0], np.cumsum([face.size for face in faces], dtype=np.int64)])
    with target.open("wb") as file:
        file.write(bytes(_START.size))
        pickle_writer.dump_list((_row(face) for face in faces), file)
        end = file.tell()
        offsets[-1] += end + offsets.nbytes  # from the start of the file, as in the original
        file.write(offsets.astype("<u8").tobytes())
        file.seek(0)
        file.write(_START.pack(_VERSION, end - _START.size))
        file.seek(0, 2)
        for face in faces:
            content = face.path.read_bytes()
            if len(content) != face.size:
                raise UserError(f"{face.path} has changed while it was packed.", "Start again.")
            file.write(content)
            yield


def _row(face: PackedFace) -> dict[str, Any]:
    """The dict of a face as the original's training reads it, in its order of keys."""
    metadata = face.metadata
    mask = None if metadata.xseg_mask is None else np.frombuffer(metadata.xseg_mask, np.uint8)
    return {
        "sample_type": _FACE,
        "filename": face.path.name,
        "face_type": EnumValue("facelib.FaceType", "FaceType", int(metadata.face_type)),
        "shape": face.shape,
        "landmarks": metadata.landmarks.tolist(),
        "seg_ie_polys": polygons_to_dict(metadata.polygons),
        "xseg_mask": None,
        "xseg_mask_compressed": mask,
        "eyebrows_expand_mod": metadata.eyebrows_expand_mod,
        "source_filename": metadata.source_filename,
        "person_name": face.person,
    }


def read_member(path: Path, member: Member) -> bytes:
    """A picture of a pack, byte for byte. UserError when the pack is cut or gone."""
    with reading(path), path.open("rb") as file:
        return read_at(file, member, path)


def read_at(file: BinaryIO, member: Member, path: Path) -> bytes:
    """A picture of an open pack; `path` is for the error."""
    file.seek(member.offset)
    content = file.read(member.length)
    if len(content) < member.length:
        raise _damaged(path, f"it ends within {member.label}")
    return content


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is a damaged pack: {reason}.", "Use another copy of it. Nothing was changed.")
