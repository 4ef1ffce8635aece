"""Poisson cloning: a pasted face keeps its detail and takes the light of the frame around it.

P. Pérez, M. Gangnet, A. Blake, Poisson Image Editing, 2003. OpenCV's seamlessClone solves the same equation, but cuts
values off to 8 bits before and after, and its Fourier transforms are slow where the mask's box has an awkward side.
"""

import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture
from dfl.merging.blending.box import as_float, box_of, whole
from dfl.merging.blending.face_filters import to_float

# How far inside the mask's edge the frame's own gradients still count, pixels; as in OpenCV.
_RIM = 3
_KERNEL = np.ones((3, 3), np.uint8)
Planes = NDArray[np.float32]  # (3, H, W)


def cloned(pasted: FloatPicture, frame: FloatPicture, inside: NDArray[np.bool_]) -> FloatPicture:
    """`pasted` inside, with colours that meet those of `frame` at the rim of the box around `inside`.

    pasted, frame: (H, W, 3) float32 BGR 0..1; inside: (H, W). The result equals `frame` outside that box, where nothing
    is inside, and is clipped to 0..1. Its gradients are those of `pasted` inside and of `frame` elsewhere.
    """
    box = box_of(inside)
    result = frame.copy()
    if min(box.width, box.height) < 3:
        return result
    here = box.slices
    core: Any = cv2.erode(
        inside[here].astype(np.uint8), _KERNEL, iterations=_RIM, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    change = as_float(cv2.subtract(pasted[here], frame[here]))
    planes = as_float(np.stack(cv2.split(change)))
    result[here] += cv2.merge(list(_bridged(planes, core.astype(np.float32))))
    return np.clip(result, 0, 1, out=result)


def _bridged(change: Planes, core: NDArray[np.float32]) -> Planes:
    """A change (3, H, W) with the gradients of `change` where `core` is 1 and none elsewhere; it is 0 at the box's rim,
    and so must `core` be.

    What is solved for is only what must be added to `change` itself inside `core`: its right-hand side is 0 but along
    the core's edge, so that single precision is enough.
    """
    plain = change * core
    across = core[:, :-1] * np.diff(change, axis=2) - np.diff(plain, axis=2)
    down = core[:-1] * np.diff(change, axis=1) - np.diff(plain, axis=1)
    plain[:, 1:-1, 1:-1] += _solved(np.diff(across, axis=2)[:, 1:-1] + np.diff(down, axis=1)[:, :, 1:-1])
    return plain


def _solved(laplacian: Planes) -> Planes:
    """The pictures (3, H, W), 0 around, whose five-point Laplacian is given: exactly, by sine transforms.

    As matrix products: these are fast at any side, and a face is small enough.
    """
    height, width = laplacian.shape[1:]
    rows, columns = _sines(height), _sines(width)
    waves = rows @ laplacian @ columns
    waves /= _eigenvalues(height)[:, None] + _eigenvalues(width)
    return as_float(rows @ waves @ columns)


@lru_cache(maxsize=8)
def _sines(side: int) -> NDArray[np.float32]:
    """The sine transform DST-I of `side` values as a matrix that is its own inverse."""
    table = np.sqrt(2 / (side + 1)) * np.sin(np.pi / (side + 1) * np.arange(2 * side + 2))
    number = np.arange(1, side + 1)
    return np.take(table.astype(np.float32), np.outer(number, number) % (2 * side + 2))


def _eigenvalues(side: int) -> NDArray[np.float32]:
    """Of the second difference of `side` values with 0 around."""
    angles = np.pi / (side + 1) * np.arange(1, side + 1)
    return np.asarray(2 * np.cos(angles) - 2, np.float32)


def cloned_in_bytes(pasted: FloatPicture, frame: Picture, inside: NDArray[np.bool_]) -> FloatPicture:
    """As `cloned`, by OpenCV's seamlessClone, as the original does it; unchanged where that is impossible.

    frame: (H, W, 3) uint8 BGR.
    """
    mask = inside.astype(np.uint8) * 255
    box = box_of(inside)
    # One pixel around the mask's box gives what the whole frame would give, to the bit.
    near = box.grown(1).within(whole(mask))
    centre = (math.floor(box.left + box.width / 2) - near.left, math.floor(box.top + box.height / 2) - near.top)
    part = (pasted[near.slices] * np.float32(255)).astype(np.uint8)
    try:
        # seamlessClone writes into its mask: give it a copy.
        made = cv2.seamlessClone(part, frame[near.slices], mask[near.slices].copy(), centre, cv2.NORMAL_CLONE)
    except cv2.error:
        return pasted
    result = to_float(frame)
    result[near.slices] = to_float(made)
    return result
