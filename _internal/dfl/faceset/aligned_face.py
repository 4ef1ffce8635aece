"""The aligned picture: a square picture of one face, with metadata that say where the face came from.

As a JPEG it is the original's: segment APP15 holds one pickled dict. Pictures written here load there and the other
way round. Foreign pickles are read by the closed reader only. PNG and WebP have theirs in
faceset.json, see sidecar.
"""

from dataclasses import dataclass
from pathlib import Path

from dfl.base import jpeg, pickle_writer, safe_pickle
from dfl.base.errors import UserError
from dfl.base.files import read_bytes, write_bytes
from dfl.base.pictures import Picture, decode_picture, encode_picture
from dfl.faceset.face_metadata import MAX_METADATA_BYTES, FaceMetadata, metadata_from_dict, metadata_to_dict
from dfl.faceset.perceptual_hash import perceptual_hash_of
from dfl.faceset.sidecar import SidecarEntry, note_face

__all__ = [
    "AlignedFace",
    "FaceMetadata",
    "jpeg_shape",
    "metadata_from_dict",
    "metadata_to_dict",
    "read_face",
    "read_metadata",
    "with_metadata",
    "write_face",
]

_APP15 = 0xEF


@dataclass(frozen=True, eq=False)
class AlignedFace:
    """An aligned picture, (N, N, 3) uint8 BGR, and its metadata."""

    picture: Picture
    metadata: FaceMetadata


def read_metadata(content: bytes, name: str) -> FaceMetadata | None:
    """The metadata in an aligned picture's bytes; None for a picture that carries none. `name` is for errors.

    UserError when the file is damaged, or when its pickle holds anything but metadata.
    """
    if not jpeg.is_jpeg(content):
        return None
    data = jpeg.payload(content, _APP15, name)
    values = safe_pickle.loads(data, name, MAX_METADATA_BYTES) if data else None
    return metadata_from_dict(values, name) if values else None


def with_metadata(content: bytes, metadata: FaceMetadata, name: str = "The aligned picture") -> bytes:
    """The JPEG's bytes with the metadata in them, in place of what it carried. The picture is not coded again.

    UserError when the metadata is over 65533 bytes.
    """
    return jpeg.with_payload(content, _APP15, pickle_writer.dumps(metadata_to_dict(metadata)), name)


def read_face(path: Path) -> AlignedFace:
    """Read an aligned picture. UserError when it is damaged or carries no metadata."""
    content = read_bytes(path)
    metadata = read_metadata(content, str(path))
    if metadata is None:
        raise UserError(f"{path} is no aligned face: it carries no face data.", "Move it out of the faceset.")
    return AlignedFace(decode_picture(content, str(path)), metadata)


def write_face(path: Path, picture: Picture, metadata: FaceMetadata, quality: int = 90) -> None:
    """Write an aligned picture, (N, N, 3) uint8 BGR, whole or not at all, as JPEG, PNG or WebP by the path's suffix.

    quality: 1..100, not for PNG. The face data of PNG and WebP are noted before the picture is written, so that a
    killed run leaves none without; call sidecar.gather_notes for the folder at the end of the run.
    """
    content = encode_picture(picture, path.suffix, quality)
    if path.suffix.lower() in jpeg.SUFFIXES:
        content = with_metadata(content, metadata, str(path))
    else:
        note_face(path.parent, path.name, SidecarEntry(metadata, (*picture.shape[:2], 3), perceptual_hash_of(picture)))
    write_bytes(path, content, durable=False)


def jpeg_shape(content: bytes, name: str = "The aligned picture") -> tuple[int, int, int]:
    """Height, width and channels of a JPEG's bytes, without decoding it. UserError when it is damaged."""
    return jpeg.shape(content, name)
