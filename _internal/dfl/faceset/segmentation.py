"""Segmentation stored in an aligned picture: a mask (from XSeg) and polygons drawn by the user."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import FloatPicture, Points, announced_size

# The mask shares 65533 bytes with the other metadata.
MAX_MASK_BYTES = 50_000
MAX_MASK_EDGE = 4096


@dataclass(frozen=True, eq=False)
class Polygon:
    """One outline drawn by the user: `points` (N, 2) float32 in pixels of the aligned picture."""

    includes: bool
    points: Points


def encode_mask(mask: NDArray[np.floating[Any]]) -> bytes:
    """A mask (H, W, 1) or (H, W), 0..1, as the bytes of a PNG; as the best JPEG within 50000 bytes when PNG is larger.

    Values are cut, not rounded, to 8 bits, as in the original.
    """
    grey = np.clip(mask * 255, 0, 255).astype(np.uint8).reshape(mask.shape[:2])
    content = cv2.imencode(".png", grey)[1].tobytes()
    if len(content) > MAX_MASK_BYTES and len(_as_jpeg(grey, 0)) > MAX_MASK_BYTES:
        raise UserError(
            f"A mask of {grey.shape[1]} x {grey.shape[0]} pixels is too large to be stored.", "Use a smaller one."
        )
    quality = 100
    while len(content) > MAX_MASK_BYTES:
        content = _as_jpeg(grey, quality)
        quality -= 1
    return content


def _as_jpeg(grey: NDArray[np.uint8], quality: int) -> bytes:
    return cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def decode_mask(content: bytes, name: str) -> FloatPicture:
    """The mask of encode_mask's bytes: (H, W, 1) float32, 0..1. UserError names the file when it is damaged."""
    return decode_mask_bytes(content, name)[:, :, None].astype(np.float32) / np.float32(255)


def decode_mask_bytes(content: bytes, name: str) -> NDArray[np.uint8]:
    """The mask of encode_mask's bytes as it is stored: (H, W) uint8. UserError names the file when it is damaged."""
    if 0 < max(announced_size(content)) <= MAX_MASK_EDGE:
        try:
            picture: Any = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            picture = None
        if picture is not None and picture.dtype == np.uint8:
            return np.ascontiguousarray(picture.reshape(*picture.shape[:2], -1)[:, :, 0])
    raise UserError(f"The XSeg mask in {name} is damaged.", "Apply XSeg to the faceset again, or remove its masks.")


def polygons_to_dict(polygons: Iterable[Polygon]) -> dict[str, Any]:
    """The polygons in the original's form: {"polys": [{"type": 1 include or 0 exclude, "pts": points}]}."""
    return {"polys": [{"type": int(one.includes), "pts": one.points} for one in polygons]}


def include_first(polygons: Iterable[Polygon]) -> tuple[Polygon, ...]:
    """The order in which polygons are drawn: all that include, then all that exclude."""
    return tuple(sorted(polygons, key=lambda polygon: not polygon.includes))


def draw_polygons(shape_hw: tuple[int, int], polygons: Iterable[Polygon]) -> FloatPicture:
    """The area that the polygons mark: (H, W, 1) float32, 0 or 1; 1 inside an include and outside every exclude."""
    mask = np.zeros((*shape_hw, 1), np.float32)
    for polygon in include_first(polygons):
        cv2.fillPoly(mask, [polygon.points.astype(np.int32)], 1.0 if polygon.includes else 0.0)
    return mask
