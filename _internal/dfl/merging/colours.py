"""Give a swapped face the colours of the face it covers, by the settings' names."""

import numpy as np

from dfl.base.pictures import FloatPicture
from dfl.merging.settings import ColourTransfer
from dfl.samples.colour_transfer import Random, hist_match, idt, lct, mix, mkl, rct, sot

__all__ = ["Random", "match_histogram", "recolour"]

_SOT_STEPS, _SOT_DIRECTIONS = 10, 30


def recolour(
    transfer: ColourTransfer, face: FloatPicture, seen: FloatPicture, area: FloatPicture, random: Random | None
) -> FloatPicture:
    """Change `face` towards `seen`, both (R, R, 3) float32 BGR 0..1. area: (R, R, 1), 1 inside the mask.

    The transfers ending in -m look at what is inside the area only; outside it their result is black. idt, sot and mix
    draw from `random`.
    """
    random = random if random is not None else np.random.default_rng()
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
            return idt(face, seen, random)
        case "idt-m":
            return idt(face * area, seen * area, random)
        case "sot-m":
            return sot(face * area, seen * area, random, steps=_SOT_STEPS, batch=_SOT_DIRECTIONS)
        case "mix-m":
            return mix(face * area, seen * area, random)
        case "none":
            return face


def match_histogram(face: FloatPicture, seen: FloatPicture, area: FloatPicture | None, threshold: int) -> FloatPicture:
    """`face` with the distribution of values of `seen`; `area` makes everything outside it white in both."""
    if area is not None:
        face = np.minimum(face * area + (1 - area), 1)
        seen = seen * area + (1 - area)
    return hist_match(face, seen, threshold)
