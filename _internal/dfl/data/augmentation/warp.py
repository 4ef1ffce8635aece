"""Random geometry of training samples: a bent grid, then turn, zoom, shift and flip.

The random numbers are drawn in the original's order, so that a `numpy.random.RandomState(s)` gives its parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Matrix

# Smaller pictures are enlarged to this side before they are bent, and made small again after it.
SMALLEST_SIDE = 64
_NOISE_LIMIT = 2.5  # standard deviations; also what the noise is divided by
_NOISE_CELLS = 0.24  # largest move of a grid point by one draw, in cells
_FLIPS_OF_TEN = 4

Pixels = TypeVar("Pixels", bound=NDArray[Any])


@dataclass(frozen=True)
class AugmentRanges:
    """How far a picture is turned, zoomed and moved at most.

    rotation: degrees either way. scale: r gives a factor of 1/(1+r) to 1+r. shift: share of the side, either way.
    """

    rotation: float = 10.0
    scale: float = 0.15
    shift: float = 0.05


@dataclass(frozen=True)
class Geometry:
    """The geometry of one sample.

    side: side in pixels of the pictures that `map_x`, `map_y` and `matrix` are for (at least SMALLEST_SIDE).
    map_x, map_y: (side, side) float32, where the bent picture's pixel comes from. matrix: (2, 3) affine, bent picture
    to result. is_flipped: left and right change places, last.
    """

    side: int
    map_x: NDArray[np.float32]
    map_y: NDArray[np.float32]
    matrix: Matrix
    is_flipped: bool


def random_geometry(
    side: int,
    random: np.random.RandomState,
    grid_random: np.random.RandomState,
    ranges: AugmentRanges,
    may_flip: bool,
    is_symmetric: bool = True,
) -> Geometry:
    """Draw the geometry of a sample of `side` pixels.

    `random` gives rotation, scale, shifts and flip and may be drawn from afterwards; `grid_random` gives the grid.
    `is_symmetric` repeats a slip of the original, with which all its models were trained: x and y maps are each
    other's mirror about the diagonal. Otherwise they are independent, with the same strength.
    """
    side = max(side, SMALLEST_SIDE)
    rotation = random.uniform(-ranges.rotation, ranges.rotation)
    scale = random.uniform(1 / (1 + ranges.scale), 1 + ranges.scale)
    shift = (random.uniform(-ranges.shift, ranges.shift), random.uniform(-ranges.shift, ranges.shift))
    is_flipped = may_flip and random.randint(10) < _FLIPS_OF_TEN
    map_x, map_y = _bent_grid(side, grid_random, is_symmetric)
    matrix = np.asarray(cv2.getRotationMatrix2D((side // 2, side // 2), rotation, scale), np.float64)
    matrix[:, 2] += np.array(shift) * side
    return Geometry(side, map_x, map_y, matrix, bool(is_flipped))


def _bent_grid(
    side: int, random: np.random.RandomState, is_symmetric: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Maps for x and y, (side, side) float32: a coarse grid with moved inner points, made smooth by enlarging.

    Even without noise the maps are half a pixel beside the identity, as in the original.
    """
    cell = side // (2, 4, 8)[random.randint(3)]
    count = side // cell + 1
    inner = count - 2
    noise = _cut_normal(random, 2 * inner * inner).reshape(2, inner, inner).astype(np.float64)
    grid_x = np.tile(np.linspace(0, side, count), (count, 1))
    grid_y = grid_x.T.copy()
    if is_symmetric:
        grid_x[1:-1, 1:-1] += _NOISE_CELLS * cell * (noise[0] + noise[1].T)
        map_x = _enlarged(grid_x, side, cell)
        return map_x, np.asarray(cv2.transpose(map_x), np.float32)
    grid_x[1:-1, 1:-1] += _NOISE_CELLS * np.sqrt(2) * cell * noise[0]
    grid_y[1:-1, 1:-1] += _NOISE_CELLS * np.sqrt(2) * cell * noise[1]
    return _enlarged(grid_x, side, cell), _enlarged(grid_y, side, cell)


def _enlarged(grid: NDArray[np.float64], side: int, cell: int) -> NDArray[np.float32]:
    """Enlarge a grid to (side + cell), cut half a cell on all sides. In float64: float32 would be off by 1.5e-5."""
    whole = cv2.resize(grid, (side + cell, side + cell))
    margin = cell // 2
    return whole[margin : margin + side, margin : margin + side].astype(np.float32)


def _cut_normal(random: np.random.RandomState, count: int) -> NDArray[np.float32]:
    """Normal draws redrawn until within the limit and divided by it: (count,) float32 in -1..1, in order of drawing."""
    kept = np.empty(0)
    while len(kept) < count:
        drawn = random.normal(size=count - len(kept))
        kept = np.concatenate([kept, drawn[np.abs(drawn) <= _NOISE_LIMIT]])
    return (kept / _NOISE_LIMIT).astype(np.float32)


def apply_geometry(
    picture: Pixels,
    geometry: Geometry,
    *,
    warp: bool = True,
    transform: bool = True,
    interpolation: int = cv2.INTER_CUBIC,
    border: int = cv2.BORDER_REPLICATE,
) -> Pixels:
    """Bend (`warp`), then turn, zoom and move (`transform`), then flip a square picture; shape and dtype stay.

    picture: (S, S, C) uint8 or float32; S is the geometry's side, or smaller than SMALLEST_SIDE. What comes from
    outside the picture is 0 when bending, and by `border` (OpenCV's constant) when transforming. Cubic results of
    float32 may leave 0..1 a little.
    """
    # OpenCV has vector code for cubic interpolation of one float channel only: planes take half the time.
    is_split = picture.ndim == 3 and picture.dtype == np.float32 and interpolation == cv2.INTER_CUBIC
    parts = cv2.split(picture) if is_split else [picture]
    done = apply_to_planes(parts, geometry, warp=warp, transform=transform, interpolation=interpolation, border=border)
    return (cv2.merge(done) if is_split else done[0]).reshape(picture.shape)  # type: ignore[no-any-return]


def apply_to_planes(
    planes: Sequence[Any],
    geometry: Geometry,
    *,
    warp: bool = True,
    transform: bool = True,
    interpolation: int = cv2.INTER_CUBIC,
    border: int = cv2.BORDER_REPLICATE,
) -> list[Any]:
    """What apply_geometry does, for the channels of a picture apart, (S, S) each."""
    maps = cv2.convertMaps(geometry.map_x, geometry.map_y, cv2.CV_16SC2) if warp else None
    return [_applied(plane, geometry, maps, transform, interpolation, border) for plane in planes]


def _applied(picture: Any, geometry: Geometry, maps: Any, transform: bool, interpolation: int, border: int) -> Any:
    size = picture.shape[0]
    if size != geometry.side:
        picture = cv2.resize(picture, (geometry.side, geometry.side), interpolation=interpolation)
    if maps is not None:
        picture = cv2.remap(picture, maps[0], maps[1], interpolation)
    if transform:
        square = (geometry.side, geometry.side)
        picture = cv2.warpAffine(picture, geometry.matrix, square, flags=interpolation, borderMode=border)
    if size != geometry.side:
        picture = cv2.resize(picture, (size, size), interpolation=interpolation)
    return cv2.flip(picture, 1) if geometry.is_flipped else picture
