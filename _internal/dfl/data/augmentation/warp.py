"""Random geometry of training samples: warp by a coarse grid, then rotation, scale, shift and horizontal flip.

Random numbers are drawn in the original's order, so that equal states of a `RandomState` give its parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Matrix

# Smaller pictures are upscaled to this size for warping, and downscaled again.
SMALLEST_SIDE = 64
_NOISE_LIMIT = 2.5  # standard deviations; also what the noise is divided by
_NOISE_CELLS = 0.24  # largest displacement of a grid point by one draw, in cells
_FLIPS_OF_TEN = 4
# Grid points stand at multiples of the cell, but the interpolation takes them for centres of pixels.
_OFF_CENTRE = np.float32(0.5)

Pixels = TypeVar("Pixels", bound=NDArray[Any])


@dataclass(frozen=True)
class AugmentRanges:
    """Limits of rotation, scale and shift.

    rotation: degrees either way. scale: r gives a factor of 1/(1+r) to 1+r. shift: share of the size, either way.
    """

    rotation: float = 10.0
    scale: float = 0.15
    shift: float = 0.05


@dataclass(frozen=True)
class Geometry:
    """The geometry of one sample.

    side: size in pixels of the pictures that `map_x`, `map_y` and `matrix` are for (at least SMALLEST_SIDE).
    map_x, map_y: (side, side) float32, source coordinates of the warped picture's pixels, as for cv2.remap. matrix:
    (2, 3) affine, warped picture to result. is_flipped: mirror left and right, last.
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
    is_centred: bool = False,
) -> Geometry:
    """Draw the geometry of a sample of `side` pixels.

    `random`: source of rotation, scale, shift and flip, which callers may go on drawing from. `grid_random`: source of
    the warp grid. Two slips of the original that all its models were trained with: with `is_symmetric` the y map is the
    transposed x map, otherwise they are independent, with the same strength; without `is_centred` the maps point half a
    pixel to the right and below, so that a model learns to draw faces that much too far right and low.
    """
    side = max(side, SMALLEST_SIDE)
    rotation = random.uniform(-ranges.rotation, ranges.rotation)
    scale = random.uniform(1 / (1 + ranges.scale), 1 + ranges.scale)
    shift = (random.uniform(-ranges.shift, ranges.shift), random.uniform(-ranges.shift, ranges.shift))
    is_flipped = may_flip and random.randint(10) < _FLIPS_OF_TEN
    map_x, map_y = _warp_maps(side, grid_random, is_symmetric)
    if is_centred:
        map_x, map_y = map_x - _OFF_CENTRE, map_y - _OFF_CENTRE
    matrix = np.asarray(cv2.getRotationMatrix2D((side // 2, side // 2), rotation, scale), np.float64)
    matrix[:, 2] += np.array(shift) * side
    return Geometry(side, map_x, map_y, matrix, bool(is_flipped))


def _warp_maps(
    side: int, random: np.random.RandomState, is_symmetric: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Maps of x and y, (side, side) float32: a coarse grid with displaced inner points, interpolated to full size.

    Without noise they are _OFF_CENTRE beside the identity.
    """
    cell = side // (2, 4, 8)[random.randint(3)]
    count = side // cell + 1
    inner = count - 2
    noise = _truncated_normal(random, 2 * inner * inner).reshape(2, inner, inner).astype(np.float64)
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
    """Upscale a grid to (side + cell), crop half a cell on all sides. In float64: float32 would be off by 1.5e-5."""
    whole = cv2.resize(grid, (side + cell, side + cell))
    margin = cell // 2
    return whole[margin : margin + side, margin : margin + side].astype(np.float32)


def _truncated_normal(random: np.random.RandomState, count: int) -> NDArray[np.float32]:
    """Truncated normal noise by rejection sampling, divided by the limit: (count,) float32, -1..1."""
    accepted = np.empty(0)
    while len(accepted) < count:
        drawn = random.normal(size=count - len(accepted))
        accepted = np.concatenate([accepted, drawn[np.abs(drawn) <= _NOISE_LIMIT]])
    return (accepted / _NOISE_LIMIT).astype(np.float32)


def apply_geometry(
    picture: Pixels,
    geometry: Geometry,
    *,
    warp: bool = True,
    transform: bool = True,
    interpolation: int = cv2.INTER_CUBIC,
    border: int = cv2.BORDER_REPLICATE,
) -> Pixels:
    """Warp (`warp`), then rotate, scale and shift (`transform`), then flip a square picture; keeps shape and dtype.

    picture: (S, S, C) uint8 or float32; S is the geometry's size, or smaller than SMALLEST_SIDE. Pixels from outside
    the picture are 0 in the warp, and as `border` (OpenCV's constant) says in the transform. Cubic interpolation of
    float32 may exceed 0..1 slightly.
    """
    # OpenCV has SIMD code for cubic interpolation of one float channel only: single planes take half the time.
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
    """apply_geometry for the separate channels of a picture, (S, S) each."""
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
