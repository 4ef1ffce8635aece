"""Sliced transport of colours: idt and sot match distributions along random directions of the colour space.

(H, W, 3) float32 BGR pictures, usually 0..1: `target` is the picture that changes, `reference` the one whose colours it
takes; their sizes may differ. Projections on a direction are quantised to 256 bins; histograms of large pictures are
measured on a subset of their rows, but all their pixels are changed.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture

Random = np.random.RandomState | np.random.Generator

_IDT_ROUNDS = 20
# Multiplications of a matrix product that OpenBLAS computes without its threads (2**18), with some room.
_ONE_THREAD_PRODUCT = 2**17
_BINS = 256
# Shift in bins, so that the minimum (the pixels blackened by a mask) falls into the lowest bin despite rounding.
_NUDGE = 0.002
_MEASURED = 8192  # approximate number of pixels whose histogram is measured
# Sigmas of the original's bilateral filter of the change by sot, in picture values and in pixels.
SOT_SIGMA_COLOUR = 5.0
SOT_SIGMA_SPACE = 16.0


def idt(target: FloatPicture, reference: FloatPicture, random: Random) -> FloatPicture:
    """Iterative distribution transfer: histogram matching along 20 random rotations, step size 1/20; clipped.

    Pitié et al. 2005. As in the original, values in the lowest of 256 bins go to 0. Unlike there all values of a bin
    move alike, and large pictures are measured on a subset of their rows: a difference of 0.04 to 0.3 grey levels,
    where another random seed makes 0.4 to 2.6 (docs/decisions.md).
    """
    pixels = _Pixels.of(target, reference)
    for rotation in random_rotations(random, _IDT_ROUNDS).astype(np.float32):
        bins, low, step = _binned(_product(rotation, pixels.colours))
        upper = low + step * np.arange(1, _BINS + 1)
        shares = zip(_cumulated(bins[:, pixels.measured]), _cumulated(bins[:, pixels.wanted]), upper, strict=True)
        goals = np.stack([np.interp(own, wanted, edges) for own, wanted, edges in shares])
        # The mapping is linear between upper edges; all values of a bin take that of its centre, the lowest bin's 0.
        moves = np.zeros_like(goals)
        moves[:, 1:] = (goals[:, 1:] + goals[:, :-1]) / 2 - (upper[:, 1:] - step / 2)
        moves[:, :1] = np.where(step > 0, -low, 0)
        way = _looked_up(moves, bins[:, pixels.own])
        pixels.colours[:, pixels.own] += _product(rotation.T / np.float32(_IDT_ROUNDS), way)
    return np.clip(pixels.picture(), 0, 1)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Both pictures in one array of colours (3, N), because they share every step but the histograms.

    own: the target's pixels in it, `measured` those of them that the histogram is measured on; wanted: the reference's
    measured pixels. lines: the target's rows in the array's order.
    """

    colours: NDArray[np.float32]
    own: slice
    measured: slice
    wanted: slice
    lines: NDArray[np.intp]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, target: FloatPicture, reference: FloatPicture) -> "_Pixels":
        lines, every = np.arange(target.shape[0]), _measured_lines(target)
        first = lines[every]
        lines = np.concatenate([first, np.delete(lines, every)])
        parts = [target[lines].reshape(-1, 3), reference[_measured_lines(reference)].reshape(-1, 3)]
        colours = np.ascontiguousarray(np.concatenate(parts).T)
        count, measured = len(parts[0]), first.size * target.shape[1]
        return cls(colours, slice(count), slice(measured), slice(count, None), lines, target.shape)

    def picture(self) -> FloatPicture:
        """The changed target, (H, W, 3)."""
        changed = np.empty(self.shape, np.float32)
        changed[self.lines] = self.colours[:, self.own].T.reshape(self.shape)
        return changed


