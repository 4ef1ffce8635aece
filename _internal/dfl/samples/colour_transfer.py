"""Change a picture's colours towards those of another picture.

Used when training (the source face in the light of random destination faces) and when merging. All functions take and
give (H, W, 3) float32 BGR, usually 0..1; `target` is the picture that changes, `reference` the one whose colours it
takes; their sizes may differ unless said. Random directions come from a generator that is passed in: a
`numpy.random.RandomState(s)` repeats what the original does after `numpy.random.seed(s)`.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture

Random = np.random.RandomState | np.random.Generator
Mode = Literal["none", "rct", "lct", "mkl", "idt", "sot"]
MODES: tuple[Mode, ...] = get_args(Mode)
# These look at nothing of the pictures but Colours.
Formula = Literal["rct", "lct", "mkl"]

_LAB_LOW = np.array([0.0, -127.0, -127.0, 0.0])  # OpenCV's scalars have four numbers
_LAB_HIGH = np.array([100.0, 127.0, 127.0, 0.0])
_IDT_ROUNDS = 20
# Multiplications of a matrix product that OpenBLAS computes without its threads (2**18), with some room.
_ONE_THREAD_PRODUCT = 2**17
_IDT_BINS = 256
# What is as low as anything (all that a mask has blackened) is in the lowest bin, however it is rounded: of a bin.
_IDT_NUDGE = 0.002
_IDT_MEASURED = 8192  # pixels
# The original smooths the change of sot by a bilateral filter with these widths, in picture values and in pixels.
_SOT_SIGMA_COLOUR = 5.0
_SOT_SIGMA_SPACE = 16.0


@dataclass(frozen=True, eq=False)
class Colours:
    """What the modes rct, lct and mkl know of a picture, float64: mean (C,) and spread, that of rct in Lab.

    spread: for rct the population standard deviations (3,), else the population covariance (C, C). count: of pixels.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    count: int

    @property
    def nbytes(self) -> int:
        return 512  # with what Python needs for the objects


def is_formula(mode: Mode) -> TypeGuard[Formula]:
    """Whether a mode needs no more than the Colours of both pictures."""
    return mode in get_args(Formula)


def transfer(mode: Mode, target: FloatPicture, reference: FloatPicture, random: Random) -> FloatPicture:
    """Change `target` towards `reference` as training does; `random` is drawn from by idt and sot only.

    Both (H, W, 3) float32 BGR 0..1, same size. rct may leave 0..1 a little, the others are clipped.
    """
    if is_formula(mode):
        return recolour(mode, target, colours_of(mode, reference))
    if mode == "idt":
        return idt(target, reference, random)
    if mode == "sot":
        return sot(target, reference, random)
    return target


def colours_of(mode: Formula, picture: FloatPicture) -> Colours:
    """What `recolour` needs of a picture (H, W, 3) float32 BGR."""
    return _lab_colours(cv2.cvtColor(picture, cv2.COLOR_BGR2LAB), None) if mode == "rct" else _colours(picture)


def recolour(mode: Formula, target: FloatPicture, wanted: Colours, own: Colours | None = None) -> FloatPicture:
    """What rct, lct and mkl make of `target` when the reference's Colours are `wanted`.

    own: the Colours of `target`, or what is to stand for them; measured when left out.
    """
    if mode == "rct":
        lab: Any = cv2.cvtColor(target, cv2.COLOR_BGR2LAB)
        return _recoloured_lab(lab, own or _lab_colours(lab, None), wanted)
    own = own or _colours(target)
    matrix = _lct_matrix(own, wanted) if mode == "lct" else _mkl_matrix(own, wanted)
    return _clipped(_affine(target, matrix, wanted.mean - matrix @ own.mean))


def rct(
    target: FloatPicture,
    reference: FloatPicture,
    target_mask: FloatPicture | None = None,
    reference_mask: FloatPicture | None = None,
) -> FloatPicture:
    """Give each Lab channel of `target` the mean and spread of `reference` (Reinhard et al. 2001, in Lab).

    Masks (H, W, 1) leave every pixel changed, but for the statistics pixels below 0.5 count as Lab (0, 0, 0): not what
    one would want, but what merged faces of the original look like. The result may leave 0..1. A flat channel takes
    the reference's mean (the original divides by zero).
    """
    target_lab: Any = cv2.cvtColor(target, cv2.COLOR_BGR2LAB)
    reference_lab: Any = cv2.cvtColor(reference, cv2.COLOR_BGR2LAB)
    return _recoloured_lab(
        target_lab, _lab_colours(target_lab, target_mask), _lab_colours(reference_lab, reference_mask)
    )


