"""OpenEXR pictures of half floats, as compositors read them: scan lines, ZIP, one part.

Format: OpenEXR file layout (openexr.com, "OpenEXR File Layout", version 2). OpenCV's writer is switched off unless an
environment variable is set before it is loaded, which also opens its reader to hostile files; the format is short.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.png import zlib

_MAGIC, _VERSION = 20000630, 2
_HALF = 1
_ZIP, _ZIP_LINES = 3, 16
_LEVEL = 1
# Of ITU-R BT.709 and sRGB: red, green, blue, white, each x and y.
BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


def encode_exr(channels: Mapping[str, NDArray[Any]], comments: str = "") -> bytes:
    """An OpenEXR file. channels: by name (R, G, B, A), each (H, W), stored as float16; values are linear light.

    comments: the file's attribute of that name, left out when empty.
    """
    names = sorted(channels)
    height, width = channels[names[0]].shape
    # (H, channels, W): the order of the file.
    lines = np.stack([np.asarray(channels[name], "<f2") for name in names], axis=1)
    header = _header(names, width, height, comments)
    blocks = [_block(top, lines[top : top + _ZIP_LINES]) for top in range(0, height, _ZIP_LINES)]
    offset = len(header) + 8 * len(blocks)
    offsets = []
    for block in blocks:
        offsets.append(offset)
        offset += len(block)
    return b"".join([header, struct.pack(f"<{len(offsets)}Q", *offsets), *blocks])


def _header(names: Sequence[str], width: int, height: int, comments: str) -> bytes:
    listed = b"".join(name.encode("ascii") + b"\0" + struct.pack("<iB3xii", _HALF, 0, 1, 1) for name in names)
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = [
        ("channels", "chlist", listed + b"\0"),
        ("chromaticities", "chromaticities", struct.pack("<8f", *BT709)),
        ("compression", "compression", bytes([_ZIP])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    if comments:
        attributes.append(("comments", "string", comments.encode("utf-8")))
    parts = [struct.pack("<ii", _MAGIC, _VERSION)]
    for name, kind, value in sorted(attributes):
        parts.append(name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value)
    return b"".join(parts) + b"\0"


def _block(top: int, lines: NDArray[Any]) -> bytes:
    """Up to 16 lines from `top` on, packed where that makes them smaller."""
    plain = lines.tobytes()
    # ZIP: bytes of even places first, then those of odd ones; each as its difference from the one before, plus 128.
    split = np.frombuffer(plain, np.uint8).reshape(-1, 2).T.ravel()
    differences = split.copy()
    differences[1:] -= split[:-1]
    differences[1:] += np.uint8(128)
    packed = zlib.compress(differences, _LEVEL)
    data = packed if len(packed) < len(plain) else plain
    return struct.pack("<ii", top, len(data)) + data
