"""How a picture file says that it is to be turned: EXIF's orientation (tag 0x0112) in JPEG, PNG and WebP files.

OpenCV turns TIFF by itself, the other kinds only where it may change their bits and channels too. Formats: CIPA DC-008
(EXIF 3.0, 4.6.5 and 4.7.2), PNG third edition (eXIf), RFC 9649 (WebP).
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base import jpeg

ORIENTATION = 0x0112
_SHORT = 3
_MAX_ENTRIES = 1000
_PNG = b"\x89PNG\r\n\x1a\n"
_APP1 = 0xE1
_EXIF = b"Exif\x00\x00"


def orientation(content: bytes | memoryview) -> int:
    """1 (as it is) to 8, as EXIF counts; 1 for files that do not say, or say nonsense. Nothing is decoded."""
    for exif in _exif(content):
        return _of_exif(bytes(exif))
    return 1


def turned(picture: NDArray[np.uint8], how: int) -> NDArray[np.uint8]:
    """A picture (H, W) or (H, W, C) of any type as viewers show it. how: EXIF's orientation."""
    if how in (5, 6, 7, 8):
        picture = cv2.transpose(picture)  # type: ignore[assignment]
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return cv2.flip(picture, flips[how]) if how in flips else picture  # type: ignore[return-value]


def is_on_its_side(how: int) -> bool:
    """Whether height and width are swapped."""
    return how in (5, 6, 7, 8)


def png_chunks(content: bytes | memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Type and data of a PNG's chunks, as far as they are whole."""
    data = memoryview(content)
    offset = len(_PNG)
    while offset + 12 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        yield bytes(data[offset + 4 : offset + 8]), data[offset + 8 : offset + 8 + length]
        offset += 12 + length


def _exif(content: bytes | memoryview) -> Iterator[memoryview]:
    """The EXIF data in a file, from the byte order on."""
    data = memoryview(content)
    if data[:8] == _PNG:
        yield from (chunk for kind, chunk in png_chunks(data) if kind == b"eXIf")
    elif data[:4].tobytes() == b"RIFF" and data[8:12].tobytes() == b"WEBP":
        offset = 12
        while offset + 8 <= len(data):
            length = int.from_bytes(data[offset + 4 : offset + 8], "little")
            if data[offset : offset + 4].tobytes() == b"EXIF":
                exif = data[offset + 8 : offset + 8 + length]
                yield exif[len(_EXIF) :] if exif[: len(_EXIF)] == _EXIF else exif
            offset += 8 + length + length % 2
    elif jpeg.is_jpeg(data):
        for segment in jpeg.readable_segments(data):
            payload = data[segment.start + 4 : segment.end]
            if segment.marker == _APP1 and payload[: len(_EXIF)] == _EXIF:
                yield payload[len(_EXIF) :]


def _of_exif(exif: bytes) -> int:
    """The orientation in the first directory."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(exif[:4])
    if order is None:
        return 1

    def number(offset: int, size: int) -> int:
        return int.from_bytes(exif[offset : offset + size], order)  # type: ignore[arg-type]

    directory = number(4, 4)
    for entry in range(min(number(directory, 2), _MAX_ENTRIES)):
        offset = directory + 2 + 12 * entry
        if number(offset, 2) == ORIENTATION:
            value = number(offset + 8, 2 if number(offset + 2, 2) == _SHORT else 4)
            return value if 1 <= value <= 8 else 1
    return 1
