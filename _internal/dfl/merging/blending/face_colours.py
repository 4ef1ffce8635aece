"""Give a swapped face the colours of the face it covers, by the settings' names."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from dfl.base.pictures import FloatPicture
from dfl.imaging import colour_transfer
from dfl.imaging.colour_transfer import ColourStatistics, hist_match
from dfl.imaging.colour_transport import Random
from dfl.imaging.transfers import STATISTICAL_TRANSFERS, TRANSFERS, MergingTransfer
from dfl.merging.blending.skin import measure_light, relight

__all__ = ["ColourPair", "Random", "is_statistical", "match_histogram", "measure", "recolour"]


@dataclass(frozen=True, eq=False)
class ColourPair:
    """Statistics of a predicted face, and of the face it covers."""

    own: ColourStatistics
    wanted: ColourStatistics


def is_statistical(transfer: MergingTransfer) -> bool:
    """Whether a transfer goes by mean colours and their covariance alone."""
    return transfer in STATISTICAL_TRANSFERS


def measure(transfer: MergingTransfer, face: FloatPicture, covered: FloatPicture, area: FloatPicture) -> ColourPair:
    """What a statistical transfer needs of `face` and `covered`, both (R, R, 3) float32 BGR 0..1.

    area: (R, R, 1), 1 inside the mask. What lies outside it counts as black in rct and mkl-m, as in the original: not
    what one would expect of a mask, but it makes them scale a face by the light it is in. Without the black they press
    dark brows and a beard into the spread of a smooth skin, and the face looks washed out (docs/decisions.md).
    """
    if transfer == "rct":
        face, covered = (_lab_black(picture, area) for picture in (face, covered))
        return ColourPair(_lab_colours(face), _lab_colours(covered))
    if TRANSFERS[transfer].is_masked:
        face, covered = face * area, covered * area
    formula = TRANSFERS[transfer].formula
    assert formula, "is_statistical"
    return ColourPair(colour_transfer.colours_of(formula, face), colour_transfer.colours_of(formula, covered))


def _lab_black(picture: FloatPicture, area: FloatPicture) -> Any:
    lab: Any = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB)
    return lab * (area >= 0.5)


def _lab_colours(lab: Any) -> ColourStatistics:
    mean, spread = cv2.meanStdDev(lab)
    return ColourStatistics(mean.ravel(), spread.ravel(), lab.shape[0] * lab.shape[1])


def recolour(
    transfer: MergingTransfer,
    face: FloatPicture,
    covered: FloatPicture,
    area: FloatPicture,
    random: Random,
    pair: ColourPair | None = None,
) -> FloatPicture:
    """Change `face` towards `covered`, both (R, R, 3) float32 BGR 0..1; the result may leave 0..1 a little in rct.

    area: (R, R, 1), 1 inside the mask. Of the transfers ending in -m the result is black outside it. pair: what a
    statistical transfer goes by; measured when left out. idt, sot and mix draw from
    `random`.
    """
    chosen = TRANSFERS["skin" if transfer == "auto" else transfer]
    if pair is not None:
        assert chosen.formula, "measured for statistical transfers only"
        masked = face * area if chosen.is_masked else face
        return colour_transfer.recolour(chosen.formula, masked, pair.wanted, pair.own)
    if chosen.apply is None:
        return relight(face, measure_light(face, covered, area[:, :, 0]))
    if chosen.is_masked:
        face, covered = face * area, covered * area
    return chosen.apply(face, covered, area, random)


def match_histogram(
    face: FloatPicture, covered: FloatPicture, area: FloatPicture | None, threshold: int
) -> FloatPicture:
    """`face` with the distribution of values of `covered`; `area` makes everything outside it white in both."""
    if area is not None:
        face = np.minimum(face * area + (1 - area), 1)
        covered = covered * area + (1 - area)
    return hist_match(face, covered, threshold)
