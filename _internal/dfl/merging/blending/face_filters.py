"""Operations on pictures that only merging needs: sharpen or smooth a face, and coarsen what is around it.

All take and give (H, W, 3) float32 BGR, 0..1 unless said.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture
from dfl.imaging import filters
from dfl.merging.blending.box import as_float
from dfl.merging.planning.settings import SharpenMode

SHARPEN_KERNEL = 3


def sharpen(picture: FloatPicture, mode: SharpenMode, amount: int, size: int = SHARPEN_KERNEL) -> FloatPicture:
    """Sharpen with a kernel of side `size` (odd), or, for an `amount` below 0, take out detail by medians.

    Amounts above 0 do nothing in mode `none`; below 0 the mode does not matter. The result may leave 0..1.
    """
    if amount < 0:
        return _smoothed(picture, -amount, full_step=10)
    if amount > 0 and mode != "none":
        return filters.sharpen(picture, mode, amount, size)
    return picture


def denoise(picture: FloatPicture, power: int) -> FloatPicture:
    """Take out noise and fine detail; `power` 0..500."""
    return _smoothed(picture, power, full_step=100)


def _smoothed(picture: FloatPicture, power: int, full_step: int) -> FloatPicture:
    """Median blur again and again while `power` falls by 10 from step to step; the last steps are mixed in partly.

    A step counts in full from `full_step` on. The original uses 100 for the background and 10 for the face.
    """
    for left in range(power, 0, -10):
        smooth = as_float(cv2.medianBlur(picture, 5))
        share = min(left / full_step, 1.0)
        picture = smooth if share == 1 else picture * np.float32(1 - share) + smooth * np.float32(share)
    return picture


def blur_along(picture: FloatPicture, length: float, degrees: float) -> FloatPicture:
    """Blur along a way of `length` pixels, `degrees` counter-clockwise from the horizontal; any length from 0 on.

    Between the lines of odd lengths, which lie evenly about their middle pixel, the weights are mixed: a way that
    varies a little from frame to frame does not make the blur jump, and the picture stays where it is.
    """
    steps = int(length / 2)
    share = np.float32(length / 2 - steps)
    kernel = share * filters.line_kernel(2 * steps + 3, degrees)
    kernel[1:-1, 1:-1] += (1 - share) * filters.line_kernel(2 * steps + 1, degrees)
    return as_float(cv2.filter2D(picture, -1, kernel))


def coarsen(picture: FloatPicture, power: int) -> FloatPicture:
    """Shrink and enlarge again, cubic; `power` 0..100, where 100 leaves a hundredth of the size. May leave 0..1."""
    height, width = picture.shape[:2]
    share = 1 - power / 101
    small = (max(int(width * share), 1), max(int(height * share), 1))
    shrunk = cv2.resize(picture, small, interpolation=cv2.INTER_CUBIC)
    return as_float(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC))


def reduce_colours(picture: FloatPicture, count: int = 256) -> FloatPicture:
    """Show the picture in at most `count` colours, chosen for it (median cut, as Pillow does)."""
    from PIL import Image

    rgb = cv2.cvtColor(_to_bytes(picture), cv2.COLOR_BGR2RGB)
    reduced = Image.fromarray(rgb).convert("P", palette=Image.Palette.ADAPTIVE, colors=count).convert("RGB")
    return to_float(cv2.cvtColor(np.asarray(reduced), cv2.COLOR_RGB2BGR))


def _to_bytes(picture: FloatPicture) -> NDArray[np.uint8]:
    return (np.clip(picture, 0, 1) * np.float32(255)).astype(np.uint8)


def mixed(under: FloatPicture, over: FloatPicture, cover: FloatPicture) -> FloatPicture:
    """`over` laid over `under`, both (H, W, C), as far as `cover` (H, W, 1) says; where that is 0, `under` exactly."""
    shares = cv2.merge([cover] * under.shape[2]) if under.shape[2] > 1 else cover
    change = cv2.subtract(over, under)
    cv2.multiply(change, shares, dst=change)
    return as_float(cv2.add(change, under, dst=change)).reshape(under.shape)


def to_float(picture: NDArray[Any]) -> FloatPicture:
    """uint8 to float32 in 0..1; times 255 and cut off it gives the same 256 values back."""
    return as_float(np.divide(picture, np.float32(255), dtype=np.float32))
