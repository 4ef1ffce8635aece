"""Colour transfer: change a picture's colours towards those of another picture.

Used in training (src's faces with the colours of random dst faces) and in merging. All functions take and return
(H, W, 3) float32 BGR, usually 0..1; `target` is the picture that changes, `reference` the one whose colours it takes;
their sizes may differ unless stated. Random directions (see colour_transport) come from a generator that is passed in:
`numpy.random.RandomState(s)` reproduces the original after `numpy.random.seed(s)`.
"""

from dataclasses import dataclass
from typing import Any, TypeGuard, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture
from dfl.imaging.colour_transport import SOT_SIGMA_COLOUR, SOT_SIGMA_SPACE, Random, transported
from dfl.imaging.transfers import TRANSFERS, Formula, TrainingTransfer

_LAB_LOW = np.array([0.0, -127.0, -127.0, 0.0])  # OpenCV's scalars have four numbers
_LAB_HIGH = np.array([100.0, 127.0, 127.0, 0.0])


@dataclass(frozen=True, eq=False)
class ColourStatistics:
    """Statistics of a picture's colours for rct, lct and mkl, float64: mean (C,) and spread, that of rct in Lab.

    spread: for rct the population standard deviations (3,), else the population covariance (C, C). count: of pixels.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    count: int

    @property
    def nbytes(self) -> int:
        return 512  # with Python's objects


def is_formula(mode: TrainingTransfer) -> TypeGuard[Formula]:
    """Whether a mode only needs both pictures' ColourStatistics."""
    return mode in get_args(Formula)


def transfer(mode: TrainingTransfer, target: FloatPicture, reference: FloatPicture, random: Random) -> FloatPicture:
    """Apply a transfer as training does; only idt and sot draw from `random`.

    Both (H, W, 3) float32 BGR 0..1, same size. Results of rct may exceed 0..1 slightly, the others are clipped.
    """
    if is_formula(mode):
        return recolour(mode, target, colours_of(mode, reference))
    apply = TRANSFERS[mode].apply
    assert apply, "only merging has transfers without a function"
    return apply(target, reference, None, random)


def colours_of(mode: Formula, picture: FloatPicture) -> ColourStatistics:
    """The statistics that `recolour` needs of a picture (H, W, 3) float32 BGR."""
    return _lab_colours(cv2.cvtColor(picture, cv2.COLOR_BGR2LAB), None) if mode == "rct" else _colours(picture)


