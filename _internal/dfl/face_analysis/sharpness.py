"""How sharp a face is: the two measures by which the original sorts.

CPBD: N. D. Narvekar, L. J. Karam, "A No-Reference Image Blur Metric Based on the Cumulative Probability of Blur
Detection", IEEE Transactions on Image Processing 20(9), 2011, with the edge maps that the original takes. The paper's
loops over pixels are here steps on all edges at once.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture
from dfl.face_analysis.canny import canny

_BLOCK = 64
# A block of the picture counts when more than this share of its pixels are edges.
_EDGE_SHARE = 0.002
# The width in pixels at which a viewer just notices blur: in blocks of a contrast up to 50 of 255, and above.
_LOW_CONTRAST, _WIDTH_LOW, _WIDTH_HIGH = 50, 5, 3
_BETA = 3.6
# An edge is sharp when its blur is noticed with at most this probability, in percent.
_NOTICED = 63
_MAX_STEPS = 100
# What is further from the face than this is black and changes neither edge map.
_MARGIN = 16

_Floats = NDArray[np.float64]


def masked(picture: Picture, mask: FloatPicture) -> Picture:
    """The picture with black outside the mask: (H, W, 3) uint8; mask (H, W, 1) float32 of 0 and 1."""
    return cv2.bitwise_and(picture, picture, mask=mask.astype(np.uint8))  # type: ignore[return-value]


def sharpness(picture: Picture) -> float:
    """The share of edges whose blur is not noticed, 0..1; 0 for a picture without edges. (H, W, 3) uint8 BGR."""
    grey: Any = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    brightness = grey[_lit(grey)].astype(np.float64)
    if not brightness.size:
        return 0.0
    widths = _edge_widths(brightness, grey.size)
    edges = _blocks(canny(brightness)).sum(axis=(2, 3))
    contrast = _blocks(brightness).max(axis=(2, 3)) - _blocks(brightness).min(axis=(2, 3))
    noticed = np.where(contrast.astype(int) <= _LOW_CONTRAST, _WIDTH_LOW, _WIDTH_HIGH)
    counted = (edges > _EDGE_SHARE * _BLOCK * _BLOCK)[:, :, None, None] & (_blocks(widths) > 0)
    ratios = (_blocks(widths) / noticed[:, :, None, None])[counted]
    if not len(ratios):
        return 0.0
    percent = np.rint(100 * (1 - np.exp(-(ratios**_BETA))))
    return float(np.count_nonzero(percent <= _NOTICED) / len(percent))


def motion_sharpness(picture: Picture) -> float:
    """The variance of the Laplacian (aperture 11) over the whole picture; motion makes it small. (H, W, 3) uint8."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(picture, cv2.CV_64F, ksize=11).reshape(-1, 1))
    return float(deviation[0, 0]) ** 2


def _lit(grey: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns that are not black, with a margin; they start at the border of a block of the whole picture."""
    left, top, width, height = cv2.boundingRect(grey)
    if not width:
        return slice(0), slice(0)
    rows = slice(max(0, top - _MARGIN) // _BLOCK * _BLOCK, -(-(top + height + _MARGIN) // _BLOCK) * _BLOCK)
    columns = slice(max(0, left - _MARGIN) // _BLOCK * _BLOCK, -(-(left + width + _MARGIN) // _BLOCK) * _BLOCK)
    return rows, columns


def _blocks(values: NDArray[Any]) -> NDArray[Any]:
    """All whole blocks, without a copy: (rows of blocks, columns of blocks, 64, 64)."""
    down, across = values.shape[0] // _BLOCK, values.shape[1] // _BLOCK
    whole = values[: down * _BLOCK, : across * _BLOCK]
    return whole.reshape(down, _BLOCK, across, _BLOCK).swapaxes(1, 2)


def _edge_widths(brightness: _Floats, pixels: int) -> _Floats:
    """The width of every edge that runs up and down, in pixels, at the edge's middle; 0 elsewhere. (H, W).

    pixels: how many the whole picture has; the edges' threshold goes with the mean over all of them.
    """
    widths = np.zeros_like(brightness)
    rows, columns = np.nonzero(_upright_edges(brightness, pixels)[1:-1, 1:-1])
    rows, columns = rows + 1, columns + 1
    across = (brightness[rows, columns + 1] - brightness[rows, columns - 1]) / 2
    down = (brightness[rows + 1, columns] - brightness[rows - 1, columns]) / 2
    eighths = np.where(across == 0, 0, np.rint(np.degrees(np.arctan2(down, across)) / 45)).astype(int)
    for eighth, grows in ((0, 1), (4, -1)):
        chosen = np.abs(eighths) == eighth
        at = rows[chosen], columns[chosen]
        widths[at] = 2 + _steps(brightness, *at, -1, grows) + _steps(brightness, *at, 1, grows)
    return widths


def _upright_edges(brightness: _Floats, pixels: int) -> NDArray[np.bool_]:
    """Where brightness changes from left to right, strongly and more than at the neighbours: (H, W)."""
    kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float64) / 8
    # The kernel's sign does not matter: its results are squared.
    strength = cv2.filter2D(brightness, cv2.CV_64F, kernel, borderType=cv2.BORDER_REFLECT) ** 2
    strength[strength <= 2 * np.sqrt(strength.sum() / pixels)] = 0
    around = np.pad(strength, 1)
    middle = strength > around[1:-1, :-2]
    middle &= strength > around[1:-1, 2:]
    ridge = strength > around[:-2, 1:-1]
    ridge &= strength > around[2:, 1:-1]
    edges: NDArray[np.bool_] = middle | ridge
    return edges


def _steps(
    brightness: _Floats, rows: NDArray[np.intp], columns: NDArray[np.intp], direction: int, grows: int
) -> NDArray[np.intp]:
    """How many pixels beyond the next one the edge at each pixel goes on, to the left (-1) or right (1): (N,).

    grows: 1 where the picture gets brighter to the right, -1 where darker.
    """
    steps = np.zeros(len(rows), np.intp)
    going = np.arange(len(rows))
    for step in range(_MAX_STEPS):
        column = columns[going] + direction * (2 + step)
        inside = (column >= 0) & (column < brightness.shape[1])
        going, column = going[inside], column[inside]
        change = brightness[rows[going], column] - brightness[rows[going], column - direction]
        going = going[change * direction * grows > 0]
        if not len(going):
            break
        steps[going] += 1
    return steps
