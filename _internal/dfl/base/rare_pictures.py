"""Kinds of pictures that OpenCV does not read, or not as viewers show them, and animations: what Pillow is for."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.orientation import png_chunks

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
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, OverflowError):
        return None  # Pillow tells damage in all of these
    return np.ascontiguousarray(picture[:, :, ::-1])


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