def recolour(
    mode: Formula, target: FloatPicture, wanted: ColourStatistics, own: ColourStatistics | None = None
) -> FloatPicture:
    """Apply rct, lct or mkl to `target`, given the reference's statistics `wanted`.

    own: those of `target`, or smoothed ones in their place; measured by default.
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
    """Match mean and standard deviation of each Lab channel to `reference` (Reinhard et al. 2001, in Lab).

    Masks (H, W, 1) only affect the statistics, where pixels below 0.5 count as Lab (0, 0, 0) instead of being left out:
    a quirk of the original that its results depend on. Results may exceed 0..1. A flat channel gets the reference's
    mean (the original divides by zero).
    """
    target_lab: Any = cv2.cvtColor(target, cv2.COLOR_BGR2LAB)
    reference_lab: Any = cv2.cvtColor(reference, cv2.COLOR_BGR2LAB)
    return _recoloured_lab(
        target_lab, _lab_colours(target_lab, target_mask), _lab_colours(reference_lab, reference_mask)
    )


def _lab_colours(lab: Any, mask: FloatPicture | None) -> ColourStatistics:
    """Statistics in Lab; pixels outside the mask count as zeros."""
    if mask is not None:
        lab = lab * (mask.reshape(*lab.shape[:2], 1) >= 0.5)
    mean, spread = cv2.meanStdDev(lab)
    return ColourStatistics(mean.ravel(), spread.ravel(), lab.shape[0] * lab.shape[1])


def _recoloured_lab(lab: Any, own: ColourStatistics, wanted: ColourStatistics) -> FloatPicture:
    gain = np.divide(wanted.spread, own.spread, out=np.zeros(3), where=own.spread > 0)
    changed = _affine(lab, np.diag(gain), wanted.mean - gain * own.mean)
    cv2.min(cv2.max(changed, _LAB_LOW, changed), _LAB_HIGH, changed)
    return cv2.cvtColor(changed, cv2.COLOR_LAB2BGR)  # type: ignore[return-value]


def lct(target: FloatPicture, reference: FloatPicture) -> FloatPicture:
    """Match mean and covariance to `reference` by symmetric square roots of both covariances; clipped.

    The "linear colour transfer" of Gatys et al. 2016, PCA form. Any number of channels.
    """
    return recolour("lct", target, _colours(reference))


def _lct_matrix(own: ColourStatistics, wanted: ColourStatistics) -> NDArray[np.float64]:
    ridge = 1e-5 * np.eye(len(own.mean))
    return _power(wanted.spread + ridge, 0.5) @ _power(own.spread + ridge, -0.5)


def mkl(target: FloatPicture, reference: FloatPicture) -> FloatPicture:
    """Match mean and covariance to `reference` by the Monge-Kantorovich linear map; clipped.

    Pitié and Kokaram 2007: A^(-1/2) (A^(1/2) B A^(1/2))^(1/2) A^(-1/2), covariances with n - 1.
    """
    return recolour("mkl", target, _colours(reference))


def _mkl_matrix(own: ColourStatistics, wanted: ColourStatistics) -> NDArray[np.float64]:
    own_covariance, wanted_covariance = (one.spread * (one.count / max(one.count - 1, 1)) for one in (own, wanted))
    root, inverse = _power(own_covariance, 0.5), _power(own_covariance, -0.5)
    return inverse @ _power(root @ wanted_covariance @ root, 0.5) @ inverse


def _colours(picture: FloatPicture) -> ColourStatistics:
    """Mean and population covariance of the colours."""
    flat = np.stack(cv2.split(picture), dtype=np.float32).reshape(picture.shape[2], -1)  # (C, H*W)
    mean = np.array(cv2.mean(picture)[: len(flat)])
    flat -= mean.astype(np.float32)[:, None]
    return ColourStatistics(mean, (flat @ flat.T).astype(np.float64) / flat.shape[1], flat.shape[1])


def _power(symmetric: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """A power of a symmetric matrix; eigenvalues are at least the epsilon of float64, as in the original."""
    values, vectors = np.linalg.eigh(symmetric)
    power: NDArray[np.float64] = (vectors * np.maximum(values, np.finfo(np.float64).eps) ** exponent) @ vectors.T
    return power


def _affine(picture: FloatPicture, matrix: NDArray[np.float64], shift: NDArray[np.float64]) -> FloatPicture:
    """matrix @ colour + shift for every pixel; keeps (H, W, C)."""
    changed = cv2.transform(picture, np.column_stack([matrix, shift]))
    return changed.reshape(picture.shape)  # type: ignore[return-value]


def _clipped(picture: FloatPicture) -> FloatPicture:
    return np.clip(picture, 0, 1, out=picture)


def mix(target: FloatPicture, reference: FloatPicture, random: Random) -> FloatPicture:
    """lct for the lightness and sot for the chroma, in 8 bits as in the original; (H, W, 3) float32 BGR 0..1."""
    target_lab, reference_lab = (
        cv2.cvtColor((np.clip(picture, 0, 1) * 255).astype(np.uint8), cv2.COLOR_BGR2LAB)
        for picture in (target, reference)
    )
    light = lct(_from_bytes(target_lab[:, :, :1]), _from_bytes(reference_lab[:, :, :1]))
    flat = []
    for lab in (target_lab, reference_lab):
        lab[:, :, 0] = 100
        flat.append(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR).astype(np.float32))
    change = transported(flat[0], flat[1], random) - flat[0]
    coloured = flat[0] + cv2.bilateralFilter(change, 0, SOT_SIGMA_COLOUR, SOT_SIGMA_SPACE)
    lab = cv2.cvtColor(np.clip(coloured, 0, 255).astype(np.uint8), cv2.COLOR_BGR2LAB)
    lab[:, :, 0] = (light[:, :, 0] * 255).astype(np.uint8)
    return _from_bytes(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR))


def _from_bytes(picture: NDArray[Any]) -> FloatPicture:
    values: FloatPicture = np.multiply(picture, np.float32(1 / 255), dtype=np.float32)
    return values


def hist_match(target: FloatPicture, reference: FloatPicture, threshold: int = 255) -> FloatPicture:
    """Histogram matching of each channel of `target` to `reference`.

    `threshold` 0..255: the share of the reference's distribution that is used; below 255 the brightest values are left
    out, so the result gets darker.
    """
    matched = np.empty_like(target)
    for channel in range(target.shape[2]):
        _, index, counts = np.unique(target[:, :, channel], return_inverse=True, return_counts=True)
        wanted, wanted_counts = np.unique(reference[:, :, channel], return_counts=True)
        share = threshold * np.cumsum(counts) / counts.sum()
        wanted_share = 255 * np.cumsum(wanted_counts) / wanted_counts.sum()
        matched[:, :, channel] = np.interp(share, wanted_share, wanted)[index].reshape(target.shape[:2])
    return matched