def _measured_lines(picture: FloatPicture) -> slice:
    """Every n-th row of a picture, so that about _MEASURED pixels are selected."""
    every = max(1, picture.shape[0] * picture.shape[1] // _MEASURED)
    return slice(min(every // 2, picture.shape[0] - 1), None, every)


def _binned(values: Any) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """Quantise each row of `values` (K, N) float32 to 256 equal bins; also the bins' minimum and width, (K, 1)."""
    bins = np.zeros(values.shape, np.uint8)
    low, step = np.empty((2, len(values), 1))
    for row in range(len(values)):
        here = slice(row, row + 1)
        lowest, highest, _, _ = cv2.minMaxLoc(values[here])
        width = (highest - lowest) / _BINS
        if width > 0:  # OpenCV rounds, and keeps within 0..255
            shift = _NUDGE - 0.5 - lowest / width
            cv2.convertScaleAbs(values[here], dst=bins[here], alpha=1 / width, beta=shift)
        low[row], step[row] = lowest, width
    return bins, low, step


def _cumulated(bins: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cumulative histogram of each row, (K, 256), 0..1."""
    counts = np.empty((len(bins), _BINS), np.float32)
    for row in range(len(bins)):
        counts[row] = cv2.calcHist([bins[row : row + 1]], [0], None, [_BINS], [0, _BINS]).ravel()
    np.cumsum(counts, axis=1, out=counts)
    counts /= counts[:, -1:]
    return counts


def _looked_up(table: NDArray[np.float64], bins: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Look up every bin (K, N) in its row of `table` (K, 256)."""
    found = np.empty(bins.shape, np.float32)
    for row, values in enumerate(table.astype(np.float32)):
        here = slice(row, row + 1)
        cv2.LUT(bins[here], values[None], dst=found[here])
    return found


def random_rotations(random: Random, count: int) -> NDArray[np.float64]:
    """Uniformly random rotations (count, 3, 3), float64, from nine normal draws each (Mezzadri 2007).

    Equal to scipy's `special_ortho_group` from version 1.15 on with the same generator, without importing scipy.
    """
    rotations, triangles = np.linalg.qr(random.normal(size=(count, 3, 3)))
    rotations *= np.sign(np.diagonal(triangles, axis1=1, axis2=2))[:, None]
    rotations[:, 0] /= np.linalg.det(rotations)[:, None]
    return rotations


def sot(
    target: FloatPicture,
    reference: FloatPicture,
    random: Random,
    steps: int = 10,
    batch: int = 5,
    smooth: bool = True,
) -> FloatPicture:
    """Sliced optimal transport: along random directions, each colour goes to the one of equal rank in `reference`.

    In each of `steps` steps the mean displacement over `batch` directions is added. `smooth`: filter the total change
    bilaterally (sigma 16 pixels) and clip the result.
    """
    moved = transported(target, reference, random, steps, batch)
    return np.clip(target + smoothed_change(moved - target), 0, 1) if smooth else moved


def transported(
    target: FloatPicture, reference: FloatPicture, random: Random, steps: int = 10, batch: int = 5
) -> FloatPicture:
    """`target` after the steps of sot, neither smoothed nor clipped.

    Unlike in the original ranks are those of 256 bins, and large pictures are measured on a subset of their rows: with
    the masks of merging a difference of 0.006 to 0.06 grey levels, where another random seed makes 0.02 to 0.6
    (docs/decisions.md).
    """
    pixels = _Pixels.of(target, reference)
    for _ in range(steps):
        directions = random.normal(size=(batch, 3)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        bins, _, step = _binned(_product(directions, pixels.colours))
        goals = _mean_goals(_cumulated(bins[:, pixels.measured]), _cumulated(bins[:, pixels.wanted]))
        way = _looked_up(step * (goals - np.arange(_BINS)), bins[:, pixels.own])
        pixels.colours[:, pixels.own] += _product(directions.T / np.float32(batch), way)
    return pixels.picture()


def _mean_goals(own: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """For each own bin the mean bin of the wanted values of the same ranks, (K, 256).

    own, wanted: cumulative histograms (K, 256) over the same bins, so that pixels that are black in both do not move.
    """
    here, there = (np.pad(shares.astype(np.float64), ((0, 0), (1, 0))) for shares in (own, wanted))
    centres, counted = np.arange(_BINS, dtype=np.float64), np.diff(here)
    sums = np.zeros_like(there)  # of the wanted bins up to each rank
    np.cumsum(np.diff(there) * centres, axis=1, out=sums[:, 1:])
    reached = np.stack([np.interp(*row) for row in zip(here, there, sums, strict=True)])
    # A bin without measured values may hold other pixels: they take the mapping of its upper edge.
    goals = np.stack([np.interp(ranks, ends, centres) for ranks, ends in zip(here[:, 1:], there[:, 1:], strict=True)])
    np.divide(np.diff(reached), counted, out=goals, where=counted > 0)
    return goals


def _product(matrix: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """matrix @ values, (M, K) and (K, N), in blocks of columns.

    OpenBLAS runs larger products in threads, which spin for more CPU time than the product needs.
    """
    result = np.empty((matrix.shape[0], values.shape[1]), np.float32)
    block = _ONE_THREAD_PRODUCT // matrix.size
    for start in range(0, values.shape[1], block):
        np.matmul(matrix, values[:, start : start + block], out=result[:, start : start + block])
    return result


def smoothed_change(change: FloatPicture) -> FloatPicture:
    """Approximation of the original's bilateral filter of a change of a 0..1 picture: within 0.001, in a tenth of the
    time.

    Its weight for a neighbour is G(distance)·exp(-d²/50), d the sum over channels of the colour difference. In 0..1 d
    is far below 5, so 1 - d²/50 is used, with d as the difference of the channel sums: then all terms are linear
    filters with the fixed kernel G.
    """
    total = change.sum(axis=2, keepdims=True)
    parts = np.concatenate([change, total * change, total**2 * change, total, total**2], axis=2)
    blurred: NDArray[np.float32] = cv2.filter2D(parts, -1, _SOT_KERNEL)  # type: ignore[assignment]
    mean, once, twice = blurred[:, :, :3], blurred[:, :, 3:6], blurred[:, :, 6:9]
    falloff = np.float32(1 / (2 * SOT_SIGMA_COLOUR**2))
    weighted = mean - falloff * (twice - 2 * total * once + total**2 * mean)
    weights = 1 - falloff * (blurred[:, :, 10:] - 2 * total * blurred[:, :, 9:10] + total**2)
    smoothed: FloatPicture = weighted / weights
    return smoothed


def _disc_kernel(sigma: float) -> NDArray[np.float32]:
    """The spatial kernel of OpenCV's bilateral filter: a Gaussian truncated to a disc of radius 1.5 sigma, sum 1."""
    radius = round(1.5 * sigma)
    row, column = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    distance = row**2 + column**2
    kernel = np.exp(-distance / (2 * sigma**2)) * (distance <= radius**2)
    return np.asarray(kernel / kernel.sum(), np.float32)


_SOT_KERNEL = _disc_kernel(SOT_SIGMA_SPACE)