def _lab_colours(lab: Any, mask: FloatPicture | None) -> Colours:
    """What the mask leaves out counts as zeros."""
    if mask is not None:
        lab = lab * (mask.reshape(*lab.shape[:2], 1) >= 0.5)
    mean, spread = cv2.meanStdDev(lab)
    return Colours(mean.ravel(), spread.ravel(), lab.shape[0] * lab.shape[1])


def _recoloured_lab(lab: Any, own: Colours, wanted: Colours) -> FloatPicture:
    gain = np.divide(wanted.spread, own.spread, out=np.zeros(3), where=own.spread > 0)
    changed = _affine(lab, np.diag(gain), wanted.mean - gain * own.mean)
    cv2.min(cv2.max(changed, _LAB_LOW, changed), _LAB_HIGH, changed)
    return cv2.cvtColor(changed, cv2.COLOR_LAB2BGR)  # type: ignore[return-value]


def lct(target: FloatPicture, reference: FloatPicture) -> FloatPicture:
    """Give `target` the mean and covariance of `reference` by symmetric square roots of both covariances; clipped.

    The "linear colour transfer" of Gatys et al. 2016, PCA form. Any number of channels.
    """
    return recolour("lct", target, _colours(reference))


def _lct_matrix(own: Colours, wanted: Colours) -> NDArray[np.float64]:
    ridge = 1e-5 * np.eye(len(own.mean))
    return _power(wanted.spread + ridge, 0.5) @ _power(own.spread + ridge, -0.5)


def mkl(target: FloatPicture, reference: FloatPicture) -> FloatPicture:
    """Move the colours of `target` to those of `reference` by the Monge-Kantorovich linear map; clipped.

    Pitié and Kokaram 2007: A^(-1/2) (A^(1/2) B A^(1/2))^(1/2) A^(-1/2), covariances with n - 1.
    """
    return recolour("mkl", target, _colours(reference))


def _mkl_matrix(own: Colours, wanted: Colours) -> NDArray[np.float64]:
    own_covariance, wanted_covariance = (one.spread * (one.count / max(one.count - 1, 1)) for one in (own, wanted))
    root, inverse = _power(own_covariance, 0.5), _power(own_covariance, -0.5)
    return inverse @ _power(root @ wanted_covariance @ root, 0.5) @ inverse


def _colours(picture: FloatPicture) -> Colours:
    """Mean and population covariance of the colours."""
    flat = np.stack(cv2.split(picture), dtype=np.float32).reshape(picture.shape[2], -1)  # (C, H*W)
    mean = np.array(cv2.mean(picture)[: len(flat)])
    flat -= mean.astype(np.float32)[:, None]
    return Colours(mean, (flat @ flat.T).astype(np.float64) / flat.shape[1], flat.shape[1])


