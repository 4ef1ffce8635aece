"""The original's order by absolute difference of pixels: a chain in which each face is followed by the nearest one."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# A sum of differences must fit 31 bits.
MAX_VALUES = 2**23
_BLOCK_BYTES = 2**18  # stays in the processor's cache


def chain_of_pixels(rows: NDArray[np.uint8], similar: bool, advance: Callable[[], None] = lambda: None) -> list[int]:
    """Each face followed by the one of the smallest (`similar` False: largest) sum of differences: N indices.

    It starts with the first; of equal ones the first follows. rows: (N, D) with D up to MAX_VALUES; it is put into
    another order. Every face is compared with all that are left, so the memory is that of `rows`.
    """
    left = np.arange(len(rows))
    order: list[int] = []
    index = 0
    for count in range(len(rows) - 1, -1, -1):
        order.append(int(left[index]))
        own = rows[index].copy()
        # The last of those that are left moves into its row.
        rows[index], left[index] = rows[count], left[count]
        advance()
        if count:
            differences = _differences(own, rows[:count])
            best = differences.min() if similar else differences.max()
            ties = np.flatnonzero(differences == best)
            index = int(ties[left[ties].argmin()])
    return order


def _differences(own: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The sum of absolute differences to each of the others, exact: (M,)."""
    sums = np.empty(len(others), np.int32)
    height = max(1, _BLOCK_BYTES // own.size)
    block = np.repeat(own[None], min(height, len(others)), axis=0)
    apart: Any = np.empty_like(block)
    for start in range(0, len(others), height):
        part = others[start : start + height]
        apart = cv2.absdiff(part, block[: len(part)], apart[: len(part)])
        sums[start : start + height] = cv2.reduce(apart, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0]
    return sums
