"""The top level of an mp4 or mov file: a row of boxes (ISO/IEC 14496-12, 4.2)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from uuid import UUID


@dataclass(frozen=True)
class Mp4Box:
    """One box: its four letters, and where it and its payload lie in the file."""

    kind: bytes
    start: int
    payload: int
    end: int


def top_level_boxes(content: bytes | mmap) -> Iterator[Mp4Box]:
    """The boxes of a file, one after the other; ends at the first that is cut or is not a box."""
    offset, size = 0, len(content)
    while offset + 8 <= size:
        length, kind = struct.unpack(">I4s", content[offset : offset + 8])
        payload = offset + 8
        if length == 1 and offset + 16 <= size:
            length, payload = struct.unpack(">Q", content[offset + 8 : offset + 16])[0], offset + 16
        elif length == 0:  # up to the end of the file
            length = size - offset
        if offset + length < payload or offset + length > size or not kind.isascii():
            return
        yield Mp4Box(kind, offset, payload, offset + length)
        offset += length


def uuid_box(kind: UUID, payload: bytes) -> bytes:
    """A box of a private kind, as bytes to put at the top level."""
    return struct.pack(">I4s", 24 + len(payload), b"uuid") + kind.bytes + payload


def find_uuid_box(content: bytes | mmap, kind: UUID) -> bytes | None:
    """The payload of the first top-level box of that private kind."""
    for box in top_level_boxes(content):
        if box.kind == b"uuid" and content[box.payload : box.payload + 16] == kind.bytes:
            return bytes(content[box.payload + 16 : box.end])
    return None
