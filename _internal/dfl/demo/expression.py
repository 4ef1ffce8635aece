"""Eyes that close and a mouth that opens, painted into a still portrait.

Both are cuts, not bends: a lid slides over the eye, the lower lip leaves the upper one and shows what is behind. Each
is an inverse map on columns of the picture, so nothing can tear or fold.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture

Mesh = NDArray[np.float32]  # (468, 3): x, y in picture pixels, z likewise, smaller is nearer to the viewer
Line = NDArray[np.float64]  # (W,) y of every column

# Vertices of MediaPipe's face mesh, from one corner to the other.
EYES = (
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133)),
    ((362, 398, 384, 385, 386, 387, 388, 466, 263), (362, 382, 381, 380, 374, 373, 390, 249, 263)),
)
UPPER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
CHIN, LEFT_CHEEK, RIGHT_CHEEK = 152, 234, 454

MOUTH_DARK = (26, 18, 40)  # BGR, under the upper lip
TONGUE = (62, 52, 104)  # BGR, towards the lower lip
TEETH = (150, 168, 182)  # BGR, in the shade of the lip


def smoothstep(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, with flat ends."""
    clipped = np.clip(value, 0.0, 1.0)
    return clipped * clipped * (3.0 - 2.0 * clipped)


@dataclass(frozen=True)
class _Patch:
    """The part of the picture that one cut may change, and its pixel coordinates in the whole picture."""

    rows: slice
    columns: slice
    x: NDArray[np.float64]  # (1, W)
    y: NDArray[np.float64]  # (H, 1)


def _patch(picture: Picture, left: float, top: float, right: float, bottom: float) -> _Patch:
    height, width = picture.shape[:2]
    rows = slice(max(0, int(top)), min(height, int(bottom) + 2))
    columns = slice(max(0, int(left)), min(width, int(right) + 2))
    x = np.arange(columns.start, columns.stop, dtype=np.float64)[None]
    return _Patch(rows, columns, x, np.arange(rows.start, rows.stop, dtype=np.float64)[:, None])


def _line(mesh: Mesh, vertices: tuple[int, ...], x: NDArray[np.float64]) -> Line:
    """Height of the curve through `vertices` at every column; level beyond its ends."""
    points = mesh[list(vertices), :2].astype(np.float64)
    points = points[np.argsort(points[:, 0])]
    return np.interp(x, points[:, 0], points[:, 1])


