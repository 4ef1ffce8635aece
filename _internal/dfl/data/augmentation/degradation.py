"""Random degradation of the network's input, as in real footage: shadow, blur, downsampling, noise, JPEG.

The target stays clean, so the network learns to be robust against it. The order is that of image formation: light,
lens, sensor, file. Ranges and probabilities are those of DeepFaceLab's forks with these options, the milder ones where
they differ; lengths in pixels are for 256 pixels and scale with the resolution.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dfl.base.pictures import Picture
from dfl.imaging.filters import line_kernel

_FULL_SIDE = 256
_CHANCE = 0.25
_SHADOW_CHANCE = 0.5
# Laplace and Poisson noise is drawn from a table of the distribution's quantiles by a random index.
_LEVELS = 4096
_MIDDLES = (np.arange(_LEVELS) + 0.5) / _LEVELS
_LAPLACE = np.asarray(-np.sign(_MIDDLES - 0.5) * np.log(1 - 2 * np.abs(_MIDDLES - 0.5)), np.float32)


@dataclass(frozen=True)
class Degradations:
    """Degradations of the input that are switched on.

    shadow (probability 0.5): a band across the picture is multiplied by 0.2 to 0.6, the rest by 1 to 1.5. The others
    have a probability of 0.25 each and are independent. blur: motion blur of 5 to 11 pixels in any direction, or
    Gaussian with a sigma of 1 to 4 pixels. downsample: to 0.25 to 0.75 of the size and back. noise: Gaussian, Laplace
    or Poisson of 10 to 20 grey levels (Poisson: variance), each channel independently. jpeg: quality 60 to 94.
    """

    shadow: bool = False
    blur: bool = False
    downsample: bool = False
    noise: bool = False
    jpeg: bool = False

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))


def degrade(picture: Picture, faults: Degradations, random: Generator) -> Picture:
    """Apply the enabled degradations, each with its probability, to a picture (S, S, 3) uint8 BGR; returns a new array
    or `picture` itself."""
    for name, (chance, spoil) in _FAULTS.items():
        if getattr(faults, name) and random.random() < chance:
            picture = spoil(picture, random)
    return picture


def _shadowed(picture: Picture, random: Generator) -> Picture:
    """Multiply a band across the picture by the dark factor and the rest by the bright one; half of them vertical."""
    side = len(picture)
    dark, bright = random.uniform(0.2, 0.6), random.uniform(1.0, 1.5)
    tops, depths = random.uniform(0.0, 0.5, 2), random.uniform(0.2, 0.6, 2)
    corners = [(0, tops[0]), (1, tops[1]), (1, tops[1] + depths[1]), (0, tops[0] + depths[0])]
    light = np.full((side, side), bright, np.float32)
    cv2.fillPoly(light, [np.round(np.array(corners) * (side - 1)).astype(np.int32)], float(dark))
    if random.random() < 0.5:
        light = np.ascontiguousarray(light.T)
    edge = max(side // 32, 1) | 1
    soft: Any = cv2.blur(light, (edge, edge))
    # Factors as 8-bit fixed point, times 64: the product is then one OpenCV call on bytes.
    factors = cv2.merge([np.asarray(soft * 64 + 0.5, np.uint8)] * 3)
    return np.asarray(cv2.multiply(picture, factors, scale=1 / 64), np.uint8)


def _blurred(picture: Picture, random: Generator) -> Picture:
    scale = len(picture) / _FULL_SIDE
    if random.random() < 0.5:
        length = max(round(random.uniform(5, 11) * scale), 3)
        return np.asarray(cv2.filter2D(picture, -1, line_kernel(length, random.uniform(0, 360))), np.uint8)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(random.uniform(1, 4) * scale, 0.5)), np.uint8)


def _downsampled(picture: Picture, random: Generator) -> Picture:
    side = len(picture)
    small = max(int(random.uniform(0.25, 0.75) * side), 1)
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)[random.integers(3)]
    shrunk = cv2.resize(picture, (small, small), interpolation=how)
    # INTER_AREA enlarges like nearest neighbour, which video players do not.
    back = cv2.INTER_LINEAR if how == cv2.INTER_AREA else how
    return np.asarray(cv2.resize(shrunk, (side, side), interpolation=back), np.uint8)


def _noisy(picture: Picture, random: Generator) -> Picture:
    kind = random.integers(3)
    strength = random.uniform(10, 20)
    if kind == 0:
        noise = random.standard_normal(picture.shape, np.float32) * np.float32(strength)
    else:
        levels = _LAPLACE * np.float32(strength) if kind == 1 else _poisson_levels(strength)
        noise = levels[random.integers(0, _LEVELS, picture.shape, np.uint16)]
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def _poisson_levels(mean: float) -> NDArray[np.float32]:
    """Quantiles of a zero-mean Poisson distribution, (4096,); numpy's own Poisson draws are ten times slower."""
    counts = np.arange(4 * mean)
    share = np.exp(np.cumsum(np.log(mean / np.maximum(counts, 1)) * (counts > 0)) - mean)
    return np.searchsorted(share.cumsum(), _MIDDLES).astype(np.float32) - np.float32(mean)


def _compressed(picture: Picture, random: Generator) -> Picture:
    content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(60, 95))])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


_FAULTS: dict[str, tuple[float, Callable[[Picture, Generator], Picture]]] = {
    "shadow": (_SHADOW_CHANCE, _shadowed),
    "blur": (_CHANCE, _blurred),
    "downsample": (_CHANCE, _downsampled),
    "noise": (_CHANCE, _noisy),
    "jpeg": (_CHANCE, _compressed),
}
