"""Motion blur and sharpening: for XSeg's samples, for degraded inputs, and for merged faces."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture


def line_kernel(size: int, degrees: float) -> NDArray[np.float32]:
    """Motion-blur kernel (size, size): a line of `size` pixels, rotated counter-clockwise from horizontal; sum 1."""
    line = np.zeros((size, size), np.float32)
    line[(size - 1) // 2] = 1
    turn = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), degrees, 1.0)
    turned = np.asarray(cv2.warpAffine(line, turn, (size, size)), np.float32)
    return np.asarray(turned / turned.sum(), np.float32)


def motion_blur(picture: FloatPicture, size: int, degrees: float) -> FloatPicture:
    """Motion blur along a line of `size` pixels, rotated `degrees` counter-clockwise from horizontal."""
    return np.asarray(cv2.filter2D(picture, -1, line_kernel(size, degrees)), np.float32)


def sharpen(picture: FloatPicture, mode: Literal["box", "gaussian"], amount: float, size: int) -> FloatPicture:
    """Unsharp mask: add `amount` (mode `gaussian`: half of it) times the difference from a blur.

    size: of the blur's kernel, an even one is increased by 1. Results may exceed 0..1.
    """
    size |= 1
    if mode == "box":
        kernel = np.full((size, size), -amount / size**2, np.float32)
        kernel[size // 2, size // 2] += 1 + amount
        return np.asarray(cv2.filter2D(picture, -1, kernel), np.float32)
    blurred = cv2.GaussianBlur(picture, (size, size), 0)
    return np.asarray(cv2.addWeighted(picture, 1 + 0.5 * amount, blurred, -0.5 * amount, 0), np.float32)
