"""Smooth masks, light and colours over the neighbouring frames of a face, without blurring real changes.

A bilateral filter in time: a neighbour's weight falls with its distance in frames and with its difference. Noise is
averaged out, while a hand before the mouth or a lamp that is switched on shows in its own frame, not before or after.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.imaging.colour_transfer import ColourStatistics
from dfl.merging.blending.box import as_float
from dfl.merging.blending.face_colours import ColourPair
from dfl.merging.blending.face_masks import SMALLEST_VALUE
from dfl.merging.blending.face_measures import FaceMeasures
from dfl.merging.blending.skin import Light
from dfl.merging.planning.settings import MergeSettings

# Differences of a mask up to about this are noise, averaged over a window.
_MASK_NOISE = 0.12
_MASK_WINDOW = 5  # pixels of the predicted face
_FLOW_SMOOTH = 0.25  # of the square's size
# A change of a face's mean colour up to about this is noise: of the values 0..1, and in Lab of its 0..100.
_COLOUR_NOISE = 0.012
_LAB_SCALE = 100.0
_LIGHT_NOISE = 0.05  # of the light's logarithms, in the mean


Neighbours = Sequence[tuple[int, FaceMeasures]]  # distance in frames, below 0 before


def smoothed_over_time(own: FaceMeasures, neighbours: Sequence[FaceMeasures], settings: MergeSettings) -> FaceMeasures:
    """`own` with its mask, light and colours smoothed over the same face in frames near it, as far as the settings say.

    neighbours: measures of any faces of other frames; only those of the same track count.
    """
    if own.track is None or not settings.rules.smooths_over_time:
        return own
    same = [(face.index - own.index, face) for face in neighbours if face.track == own.track]
    result = own
    near = [(distance, face) for distance, face in same if abs(distance) <= settings.steady_mask]
    if near:
        light = _smoothed_light(own, near, settings.steady_mask)
        result = replace(result, mask=_smoothed_mask(own, near, settings.steady_mask), light=light)
    pairs = [
        (distance, face.colours) for distance, face in same if abs(distance) <= settings.steady_colours and face.colours
    ]
    if pairs and own.colours:
        is_lab = settings.transfer == "rct"
        result = replace(result, colours=_smoothed_colours(own.colours, pairs, settings.steady_colours, is_lab))
    return result


def _time_weight(distance: int, reach: int) -> float:
    """Falls from 1 to nearly 0 just beyond `reach` frames."""
    return 1 - (distance / (reach + 1)) ** 2


def _smoothed_mask(own: FaceMeasures, neighbours: Neighbours, reach: int) -> NDArray[np.float32]:
    total, weights = own.mask.copy(), np.ones_like(own.mask)
    for distance, face in neighbours:
        if face.mask.shape != own.mask.shape or face.grey is None or own.grey is None:
            continue
        mask = _moved(face.mask, face.grey, own.grey)
        difference = cv2.blur(cv2.absdiff(mask, own.mask), (_MASK_WINDOW, _MASK_WINDOW))
        weight = as_float(cv2.exp(cv2.multiply(difference, difference, scale=-1 / _MASK_NOISE**2)))
        weight *= np.float32(_time_weight(distance, reach))
        cv2.accumulateProduct(mask, weight, total)
        cv2.accumulate(weight, weights)
    total /= weights
    # Below the smallest value nothing is left of a neighbour's mask: every non-zero pixel counts for the colours.
    total[total < SMALLEST_VALUE] = 0
    return total


def _smoothed_light(own: FaceMeasures, neighbours: Neighbours, reach: int) -> Light | None:
    if own.light is None:
        return None
    total, weights = own.light.copy(), 1.0
    for distance, face in neighbours:
        if face.light is not None:
            far = float(np.abs(face.light - own.light).mean()) / _LIGHT_NOISE
            weight = _time_weight(distance, reach) * float(np.exp(-(far**2)))
            total += np.float32(weight) * face.light
            weights += weight
    return as_float(total / np.float32(weights))


def _moved(mask: NDArray[np.float32], grey: NDArray[np.uint8], onto: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A neighbour's mask where its face lies in this frame's square, by optical flow.

    Landmarks alone would not do: where they tremble, the predicted masks tremble against them, to lie still in the
    frame; their mean would not.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(onto, grey, None)  # type: ignore[call-overload]
    side, shown = mask.shape[0], grey.shape[0]
    # The flow is noisy where skin is smooth; a face moves as a whole, or nearly so.
    window = round(_FLOW_SMOOTH * shown) | 1
    flow = cv2.resize(cv2.blur(flow, (window, window)), (side, side), interpolation=cv2.INTER_LINEAR)
    positions = cv2.scaleAdd(flow, side / shown, _positions(side))
    return as_float(cv2.remap(mask, positions, None, cv2.INTER_LINEAR))  # type: ignore[call-overload]


@lru_cache(maxsize=4)
def _positions(side: int) -> NDArray[np.float32]:
    """Coordinates of each pixel of a square: (side, side, 2) of x and y."""
    along = np.arange(side, dtype=np.float32)
    return np.stack(np.meshgrid(along, along), axis=2)


def _smoothed_colours(
    own: ColourPair, neighbours: Sequence[tuple[int, ColourPair]], reach: int, is_lab: bool
) -> ColourPair:
    noise = _COLOUR_NOISE * (_LAB_SCALE if is_lab else 1)
    pairs, weights = [own], [1.0]
    for distance, pair in neighbours:
        # What the covered face looks like decides: it is what the light falls on.
        far = max(
            float(np.abs(pair.wanted.mean - own.wanted.mean).max()), float(np.abs(pair.own.mean - own.own.mean).max())
        )
        pairs.append(pair)
        weights.append(_time_weight(distance, reach) * float(np.exp(-((far / noise) ** 2))))
    return ColourPair(
        _mean_colours([pair.own for pair in pairs], weights), _mean_colours([pair.wanted for pair in pairs], weights)
    )


def _mean_colours(colours: Sequence[ColourStatistics], weights: Sequence[float]) -> ColourStatistics:
    total = sum(weights)
    mean = sum((weight / total * one.mean for one, weight in zip(colours, weights, strict=True)), np.zeros(3))
    spread = sum(
        (weight / total * one.spread for one, weight in zip(colours, weights, strict=True)),
        np.zeros_like(colours[0].spread),
    )
    return ColourStatistics(mean, spread, colours[0].count)
