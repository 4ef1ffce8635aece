"""Kinds of pictures that OpenCV does not read, or not as viewers show them, and animations: what Pillow is for."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.orientation import ORIENTATION, is_on_its_side, png_chunks

# Pillow detects damage in all of these.
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, OverflowError, TypeError, struct.error)
_AVIF = (b"ftypavif", b"ftypavis")
_GIF = (b"GIF87a", b"GIF89a")
# Without a mark at their beginning that could be trusted: by the file's name.
_BY_SUFFIX = {".tga": "TGA", ".dds": "DDS", ".pcx": "PCX", ".sgi": "SGI", ".avif": "AVIF", ".gif": "GIF"}


def rare_kind(content: bytes | memoryview, name: str) -> str:
    """Pillow's name of a kind that is read here; empty for all others."""
    if bytes(content[4:12]) in _AVIF:
        return "AVIF"
    if bytes(content[:6]) in _GIF:
        return "GIF"
    return next((kind for suffix, kind in _BY_SUFFIX.items() if name.lower().endswith(suffix)), "")


def decode_rare(content: bytes, kind: str, name: str, most_pixels: int) -> NDArray[np.uint8] | None:
    """The picture (H, W, 3) uint8 BGR of a file of that kind; None when it is none, or cannot be read on this machine.

    Turned as its file says. UserError for an animation, and for more than `most_pixels`.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=(kind,)) as opened:
            width, height = opened.size
            if width * height > most_pixels:
                raise too_large(name, height, width)
            if getattr(opened, "is_animated", False):
                raise _animated(name)
            picture: Any = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    except Image.DecompressionBombError as error:
        raise too_large(name, height=0, width=0) from error
    except _DAMAGE:
        return None
    return np.ascontiguousarray(picture[:, :, ::-1])


def unread_kind(content: bytes | memoryview) -> str:
    """What a file that cannot be read is, whatever its name says; empty where that is not known."""
    head = bytes(content[:32])
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "a HEIC picture"
    starts = {b"\xff\x0a": "a JPEG XL picture", b"\0\0\0\x0cJXL ": "a JPEG XL picture", b"8BPS": "a Photoshop file"}
    starts |= {b"\x76\x2f\x31\x01": "an OpenEXR picture", b"%PDF": "a PDF", b"<svg": "a drawing", b"<?xml": "a drawing"}
    starts |= {b"FUJIFILMCCD": "a raw photo"}
    return next((kind for start, kind in starts.items() if head.startswith(start)), "")


def size_by_pillow(path: Path) -> tuple[int, int] | None:
    """Height and width of a picture as viewers show it, by its header; None where Pillow does not read it."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            width, height = opened.size
            how = 1 if opened.format == "TIFF" else opened.getexif().get(ORIENTATION, 1)  # Pillow itself turns TIFF
            return (width, height) if is_on_its_side(how) else (height, width)
    except (Image.DecompressionBombError, *_DAMAGE):
        return None


def check_is_still(content: bytes | memoryview, name: str) -> None:
    """UserError when a PNG or WebP file is an animation, of which OpenCV shows the first picture alone."""
    if content[:4] == b"RIFF" and content[8:16] == b"WEBPVP8X" and len(content) > 20 and content[20] & 2:
        raise _animated(name)
    if content[:8] == b"\x89PNG\r\n\x1a\n" and b"acTL" in bytes(content[:2000]):
        counts = [int.from_bytes(data[:4], "big") for kind, data in png_chunks(content) if kind == b"acTL"]
        if any(count > 1 for count in counts):
            raise _animated(name)


def too_large(name: str, height: int, width: int) -> UserError:
    """What is refused before memory is taken for it. 0: not known."""
    size = f"{width} x {height} pixels" if width else "a size"
    return UserError(f"{name} has {size}, more than can be worked on.", "Scale it down, or delete it.")


def _animated(name: str) -> UserError:
    return UserError(
        f"{name} is an animation, not a picture.",
        "Move it out. To take it as a clip, convert it to mp4 and put that into the workspace as data_src.mp4 or "
        "data_dst.mp4.",
    )
