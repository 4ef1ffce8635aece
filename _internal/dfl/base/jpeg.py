"""The segments of a JPEG file: find them, read the size of the picture, put a segment in. Nothing is decoded.

A JPEG is FF D8, then segments (FF, marker, two bytes of length that count themselves, payload), then after the
segment "start of scan" the coded picture, then FF D9 (ITU T.81, annex B).
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from dfl.base.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
MAX_PAYLOAD = 65533
_START_OF_SCAN = 0xDA
_END = b"\xff\xd9"
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD8))
_APPLICATION = range(0xE0, 0xF0)
_FRAME_HEADERS = tuple(marker for marker in range(0xC0, 0xD0) if marker not in (0xC4, 0xC8, 0xCC))


@dataclass(frozen=True)
class JpegSegment:
    """One segment: `content[start:end]` holds it whole, `content[start + 4:end]` its payload."""

    marker: int
    start: int
    end: int


def is_jpeg(content: bytes | memoryview) -> bool:
    """Whether the bytes start as every JPEG does."""
    return content[:3] == b"\xff\xd8\xff"


def segments(content: bytes, name: str) -> list[JpegSegment]:
    """All segments before the coded picture, the start of scan included. UserError when the file is damaged or cut.

    Restart intervals, fill bytes and bytes after the picture's end are allowed, though the original refuses them.
    """
    found = list(_walk(content, name))
    if content.rfind(_END, found[-1].end) < 0:
        raise _damaged(name, "its end is missing")
    return found


def readable_segments(content: bytes | memoryview) -> Iterator[JpegSegment]:
    """The segments before the coded picture, as far as they can be read: for what a damaged file may lack."""
    with suppress(UserError):
        yield from _walk(content, "")


def shape(content: bytes | memoryview, name: str) -> tuple[int, int, int]:
    """Height, width and channels of the coded picture, without decoding it. UserError when the file does not say."""
    for segment in _walk(content, name):
        if segment.marker in _FRAME_HEADERS and segment.end - segment.start >= 10:
            head = content[segment.start + 5 : segment.start + 10]
            return int.from_bytes(head[:2], "big"), int.from_bytes(head[2:4], "big"), head[4]
    raise _damaged(name, "it does not say how large the picture is")


def _walk(content: bytes | memoryview, name: str) -> Iterator[JpegSegment]:
    """One segment after the other, up to the start of scan."""
    if not is_jpeg(content):
        raise _damaged(name, "it does not start as a JPEG")
    offset, marker = 2, 0
    while marker != _START_OF_SCAN:
        start = offset
        while content[offset : offset + 1] == b"\xff":  # any number of fill bytes
            offset += 1
        if offset == start or offset == len(content):
            raise _damaged(name, f"no segment starts at byte {start}")
        marker = content[offset]
        offset += 1
        if marker in _WITHOUT_LENGTH:
            continue
        length = int.from_bytes(content[offset : offset + 2], "big")
        if marker in (0x00, 0xD8, 0xD9) or length < 2 or offset + length > len(content):
            raise _damaged(name, f"the segment at byte {start} is not whole")
        yield JpegSegment(marker, offset - 2, offset + length)
        offset += length


def payload(content: bytes, marker: int, name: str) -> bytes | None:
    """The payload of the first segment of that marker, None when there is none."""
    for segment in segments(content, name):
        if segment.marker == marker:
            return content[segment.start + 4 : segment.end]
    return None


def with_payload(content: bytes, marker: int, data: bytes, name: str) -> bytes:
    """The JPEG with one application segment of that marker, after its other application segments.

    Earlier segments of the marker are dropped, all other bytes stay. UserError when `data` is over 65533 bytes.
    """
    if len(data) > MAX_PAYLOAD:
        raise UserError(
            f"{name} cannot hold {len(data)} bytes of face data: a JPEG takes {MAX_PAYLOAD}.",
            "Make its mask or its polygons simpler.",
        )
    found = segments(content, name)
    old = [segment for segment in found if segment.marker == marker]
    offset = max((part.end for part in found if part.marker in _APPLICATION and part not in old), default=2)
    new = bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2, "big") + data
    return _without(content, old, 0, offset) + new + _without(content, old, offset, len(content))


def _without(content: bytes, dropped: list[JpegSegment], start: int, end: int) -> bytes:
    """The bytes from start to end but those of the dropped segments."""
    kept = []
    for segment in dropped:
        if start <= segment.start < end:
            kept.append(content[start : segment.start])
            start = segment.end
    return b"".join([*kept, content[start:end]])


def _damaged(name: str, reason: str) -> UserError:
    return UserError(f"{name} is a damaged JPEG: {reason}.", "Replace it by a whole copy, or delete it.")
