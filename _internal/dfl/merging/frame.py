"""All faces of one frame, in their order, laid over each other."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture
from dfl.merging.face_in_frame import Patch
from dfl.merging.operations import to_float


def compose(frame: Picture, patches: Iterable[Patch]) -> tuple[Picture, NDArray[np.uint8]]:
    """The finished frame (H, W, 3) uint8 BGR and its mask (H, W) uint8; `frame` is not changed.

    Each patch was made from the untouched frame. The first is taken as it is; each further one covers what is there
    with its mask, and its mask is added. Values are cut off, not rounded, as in the original. The masks of frame and
    patches being 0, the frame's pixels stay equal.
    """
    result = frame.copy()
    mask = np.zeros(frame.shape[:2], np.uint8)
    done: list[Patch] = []
    for patch in patches:
        finished = _over(frame, done, patch) if done else patch
        done.append(finished)
        result[patch.box.slices] = _to_bytes(finished.picture)
        mask[patch.box.slices] = _to_bytes(finished.mask)[:, :, 0]
    return result, mask


def _over(frame: Picture, done: list[Patch], patch: Patch) -> Patch:
    """`patch` laid over the patches below it, in floats: what the box holds afterwards."""
    picture: FloatPicture = to_float(frame[patch.box.slices])
    mask: FloatPicture = np.zeros_like(patch.mask)
    for below in done:
        shared = patch.box.within(below.box)
        if not shared.is_empty:
            here = shared.moved(-patch.box.left, -patch.box.top).slices
            there = shared.moved(-below.box.left, -below.box.top).slices
            picture[here], mask[here] = below.picture[there], below.mask[there]
    covered = picture * (1 - patch.mask) + patch.picture * patch.mask
    return Patch(patch.box, covered, np.clip(mask + patch.mask, 0, 1))


def _to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return (values * np.float32(255)).astype(np.uint8)
