"""The colour transfer `skin`: the light that a predicted face needs for its skin to meet the frame's at the mask's rim.

The transfers of the original compare two whole faces: other hair, another beard or an open mouth counts as a colour.
This one compares skin with skin, where both lie on each other: mostly along the mask's rim, the only place where a
difference of colour is visible. What is no skin there (hair over a cheek, a beard, a hand, glasses) differs
from the rest of the rim by far and counts for nothing. The light is a factor for each pixel and channel: level,
slopes and the middle's own brightness, fitted robustly, and a smooth remainder along the rim. So features keep their
contrast.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture
from dfl.merging.blending.box import as_float

# (SIZE, SIZE, 3) float32: logarithms of the factors, over the face's square.
Light = NDArray[np.float32]
SIZE = 32

_BLACK = 0.03  # added to values 0..1 before factors are taken: noise in the dark is none
_STRONGEST = 1.5  # of the logarithms: factors of 0.22 to 4.5
_EDGE = 0.14  # of the mask's size: how far inside its edge skin is compared
_LIKE_MIDDLE = 0.5  # logarithm of brightness: how far skin at the edge may be from that in the middle of the face
# A pixel that differs from the fit by so much (all channels, logarithms) is no skin; first wide, to find it.
_NO_SKIN = (0.75, 0.75, 0.5, 0.5)
_NO_SKIN_AT_EDGE = 1.2
_SLOPE_COST = 0.005  # share of the pixels that a slope must explain
_REMAINDER_SMOOTH, _REMAINDER_COST = 3.0, 0.05  # pixels of SIZE; and of their weight: with less skin around it vanishes
_BRIGHTNESS = np.array([0.114, 0.587, 0.299])
_ALONG = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
_X, _Y = np.meshgrid(_ALONG, _ALONG)
# (SIZE, SIZE, 4): level, two slopes, and how much brighter the rim is than the middle.
_SHAPES = np.stack([np.ones((SIZE, SIZE)), _X, _Y, 2 * (_X**2 + _Y**2) - 0.5], axis=2)


def measure_light(face: FloatPicture, covered: FloatPicture, mask: NDArray[np.float32]) -> Light:
    """The light that `face` needs to meet `covered`, (N, N, 3) float32 BGR 0..1 each; mask (M, M) of the square."""
    own, wanted_face = _small(face), _small(covered)
    inside = _resized(mask) > 0.5
    size = np.sqrt(inside.sum())
    if size < 4:
        return np.zeros((SIZE, SIZE, 3), np.float32)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(int(_EDGE * size), 1) * 2 + 1,) * 2)
    core = cv2.erode(inside.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    wanted = np.log(wanted_face + _BLACK) - np.log(own + _BLACK)
    is_skin = inside * _like_middle(wanted_face, core)
    fit = _SHAPES @ _fitted(wanted[inside], _SHAPES[inside], (is_skin * _like_middle(own, core))[inside])
    rest = wanted - fit
    weights = is_skin * ~core * _near(rest, _NO_SKIN_AT_EDGE)
    smooth = (0, 0), _REMAINDER_SMOOTH
    total = cv2.GaussianBlur(weights, *smooth) + _REMAINDER_COST
    light = fit + cv2.GaussianBlur(rest * weights[..., None], *smooth) / total[..., None]
    return as_float(np.clip(light, -_STRONGEST, _STRONGEST).astype(np.float32))


def relight(face: FloatPicture, light: Light) -> FloatPicture:
    """`face`, (N, N, 3) float32 BGR 0..1, in that light; within 0..1."""
    size = (face.shape[1], face.shape[0])
    factors: Any = cv2.exp(cv2.resize(light, size, interpolation=cv2.INTER_CUBIC))
    factors *= face + np.float32(_BLACK)
    factors -= np.float32(_BLACK)
    return as_float(np.clip(factors, 0, 1, out=factors))


def without_what_is_no_skin(frame: FloatPicture, face: FloatPicture) -> FloatPicture:
    """`frame` with `face`, a face in the frame's light laid over it, wherever the frame shows something else.

    Both (H, W, 3) float32 BGR 0..1. What is cloned into it takes no light from hair.
    """
    ratio: Any = cv2.log((frame + np.float32(_BLACK)) / (face + np.float32(_BLACK)))
    is_skin = _near(ratio, _NO_SKIN_AT_EDGE)[..., None].astype(np.float32)
    return as_float(face + (frame - face) * is_skin)


def _small(picture: FloatPicture) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(_resized(picture), (0, 0), 1.0), np.float64)


def _resized(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    way = cv2.INTER_AREA if picture.shape[0] > SIZE else cv2.INTER_LINEAR
    return as_float(cv2.resize(picture, (SIZE, SIZE), interpolation=way))


def _near(differences: NDArray[Any], no_skin: float) -> NDArray[Any]:
    """Tukey's biweight of differences (..., 3): 1 without any, 0 where all three together reach `no_skin`."""
    weights: NDArray[Any] = 1 - np.einsum("...i,...i", differences, differences) / no_skin**2
    weights[weights < 0] = 0
    weights *= weights
    return weights


def _like_middle(picture: NDArray[np.float64], core: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How like skin each pixel is by its brightness: as in the middle of the face. (SIZE, SIZE) 0..1."""
    bright = np.log(picture @ _BRIGHTNESS + _BLACK)
    middle = float(np.median(bright[core])) if core.any() else float(np.median(bright))
    weights: NDArray[np.float64] = np.exp(-(((bright - middle) / _LIKE_MIDDLE) ** 2))
    return weights


def _fitted(
    wanted: NDArray[np.float64], shapes: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What most of the weight agrees on, (4, 3) shares of the shapes: least squares, repeated without what is far off.

    wanted: (N, 3) values; shapes: (N, 4); weights: (N,).
    """
    likely = weights > weights.max() / 2
    found = np.zeros((shapes.shape[1], 3))
    found[0] = np.median(wanted[likely] if likely.any() else wanted, axis=0)
    cost = np.diag([1e-6, _SLOPE_COST, _SLOPE_COST, _SLOPE_COST]) * len(weights)
    for no_skin in _NO_SKIN:
        weighted = shapes * (weights * _near(wanted - shapes @ found, no_skin))[:, None]
        found = np.linalg.solve(shapes.T @ weighted + cost, weighted.T @ wanted)
    return found
