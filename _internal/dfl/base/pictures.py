"""Pictures, and the rules that hold for every picture and coordinate in this program.

Pictures are BGR, height x width x channels; uint8 on disk and between stages, float32 in 0..1 inside an operation.
A coordinate is (x, y) in pixels; the centre of the top-left pixel is (0, 0). Angles are radians inside, degrees for
people.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base import jpeg
from dfl.base.errors import UserError
from dfl.base.files import read_bytes, write_bytes
from dfl.base.orientation import is_on_its_side, orientation, turned
from dfl.base.png import decode_png, encode_png
from dfl.base.rare_pictures import check_is_still, decode_rare, rare_kind, too_large, unread_kind

Picture = NDArray[np.uint8]  # (H, W, 3) BGR
FloatPicture = NDArray[np.float32]  # (H, W, 3) BGR or (H, W, 1), 0..1
Matrix = NDArray[np.float64]  # (2, 3) affine map of (x, y)
Points = NDArray[np.float32]  # (N, 2) of (x, y)

# Larger pictures are refused before memory is taken for them: a few bytes can announce gigabytes of pixels.
MAX_EDGE = 32768
MAX_PIXELS = 2**28


def decode_picture(content: bytes | NDArray[np.uint8], name: str) -> Picture:
    """Decode a picture file to (H, W, 3) uint8 BGR; EXIF rotation is ignored, as in the original.

    So for pictures that belong to face data: those count pixels as they are stored. Grey becomes three equal channels,
    alpha is dropped, 16 bit becomes 8 bit. `name` is for the UserError that a broken file raises.
    """
    return _three_channels(_decoded(content, name), name)


def decode_frame(content: bytes, name: str) -> Picture:
    """Decode a picture that a user gives as a frame: as decode_picture, but turned as every viewer shows it.

    UserError for animations too.
    """
    check_is_still(content, name)
    return _three_channels(turned(_decoded(content, name), orientation(content)), name)


def _decoded(content: bytes | NDArray[np.uint8], name: str) -> Any:
    """The picture as it is stored, of any type and number of channels. UserError when it is too large or damaged."""
    buffer = np.frombuffer(content, np.uint8) if isinstance(content, bytes) else content
    height, width = announced_size(buffer.data)
    if max(height, width) > MAX_EDGE or height * width > MAX_PIXELS:
        raise too_large(name, height, width)
    picture: Any = decode_png(content) if isinstance(content, bytes) else None
    if picture is None and (kind := rare_kind(buffer.data[:16], name)):
        picture = decode_rare(buffer.tobytes(), kind, name, MAX_PIXELS)
    try:
        if picture is None and buffer.size:
            picture = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        picture = None
    if picture is None or picture.size == 0:
        kind = unread_kind(buffer.data[:32])
        if kind:
            raise UserError(f"{name} is {kind}, which is not read here.", "Convert it to PNG or JPEG, or delete it.")
        raise UserError(f"{name} is not a picture that can be read.", "Replace it by a whole copy, or delete it.")
    return picture


def _three_channels(picture: Any, name: str) -> Picture:
    if picture.dtype == np.uint16:
        picture = (picture.astype(np.float32) * (255 / 65535) + 0.5).astype(np.uint8)
    if picture.dtype != np.uint8:
        raise UserError(
            f"{name} has {picture.dtype} pixels.",
            "Expected 8 or 16 bits a channel: convert it to PNG or JPEG.",
        )
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.shape[2] < 3:
        picture = np.repeat(picture[:, :, :1], 3, axis=2)
    return np.ascontiguousarray(picture[:, :, :3])


def announced_size(content: bytes | memoryview) -> tuple[int, int]:
    """Height and width that a PNG or JPEG file announces; (0, 0) when it does not, or is of another format."""
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return int.from_bytes(content[20:24], "big"), int.from_bytes(content[16:20], "big")
    try:
        return jpeg.shape(content, "")[:2]
    except UserError:
        return 0, 0


def shown_size(content: bytes | memoryview) -> tuple[int, int]:
    """announced_size of the picture as viewers show it: turned as its file says."""
    height, width = announced_size(content)
    return (width, height) if is_on_its_side(orientation(content)) else (height, width)


def read_picture(path: Path) -> Picture:
    """Read a picture as viewers show it, see decode_frame, at any path, Unicode too (OpenCV's reader fails there on
    Windows)."""
    return decode_frame(read_bytes(path), str(path))


def encode_picture(picture: NDArray[Any], suffix: str, quality: int = 90) -> bytes:
    """Encode uint8 BGR (H, W, 3) or grey (H, W) as `.png`, `.jpg` or `.webp` (`quality` 1..100, not for PNG).

    PNG takes BGRA (H, W, 4) and uint16 too.
    """
    if suffix.lower() == ".png" and _fits_encode_png(picture):
        return encode_png(picture)
    suffix = ".jpg" if suffix.lower() in jpeg.SUFFIXES else suffix.lower()
    flags = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}
    parameters = [flags[suffix], quality] if suffix in flags else []
    try:
        done, buffer = cv2.imencode(suffix, picture, parameters)
    except cv2.error:
        done = False
    if not done:
        raise UserError(f"A picture of shape {picture.shape} cannot be stored as {suffix!r}.", "Use png or jpg.")
    return buffer.tobytes()


def _fits_encode_png(picture: NDArray[Any]) -> bool:
    channels = picture.shape[2] if picture.ndim == 3 else 1
    is_known = picture.dtype in (np.uint8, np.uint16) and picture.ndim in (2, 3) and channels in (1, 3, 4)
    return bool(is_known and picture.size)


def write_picture(path: Path, picture: NDArray[Any], quality: int = 90) -> None:
    """Write a picture whole or not at all, format by suffix; see encode_picture."""
    write_bytes(path, encode_picture(picture, path.suffix, quality), durable=False)


def contact_sheet(rows: list[list[Picture]], cell_height: int, gap: int = 4) -> Picture:
    """Put uint8 BGR pictures on one sheet: every row's pictures side by side, each scaled to `cell_height` pixels."""
    lines = []
    for row in rows:
        cells = []
        for picture in row:
            width = max(1, round(picture.shape[1] * cell_height / picture.shape[0]))
            cells.append(cv2.resize(picture, (width, cell_height), interpolation=cv2.INTER_AREA))
            cells.append(np.full((cell_height, gap, 3), 24, np.uint8))
        lines.append(np.concatenate(cells[:-1], axis=1))
    width = max(line.shape[1] for line in lines)
    sheet = np.full((len(lines) * (cell_height + gap) - gap, width, 3), 24, np.uint8)
    for index, line in enumerate(lines):
        top = index * (cell_height + gap)
        sheet[top : top + cell_height, : line.shape[1]] = line
    return sheet
