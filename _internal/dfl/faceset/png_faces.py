"""Faces in PNG and WebP files: their size by the header, and the face data that DeepFaceLab kept in PNG before 2020.

PNG: W3C, Portable Network Graphics. WebP: RFC 9649. The old face data are a pickled dict in a chunk named fcWp.
"""

from dfl.base import safe_pickle
from dfl.base.errors import UserError
from dfl.base.pictures import announced_size
from dfl.faceset.face_metadata import MAX_METADATA_BYTES, FaceMetadata, metadata_from_dict

_PNG = b"\x89PNG\r\n\x1a\n"
_CHUNK = b"fcWp"
_MAX_CHUNK_BYTES = 2**24


def picture_size(content: bytes, name: str) -> tuple[int, int]:
    """Height and width of a PNG, WebP or JPEG file's first bytes. UserError when they do not say."""
    height, width = announced_size(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        height, width = _webp_size(content)
    if min(height, width) == 0:
        raise UserError(f"{name} is not a picture that can be read.", "Replace it by a whole copy, or delete it.")
    return height, width


def _webp_size(content: bytes) -> tuple[int, int]:
    """By the first chunk: lossy, lossless, or extended."""
    kind, data = content[12:16], content[20:30]
    if len(data) < 10:
        return 0, 0
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(data[8:10], "little") & 0x3FFF, int.from_bytes(data[6:8], "little") & 0x3FFF
    if kind == b"VP8L" and data[0] == 0x2F:
        bits = int.from_bytes(data[1:5], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8X":
        return int.from_bytes(data[7:10], "little") + 1, int.from_bytes(data[4:7], "little") + 1
    return 0, 0


def read_old_png(content: bytes, name: str) -> FaceMetadata | None:
    """The face data in an old aligned PNG; None for other files. UserError when they are damaged or no face data."""
    if content[:8] != _PNG:
        return None
    offset = 8
    while offset + 12 <= len(content):
        length, kind = int.from_bytes(content[offset : offset + 4], "big"), content[offset + 4 : offset + 8]
        if not kind.isalpha() or kind == b"IEND":
            return None
        if kind == _CHUNK:
            data = content[offset + 8 : offset + 8 + length]
            if length > _MAX_CHUNK_BYTES or len(data) < length:
                raise UserError(f"The face data in {name} are cut.", "Replace it by a whole copy, or delete it.")
            values = safe_pickle.loads(data, name, MAX_METADATA_BYTES)
            return metadata_from_dict(values, name) if values else None
        offset += 12 + length
    return None
