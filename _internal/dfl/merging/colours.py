"""Give a swapped face the colours of the face it covers, by the settings' names."""

from dataclasses import dataclass
from typing import Any, TypeGuard, get_args

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture
from dfl.merging.settings import STATISTICAL_TRANSFERS, ColourTransfer
from dfl.samples import colour_transfer as transfers
from dfl.samples.colour_transfer import Colours, Formula, Random, hist_match, idt, mix, mkl, rct, sot

__all__ = ["ColourPair", "Random", "is_statistical", "match_histogram", "measure", "recolour"]

_SOT_STEPS, _SOT_DIRECTIONS = 10, 30
# Fewer pixels than these say nothing about a face's colours: then the whole square is measured.
_FEWEST_PIXELS = 64
_WITHIN_MASK = ("rct", "mkl-m")


@dataclass(frozen=True, eq=False)
class ColourPair:
    """What a statistical transfer measured: of the predicted face, and of the face it covers."""

    own: Colours
    wanted: Colours


def is_statistical(transfer: ColourTransfer) -> bool:
    """Whether a transfer looks at mean colours and their spread alone."""
    return transfer in STATISTICAL_TRANSFERS


def measure(transfer: ColourTransfer, face: FloatPicture, seen: FloatPicture, inside: NDArray[np.bool_]) -> ColourPair:
    """What a statistical transfer needs of `face` and `seen`, both (R, R, 3) float32 BGR 0..1.

    inside: (R, R) where the mask shows the face; rct and mkl-m look at nothing else. The original counts what is
    outside as black, which draws every face towards one brightness.
    """
    formula = _formula(transfer)
    if transfer in _WITHIN_MASK and np.count_nonzero(inside) >= _FEWEST_PIXELS:
        face, seen = face[inside][:, None], seen[inside][:, None]  # (N, 1, 3)
    return ColourPair(transfers.colours_of(formula, face), transfers.colours_of(formula, seen))


def _formula(transfer: ColourTransfer) -> Formula:
    name = transfer.removesuffix("-m")
    assert _is_formula(name), f"{transfer} needs more than mean and spread"
    return name


def _is_formula(name: str) -> TypeGuard[Formula]:
    return name in get_args(Formula)


def recolour(
    transfer: ColourTransfer,
    face: FloatPicture,
    seen: FloatPicture,
    area: NDArray[np.bool_],
    random: Random,
    pair: ColourPair | None = None,
) -> FloatPicture:
    """Change `face` towards `seen`, both (R, R, 3) float32 BGR 0..1; the result may leave 0..1 a little in rct.

    area: (R, R), where the mask shows anything; idt-m, sot-m and mix-m look at and change nothing else. pair: what the
    statistical transfers go by, measured. idt, sot and mix draw from `random`.
    """
    match transfer:
        case "idt":
            return idt(face, seen, random)
        case "idt-m" | "sot-m" | "mix-m":
            return _within(transfer, face, seen, area, random)
        case "rct" | "lct" | "mkl" | "mkl-m":
            assert pair is not None
            return transfers.recolour(_formula(transfer), face, pair.wanted, pair.own)
        case "none":
            return face
        case "auto":
            raise AssertionError("auto is replaced by what was chosen before anything is merged")


def _within(
    transfer: ColourTransfer, face: FloatPicture, seen: FloatPicture, area: NDArray[np.bool_], random: Random
) -> FloatPicture:
    """idt-m, sot-m or mix-m of the pixels in `area`; the others stay."""
    if not area.any():
        return face
    if transfer == "mix-m":  # smooths in the picture's own shape
        held = area[:, :, None].astype(np.float32)
        changed: FloatPicture = np.where(area[:, :, None], mix(face * held, seen * held, random), face)
        return changed
    inner, wanted = face[area][:, None], seen[area][:, None]  # (N, 1, 3)
    result = face.copy()
    if transfer == "idt-m":
        result[area] = idt(inner, wanted, random)[:, 0]
        return result
    change = np.zeros_like(face)
    change[area] = sot(inner, wanted, random, _SOT_STEPS, _SOT_DIRECTIONS, smooth=False)[:, 0] - inner[:, 0]
    return np.clip(face + transfers.smoothed_change(change), 0, 1, out=result)


def recolour_like_original(
    transfer: ColourTransfer, face: FloatPicture, seen: FloatPicture, area: FloatPicture, random: Random
) -> FloatPicture:
    """`recolour` as the original does it: what lies outside `area` (R, R, 1) counts as black in rct and the -m kinds.

    area: 1 inside; values slightly below 0, which cubic resizing leaves, are multiplied with as they are.
    """
    match transfer:
        case "rct":
            return rct(face, seen, area, area)
        case "mkl-m":
            return mkl(face * area, seen * area)
        case "idt-m":
            return idt(face * area, seen * area, random)
        case "sot-m":
            return sot(face * area, seen * area, random, steps=_SOT_STEPS, batch=_SOT_DIRECTIONS)
        case "mix-m":
            return mix(face * area, seen * area, random)
    everywhere = np.ones(face.shape[:2], bool)
    pair = measure(transfer, face, seen, everywhere) if is_statistical(transfer) else None
    return recolour(transfer, face, seen, everywhere, random, pair)


def match_histogram(face: FloatPicture, seen: FloatPicture, area: Any, threshold: int) -> FloatPicture:
    """`face` with the distribution of values of `seen`; `area` (R, R, 1) makes everything outside it white in both."""
    if area is not None:
        face = np.minimum(face * area + (1 - area), 1)
        seen = seen * area + (1 - area)
    return hist_match(face, seen, threshold)
