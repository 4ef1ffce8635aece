"""Give a swapped face the colours of the face it covers, by the settings' names."""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import cv2
import numpy as np

from dfl.base.pictures import FloatPicture
from dfl.imaging import colour_transfer as transfers
from dfl.imaging.colour_transfer import ColourStatistics, Formula, hist_match, lct, mix, mkl, rct
from dfl.imaging.colour_transport import Random, idt, sot
from dfl.merging.blending.skin import measure_light, relight
from dfl.merging.planning.settings import STATISTICAL_TRANSFERS, ColourTransfer

__all__ = ["ColourPair", "Random", "is_statistical", "match_histogram", "measure", "recolour"]

_SOT_STEPS, _SOT_DIRECTIONS = 10, 30
# Hundreds of calls that take microseconds each: two threads that hand Python's lock to and fro for them take a tenth
# more CPU time for a whole frame than when one waits for the other, and no frame is done earlier.
_ONE_IDT = Lock()
_FORMULAS: dict[ColourTransfer, Formula] = {"rct": "rct", "lct": "lct", "mkl": "mkl", "mkl-m": "mkl"}


@dataclass(frozen=True, eq=False)
class ColourPair:
    """What a statistical transfer measured: of the predicted face, and of the face it covers."""

    own: ColourStatistics
    wanted: ColourStatistics


def is_statistical(transfer: ColourTransfer) -> bool:
    """Whether a transfer looks at mean colours and their spread alone."""
    return transfer in STATISTICAL_TRANSFERS


def measure(transfer: ColourTransfer, face: FloatPicture, seen: FloatPicture, area: FloatPicture) -> ColourPair:
    """What a statistical transfer needs of `face` and `seen`, both (R, R, 3) float32 BGR 0..1.

    area: (R, R, 1), 1 inside the mask. What lies outside it counts as black in rct and mkl-m, as in the original: not
    what one would expect of a mask, but it makes them scale a face by the light it is in. Without the black they press
    dark brows and a beard into the spread of a smooth skin, and the face looks washed out (docs/decisions.md).
    """
    if transfer == "rct":
        face, seen = (_lab_black(picture, area) for picture in (face, seen))
        return ColourPair(_lab_colours(face), _lab_colours(seen))
    if transfer == "mkl-m":
        face, seen = face * area, seen * area
    formula = _FORMULAS[transfer]
    return ColourPair(transfers.colours_of(formula, face), transfers.colours_of(formula, seen))


def _lab_black(picture: FloatPicture, area: FloatPicture) -> Any:
    lab: Any = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB)
    return lab * (area >= 0.5)


def _lab_colours(lab: Any) -> ColourStatistics:
    mean, spread = cv2.meanStdDev(lab)
    return ColourStatistics(mean.ravel(), spread.ravel(), lab.shape[0] * lab.shape[1])


def recolour(
    transfer: ColourTransfer,
    face: FloatPicture,
    seen: FloatPicture,
    area: FloatPicture,
    random: Random,
    pair: ColourPair | None = None,
) -> FloatPicture:
    """Change `face` towards `seen`, both (R, R, 3) float32 BGR 0..1; the result may leave 0..1 a little in rct.

    area: (R, R, 1), 1 inside the mask. The transfers ending in -m look at what is inside it only; outside it their
    result is black. pair: what a statistical transfer goes by; measured when left out. idt, sot and mix draw from
    `random`.
    """
    if pair is not None:
        masked = face * area if transfer == "mkl-m" else face
        return transfers.recolour(_FORMULAS[transfer], masked, pair.wanted, pair.own)
    match transfer:
        case "rct":
            return rct(face, seen, area, area)
        case "lct":
            return lct(face, seen)
        case "mkl":
            return mkl(face, seen)
        case "mkl-m":
            return mkl(face * area, seen * area)
        case "idt":
            with _ONE_IDT:
                return idt(face, seen, random)
        case "idt-m":
            with _ONE_IDT:
                return idt(face * area, seen * area, random)
        case "sot-m":
            return sot(face * area, seen * area, random, steps=_SOT_STEPS, batch=_SOT_DIRECTIONS)
        case "mix-m":
            return mix(face * area, seen * area, random)
        case "none":
            return face
        case "skin" | "auto":
            return relight(face, measure_light(face, seen, area[:, :, 0]))


def match_histogram(face: FloatPicture, seen: FloatPicture, area: FloatPicture | None, threshold: int) -> FloatPicture:
    """`face` with the distribution of values of `seen`; `area` makes everything outside it white in both."""
    if area is not None:
        face = np.minimum(face * area + (1 - area), 1)
        seen = seen * area + (1 - area)
    return hist_match(face, seen, threshold)
