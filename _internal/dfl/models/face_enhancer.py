"""The original's enhancer: a picture at four times its size, made patch by patch, and the same at its own size.

What enhances facesets, and what super resolution in merging uses.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture

_PATCH = 192  # pixels; what the network was trained on
_STEP = 96
_SCALE = 4
# Patches at once. Each needs about 0.7 GB; more at once are not faster on a processor.
_BATCH = 2
# Weight of a patch's outermost pixels. The original has 0 there, and so a grey line around every picture.
_RIM = 1e-4

# Pictures (N, 192, 192, 3) BGR float32 -1..1 -> (N, 768, 768, 3).
Network = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]


class FaceEnhancer:
    """Enhances pictures with a network, see nets.face_enhancer. Made by open_face_enhancer."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def enlarge(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """The picture (H, W, 3) BGR float32 -1..1 at four times its size: (4H, 4W, 3), about -1..1.

        Patches that overlap by half are blended, each with a weight that falls from its middle to its rim. Pictures
        below 192 pixels stand in the middle of grey. The original's merging hands in 0..1 and takes the result for
        0..1: then this gives its pictures.
        """
        height, width = picture.shape[:2]
        picture, top, left = _padded(picture)
        rows, columns = _starts(picture.shape[0]), _starts(picture.shape[1])
        ramp = _ramp()
        weight = (ramp[:, None] * ramp)[:, :, None]
        total = np.zeros((_SCALE * picture.shape[0], _SCALE * picture.shape[1], 3), np.float32)
        corners = [(row, column) for row in rows for column in columns]
        for part in (corners[start : start + _BATCH] for start in range(0, len(corners), _BATCH)):
            patches = np.stack([picture[row : row + _PATCH, column : column + _PATCH] for row, column in part])
            for (row, column), large in zip(part, self._network(patches)[0], strict=True):
                inside = (slice(_SCALE * start, _SCALE * (start + _PATCH)) for start in (row, column))
                total[tuple(inside)] += large * weight
        # A pixel's weight is the product of its row's and its column's weight, and so is the sum over patches.
        total /= _sum_of_ramps(rows, ramp)[:, None, None] * _sum_of_ramps(columns, ramp)[None, :, None]
        top, left = _SCALE * top, _SCALE * left
        return total[top : top + _SCALE * height, left : left + _SCALE * width]

    def enhance(self, picture: Picture) -> Picture:
        """The picture (H, W, 3) uint8 BGR with more detail, at its own size."""
        height, width = picture.shape[:2]
        large = self.enlarge(picture.astype(np.float32) / np.float32(255) * 2 - 1)
        small = cv2.resize(large, (width, height), interpolation=cv2.INTER_LANCZOS4)
        enhanced: Picture = (np.clip(small / 2 + 0.5, 0, 1) * 255).astype(np.uint8)
        return enhanced


def open_face_enhancer() -> FaceEnhancer:
    """The enhancer with the weights that were imported. The engine must be started.

    UserError, with the way to get them, when they are missing.
    """
    from dfl.models.compiled import compiled
    from dfl.models.face_weights import open_face_network

    network = open_face_network("FaceEnhancer")
    return FaceEnhancer(compiled(lambda pictures: (network(pictures),)))


def _padded(picture: NDArray[np.float32]) -> tuple[NDArray[np.float32], int, int]:
    """The picture with zeros around it up to the patch's size, and how many rows and columns came before it."""
    missing = [max(0, _PATCH - side) for side in picture.shape[:2]]
    before = [count // 2 for count in missing]
    pads = [(first, count - first) for first, count in zip(before, missing, strict=True)]
    return np.pad(picture, (*pads, (0, 0))), before[0], before[1]


def _starts(size: int) -> list[int]:
    """Where patches begin along a side; the last one ends with it."""
    last = size - _PATCH
    return [*range(0, last, _STEP), last]


def _ramp() -> NDArray[np.float32]:
    """A patch's weights along one side: up to 1 in the middle and down again."""
    up = np.linspace(0, 1, _SCALE * _PATCH // 2, dtype=np.float32)
    ramp: NDArray[np.float32] = np.maximum(np.concatenate([up, up[::-1]]), np.float32(_RIM))
    return ramp


def _sum_of_ramps(starts: list[int], ramp: NDArray[np.float32]) -> NDArray[np.float32]:
    """What all patches together weigh along one side."""
    total = np.zeros(_SCALE * (starts[-1] + _PATCH), np.float32)
    for start in starts:
        total[_SCALE * start : _SCALE * (start + _PATCH)] += ramp
    return total