def _power(symmetric: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """A power of a symmetric matrix; eigenvalues are kept above the smallest step of float64, as in the original."""
    values, vectors = np.linalg.eigh(symmetric)
    power: NDArray[np.float64] = (vectors * np.maximum(values, np.finfo(np.float64).eps) ** exponent) @ vectors.T
    return power


def _affine(picture: FloatPicture, matrix: NDArray[np.float64], shift: NDArray[np.float64]) -> FloatPicture:
    """matrix @ colour + shift for every pixel; keeps (H, W, C)."""
    changed = cv2.transform(picture, np.column_stack([matrix, shift]))
    return changed.reshape(picture.shape)  # type: ignore[return-value]


def _clipped(picture: FloatPicture) -> FloatPicture:
    return np.clip(picture, 0, 1, out=picture)


def idt(target: FloatPicture, reference: FloatPicture, random: Random) -> FloatPicture:
    """Match the histograms along 20 random turns of the colour space, a twentieth of the way each; clipped.

    Pitié et al. 2005, iterative distribution transfer. As in the original, values in the lowest of 256 bins go to 0.
    Unlike there all values of a bin move alike, and large pictures are measured by some of their lines: that makes 0.04
    to 0.3 levels, where other random turns make 0.4 to 2.6 (docs/decisions.md).
    """
    height, width, channels = target.shape
    measured = _measured_lines(target)
    lines = np.arange(height)
    lines = np.concatenate([lines[measured], np.delete(lines, measured)])  # those that are measured come first
    count, seen = height * width, len(lines[measured]) * width
    # Both in one list of pixels, (3, N): they share every step but the histograms.
    both = [target[lines].reshape(-1, channels), reference[_measured_lines(reference)].reshape(-1, channels)]
    colours = np.ascontiguousarray(np.concatenate(both).T)
    for rotation in random_rotations(random, _IDT_ROUNDS).astype(np.float32):
        moves = _moves(_product(rotation, colours), count, seen)
        colours[:, :count] += _product(rotation.T / np.float32(_IDT_ROUNDS), moves)
    changed = np.empty_like(target)
    changed[lines] = colours[:, :count].T.reshape(target.shape)
    return _clipped(changed)


def _measured_lines(picture: FloatPicture) -> slice:
    """Every so many lines, that about _IDT_MEASURED pixels are left."""
    every = max(1, picture.shape[0] * picture.shape[1] // _IDT_MEASURED)
    return slice(min(every // 2, picture.shape[0] - 1), None, every)


def _moves(values: Any, count: int, seen: int) -> NDArray[np.float32]:
    """How far the first `count` of `values` (3, N) must move along each axis to be spread as those after them are.

    The first `seen` of them stand for them all. Values are put into 256 equal bins, and those of one move alike; the
    result is (3, count).
    """
    bins = np.zeros(values.shape, np.uint8)
    shares = np.empty((2, len(values), _IDT_BINS), np.float32)  # of own and wanted values at or below each bin
    low, step = np.empty((2, len(values), 1))
    for axis in range(len(values)):
        row, places = values[axis : axis + 1], bins[axis : axis + 1]
        lowest, highest, _, _ = cv2.minMaxLoc(row)
        width = (highest - lowest) / _IDT_BINS
        if width > 0:  # OpenCV rounds, and keeps within 0..255
            cv2.convertScaleAbs(row, dst=places, alpha=1 / width, beta=_IDT_NUDGE - 0.5 - lowest / width)
        for share, part in zip(shares, (places[:, :seen], places[:, count:]), strict=True):
            share[axis] = cv2.calcHist([part], [0], None, [_IDT_BINS], [0, _IDT_BINS]).ravel()
        low[axis], step[axis] = lowest, width
    np.cumsum(shares, axis=2, out=shares)
    shares /= shares[:, :, -1:]
    upper = low + step * np.arange(1, _IDT_BINS + 1)
    goals = np.stack([np.interp(own, wanted, edges) for own, wanted, edges in zip(*shares, upper, strict=True)])
    # Between two upper edges the goal is linear; in the lowest bin the original answers 0.
    table = np.zeros(goals.shape, np.float32)
    table[:, 1:] = (goals[:, 1:] + goals[:, :-1]) / 2 - (upper[:, 1:] - step / 2)
    table[:, :1] = np.where(step > 0, -low, 0)
    moves = np.empty((len(values), count), np.float32)
    for axis in range(len(values)):
        row = slice(axis, axis + 1)
        cv2.LUT(bins[row, :count], table[row], dst=moves[row])
    return moves


def random_rotations(random: Random, count: int) -> NDArray[np.float64]:
    """Uniformly random rotations (count, 3, 3), float64, from nine normal draws each (Mezzadri 2007).

    Gives what scipy's `special_ortho_group` gives from the same stream since its version 1.15, without that import.
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

    Same size for both pictures. `steps` times, the mean move over `batch` directions is added. `smooth` (as always
    in use) smooths the whole change over 16 pixels and clips the result; without it the bare result is given.
    """
    moved = _transported(target, reference, random, steps, batch)
    return _clipped(target + smoothed_change(moved - target)) if smooth else moved


def _transported(
    target: FloatPicture, reference: FloatPicture, random: Random, steps: int = 10, batch: int = 5
) -> FloatPicture:
    """`target` after the steps of sot, neither smoothed nor clipped."""
    moved = np.ascontiguousarray(target.reshape(-1, 3).T)  # (3, N)
    wanted = np.ascontiguousarray(reference.reshape(-1, 3).T)
    for _ in range(steps):
        directions = random.normal(size=(batch, 3)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        way = np.empty((batch, moved.shape[1]), np.float32)
        places, goals = _product(directions, moved), np.sort(_product(directions, wanted), axis=1)
        for row, (place, goal) in enumerate(zip(places, goals, strict=True)):
            way[row, _order(place)] = goal
        way -= places
        moved += _product(directions.T / np.float32(batch), way)
    return np.ascontiguousarray(moved.T).reshape(target.shape)


def _product(matrix: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """matrix @ values, (M, K) and (K, N), in blocks of columns.

    OpenBLAS gives larger products to all processors, whose threads then spin for more CPU time than the product needs.
    """
    result = np.empty((matrix.shape[0], values.shape[1]), np.float32)
    block = _ONE_THREAD_PRODUCT // matrix.size
    for start in range(0, values.shape[1], block):
        np.matmul(matrix, values[:, start : start + block], out=result[:, start : start + block])
    return result


def _order(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Indices that sort `values` to within 1/65535 of their range: ten times faster than an exact argsort."""
    low = values.min()
    span = float(values.max() - low)
    levels = ((values - low) * np.float32(65535 / span if span > 0 else 0)).astype(np.uint16)
    return np.argsort(levels, kind="stable")


def smoothed_change(change: FloatPicture) -> FloatPicture:
    """The original's bilateral filter of a change of a 0..1 picture; within 0.001 of it at a tenth of the time.

    Its weight for a neighbour is G(distance)·exp(-d²/50), d the sum over channels of the colour difference. In 0..1
    d is far below 5, so 1 - d²/50 serves, with d taken as the difference of the channel sums: all parts are plain
    filters with the fixed kernel G.
    """
    total = change.sum(axis=2, keepdims=True)
    parts = np.concatenate([change, total * change, total**2 * change, total, total**2], axis=2)
    blurred: NDArray[np.float32] = cv2.filter2D(parts, -1, _SOT_KERNEL)  # type: ignore[assignment]
    mean, once, twice = blurred[:, :, :3], blurred[:, :, 3:6], blurred[:, :, 6:9]
    falloff = np.float32(1 / (2 * _SOT_SIGMA_COLOUR**2))
    weighted = mean - falloff * (twice - 2 * total * once + total**2 * mean)
    weights = 1 - falloff * (blurred[:, :, 10:] - 2 * total * blurred[:, :, 9:10] + total**2)
    smoothed: FloatPicture = weighted / weights
    return smoothed


def _disc_kernel(sigma: float) -> NDArray[np.float32]:
    """The spatial weights of OpenCV's bilateral filter: a Gaussian cut to a disc of 1.5 sigma, sum 1."""
    radius = round(1.5 * sigma)
    row, column = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    distance = row**2 + column**2
    kernel = np.exp(-distance / (2 * sigma**2)) * (distance <= radius**2)
    return np.asarray(kernel / kernel.sum(), np.float32)


_SOT_KERNEL = _disc_kernel(_SOT_SIGMA_SPACE)


def mix(target: FloatPicture, reference: FloatPicture, random: Random) -> FloatPicture:
    """lct for the lightness and sot for the colours, in 8 bits as in the original; (H, W, 3) float32 BGR 0..1."""
    target_lab, reference_lab = (
        cv2.cvtColor((np.clip(picture, 0, 1) * 255).astype(np.uint8), cv2.COLOR_BGR2LAB)
        for picture in (target, reference)
    )
    light = lct(_from_bytes(target_lab[:, :, :1]), _from_bytes(reference_lab[:, :, :1]))
    flat = []
    for lab in (target_lab, reference_lab):
        lab[:, :, 0] = 100
        flat.append(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR).astype(np.float32))
    change = _transported(flat[0], flat[1], random) - flat[0]
    coloured = flat[0] + cv2.bilateralFilter(change, 0, _SOT_SIGMA_COLOUR, _SOT_SIGMA_SPACE)
    lab = cv2.cvtColor(np.clip(coloured, 0, 255).astype(np.uint8), cv2.COLOR_BGR2LAB)
    lab[:, :, 0] = (light[:, :, 0] * 255).astype(np.uint8)
    return _from_bytes(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR))


def _from_bytes(picture: NDArray[Any]) -> FloatPicture:
    values: FloatPicture = np.multiply(picture, np.float32(1 / 255), dtype=np.float32)
    return values


def hist_match(target: FloatPicture, reference: FloatPicture, threshold: int = 255) -> FloatPicture:
    """Give each channel of `target` the distribution of values of `reference`.

    `threshold` 0..255: the share of the reference's distribution that is used; below 255 the brightest values are
    left out, so the result gets darker.
    """
    matched = np.empty_like(target)
    for channel in range(target.shape[2]):
        _, place, counts = np.unique(target[:, :, channel], return_inverse=True, return_counts=True)
        wanted, wanted_counts = np.unique(reference[:, :, channel], return_counts=True)
        share = threshold * np.cumsum(counts) / counts.sum()
        wanted_share = 255 * np.cumsum(wanted_counts) / wanted_counts.sum()
        matched[:, :, channel] = np.interp(share, wanted_share, wanted)[place].reshape(target.shape[:2])
    return matched