def _from_rows(picture: Picture, patch: _Patch, source_y: NDArray[np.float64]) -> NDArray[np.float32]:
    """The patch with every pixel taken from row `source_y` of its own column: (H, W, 3) float32 0..255."""
    map_x = np.broadcast_to(patch.x, source_y.shape).astype(np.float32)
    taken = cv2.remap(picture, map_x, source_y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return taken.astype(np.float32)


def _put(picture: Picture, patch: _Patch, value: NDArray[np.float32], alpha: NDArray[np.float64]) -> None:
    """Blend `value` over the patch in place; alpha (H, W) 0..1."""
    weight = alpha[..., None].astype(np.float32)
    below = picture[patch.rows, patch.columns].astype(np.float32)
    picture[patch.rows, patch.columns] = np.clip(below + weight * (value - below) + 0.5, 0, 255).astype(np.uint8)


def close_eyes(picture: Picture, mesh: Mesh, closed: float) -> None:
    """Draw both upper lids down over the eyes, in place. `closed`: 0 as in the picture, 1 shut."""
    if closed <= 0.0:
        return
    for upper, lower in EYES:
        lids = mesh[list(upper + lower), :2]
        left, right = lids[:, 0].min(), lids[:, 0].max()
        gap = float((mesh[list(lower), 1] - mesh[list(upper), 1]).max())
        patch = _patch(picture, left, lids[:, 1].min() - 2 * gap, right, lids[:, 1].max() + gap)
        lid, under = _line(mesh, upper, patch.x), _line(mesh, lower, patch.x)
        moved = np.maximum(0.0, closed * (under - lid))  # (1, W)
        crease = lid - 1.2 * gap
        # The skin between crease and lid is stretched; lash line and crease keep their thickness (flat ends).
        share = (patch.y - crease) / np.maximum(lid + moved - crease, 1e-3)
        skin = _from_rows(picture, patch, patch.y - moved * smoothstep(share))
        _put(picture, patch, skin, np.clip(lid + moved + 1.0 - patch.y, 0.0, 1.0))


def open_mouth(picture: Picture, mesh: Mesh, opened: float) -> None:
    """Move lower lip, chin and the skin around them down by `opened` face widths, in place.

    Behind the lips it is dark; below an upper lip that hides its teeth in the picture a row of teeth shows.
    """
    if opened <= 0.0:
        return
    face_width = float(mesh[RIGHT_CHEEK, 0] - mesh[LEFT_CHEEK, 0])
    chin = float(mesh[CHIN, 1])
    amount = opened * face_width
    neck = chin + 0.45 * face_width
    top = float(mesh[list(LOWER_LIP), 1].min())
    patch = _patch(picture, mesh[LEFT_CHEEK, 0], top - 4, mesh[RIGHT_CHEEK, 0], neck + amount)
    cut = _line(mesh, LOWER_LIP, patch.x)
    left, right = float(mesh[78, 0]), float(mesh[308, 0])
    middle, half = (left + right) / 2, (right - left) / 2
    lip = np.maximum(0.0, 1.0 - ((patch.x - middle) / half) ** 2) ** 1.1
    jaw = smoothstep(1.15 - np.abs(patch.x - middle) / (0.47 * face_width))

    def downward(y: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far a point of the still picture below the cut goes down, in pixels: lip, then jaw, then neck."""
        to_jaw = smoothstep((y - cut) / (0.75 * (chin - cut)))
        return np.asarray(amount * (lip + (jaw - lip) * to_jaw) * smoothstep((neck - y) / (neck - chin)))

    source = np.broadcast_to(patch.y, (patch.y.shape[0], patch.x.shape[1])).copy()
    for _ in range(12):
        source += 0.7 * (patch.y - downward(np.maximum(source, cut)) - source)
    moved = cut + amount * lip
    below = smoothstep((patch.y - moved + 1.0) / 2.0) * (patch.y > cut - 1.0)
    skin = _from_rows(picture, patch, np.maximum(source, cut))
    still = picture[patch.rows, patch.columns].astype(np.float32)
    inside = _mouth_inside(mesh, patch, cut, amount * lip)
    hole = smoothstep((patch.y - cut + 0.5) / 1.5) * (lip > 0)
    value = still + hole[..., None].astype(np.float32) * (inside - still)
    weight = below[..., None].astype(np.float32)
    _put(picture, patch, value + weight * (skin - value), np.ones_like(below))


def _mouth_inside(mesh: Mesh, patch: _Patch, cut: Line, gap: Line) -> NDArray[np.float32]:
    """What is behind the lips: (H, W, 3) float32 0..255."""
    depth = (patch.y - cut) / np.maximum(gap, 1.0)  # 0 at the upper lip, 1 at the lower one
    tongue = smoothstep(depth - 0.3)[..., None]
    inside = np.array(MOUTH_DARK) + tongue * (np.array(TONGUE) - np.array(MOUTH_DARK))
    teeth_are_seen = mesh[14, 1] - mesh[13, 1] > 0.03 * (mesh[RIGHT_CHEEK, 0] - mesh[LEFT_CHEEK, 0])
    if not teeth_are_seen:
        left, right = float(mesh[78, 0]), float(mesh[308, 0])
        across = np.abs(patch.x - (left + right) / 2) / ((right - left) / 2)
        length = np.minimum(0.1 * (right - left), 0.6 * gap) * np.sqrt(np.maximum(0.0, 1.0 - (across / 0.75) ** 2))
        below = patch.y - cut
        row = smoothstep((length - below) / 2.0) * smoothstep(below / 3.0) * (1.0 - across**2)
        inside = inside + row[..., None] * (np.array(TEETH) - inside)
    return np.asarray(inside, np.float32)
