"""The mask of one face: where it comes from, how it is shrunk and softened.

Masks are worked on at four times the model's size, as in the original, but only where they are not zero: the empty
rest of the square costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import FloatPicture
from dfl.merging.blending.box import PixelBox, as_float, box_of
from dfl.merging.planning.settings import MaskMode

MASK_SCALE = 4  # mask pixels to one pixel of the model's picture
SMALLEST_VALUE = 1 / 255  # below it a mask is 0
# From this side on OpenCV's erosion takes longer than ours (measured).
_LARGE_ELLIPSE = 20
_SOFT = 0.08  # of the mask's side


@dataclass(frozen=True)
class FacePrediction:
    """What the model made of one face of side R: float32 in 0..1.

    face: (R, R, 3) BGR. face_mask, dst_mask: (R, R), learned-prd and learned-dst. xseg_face, xseg_dst: (256, 256)
    XSeg's masks of `face` and of the frame's own face, None where no XSeg model ran.
    """

    face: FloatPicture
    face_mask: NDArray[np.float32]
    dst_mask: NDArray[np.float32]
    xseg_face: NDArray[np.float32] | None = None
    xseg_dst: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class FaceMask:
    """A mask in the face's square of side `size`, kept only where it may differ from 0.

    size: four times the model's side; the model's own for a soft mask.

    values: (h, w) float32, its top-left pixel at (left, top) of the square.
    """

    values: NDArray[np.float32]
    left: int
    top: int
    size: int

    @property
    def box(self) -> PixelBox:
        """Where `values` lies in the square."""
        height, width = self.values.shape
        return PixelBox(self.left, self.top, self.left + width, self.top + height)

    def at_face_size(self, side: int) -> NDArray[np.float32]:
        """The mask at the face's own size: (side, side, 1) float32; cubic where it is resized, then it may leave 0..1.

        side: R, or with super resolution 4R, the mask's own.
        """
        small = np.zeros((side, side, 1), np.float32)
        if side > self.size:  # a soft mask, and super resolution
            own = self.at_face_size(self.size)
            return as_float(cv2.resize(own, (side, side), interpolation=cv2.INTER_LINEAR))[:, :, None]
        if side == self.size:
            small[(*self.box.slices, 0)] = self.values
            return small
        if self.values.size:
            # Each small pixel is made of its own 4 x 4 block alone, so whole blocks are enough.
            box, scale = self.box, MASK_SCALE
            blocks = PixelBox(box.left // scale, box.top // scale, -(-box.right // scale), -(-box.bottom // scale))
            padded = np.zeros((blocks.height * scale, blocks.width * scale), np.float32)
            padded[box.moved(-blocks.left * scale, -blocks.top * scale).slices] = self.values
            resized = cv2.resize(padded, (blocks.width, blocks.height), interpolation=cv2.INTER_CUBIC)
            small[(*blocks.slices, 0)] = resized
        return small


def choose_mask(
    mode: MaskMode, prediction: FacePrediction, hull: Callable[[], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The mask before it is shaped: (R, R) float32 in 0..1, values below 1/255 set to 0.

    hull: gives the landmarks' hull in the face's square, (R, R); called for the mode `dst` only.
    """
    side = prediction.face.shape[0]
    learned, learned_dst = prediction.face_mask, prediction.dst_mask
    match mode:
        case "full":
            mask = np.ones((side, side), np.float32)
        case "dst":
            mask = hull()
        case "learned-prd":
            mask = learned
        case "learned-dst":
            mask = learned_dst
        case "learned-prd*learned-dst":
            mask = learned * learned_dst
        case "learned-prd+learned-dst":
            mask = np.clip(learned + learned_dst, 0, 1)
        case "xseg-prd":
            mask = _xseg(prediction.xseg_face, side)
        case "xseg-dst":
            mask = _xseg(prediction.xseg_dst, side)
        case "xseg-prd*xseg-dst":
            mask = _xseg(prediction.xseg_face, side) * _xseg(prediction.xseg_dst, side)
        case "learned-prd*learned-dst*xseg-prd*xseg-dst":
            mask = learned * learned_dst * _xseg(prediction.xseg_face, side) * _xseg(prediction.xseg_dst, side)
    return np.where(mask < SMALLEST_VALUE, np.float32(0), mask)


def _xseg(mask: NDArray[np.float32] | None, side: int) -> NDArray[np.float32]:
    if mask is None:
        raise UserError("This mask needs an XSeg model, and none was given.", "Choose another mask mode.")
    return as_float(cv2.resize(mask, (side, side), interpolation=cv2.INTER_CUBIC))


def shape_mask(mask: NDArray[np.float32], erode: int, blur: int, *, like_original: bool = False) -> FaceMask:
    """Enlarge a mask (R, R) to 4R, shrink (erode > 0) or widen it, then blur its edge; clipped to 0..1.

    erode, blur: sides of an elliptic and a Gaussian kernel in mask pixels, made odd. With blur the square's own rim is
    cleared first, so that the edge fades out inside the square; without it the outermost pixels of the predicted face,
    which cannot be laid into the frame exactly. like_original: do not clear these, and take an even `erode` as it is,
    which moves the mask by half a mask pixel.
    """
    side = mask.shape[0]
    enlarged = _enlarged(mask, side)
    if not enlarged.values.size:
        return enlarged
    square = PixelBox(0, 0, enlarged.size, enlarged.size)
    if erode:
        enlarged = _eroded(enlarged, abs(erode) if like_original else abs(erode) | 1, is_wider=erode < 0)
    rim = max(blur // 2, 0 if like_original else MASK_SCALE)
    kept = _cut(enlarged, square.grown(-rim))
    if blur > 0 and kept.values.size:
        kept = _cut(_blurred(kept, blur | 1), square)
    return FaceMask(np.clip(kept.values, 0, 1), kept.left, kept.top, kept.size)


def soften_mask(mask: NDArray[np.float32], erode: int, blur: int) -> FaceMask:
    """As shape_mask, for an edge that is so soft that the mask's own size shows it as well: (R, R), many times cheaper.

    Between the odd kernels of that size erosion is a mix of two.
    """
    side = mask.shape[0]
    whole = FaceMask(mask, 0, 0, side)
    if erode:
        steps, rest = divmod(((abs(erode) | 1) - 1) / MASK_SCALE, 2)
        kernel, share = 2 * int(steps) + 1, np.float32(rest / 2)
        narrow, wide = (_by_ellipse(mask, size, is_wider=erode < 0) for size in (kernel, kernel + 2))
        whole = FaceMask(narrow * (1 - share) + wide * share, 0, 0, side)
    rim = max(blur // (2 * MASK_SCALE), 1)
    kept = _cut(whole, PixelBox(rim, rim, side - rim, side - rim))
    if not kept.values.size or not kept.values.any():
        return _cut(whole, PixelBox(0, 0, 0, 0))
    sigma = (0.3 * (((blur | 1) - 1) * 0.5 - 1) + 0.8) / MASK_SCALE  # as OpenCV takes it for a kernel of side `blur`
    padded = _padded(kept, rim)
    values = cv2.GaussianBlur(padded.values, (2 * rim + 1, 2 * rim + 1), sigma, borderType=cv2.BORDER_CONSTANT)
    values = np.clip(as_float(values), 0, 1)
    return FaceMask(np.where(values < SMALLEST_VALUE, np.float32(0), values), padded.left, padded.top, side)


def is_soft(blur: int, mask_side: int) -> bool:
    """Whether an edge is so soft that `soften_mask` shows it. mask_side: of the mask at four times the model's size."""
    return blur >= _SOFT * mask_side


def _by_ellipse(mask: NDArray[np.float32], side: int, is_wider: bool) -> NDArray[np.float32]:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    way = cv2.dilate if is_wider else cv2.erode
    return as_float(way(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0))


def unshaped_mask(mask: NDArray[np.float32]) -> FaceMask:
    """A mask (R, R) enlarged to 4R and nothing else: what the raw modes use; cubic, so it may leave 0..1 a little."""
    return _enlarged(mask, mask.shape[0])


def _enlarged(mask: NDArray[np.float32], side: int) -> FaceMask:
    """`mask` at four times its size, where it is not zero."""
    box = box_of(mask != 0)
    if box.is_empty:
        return FaceMask(np.zeros((0, 0), np.float32), 0, 0, side * MASK_SCALE)
    # Cubic resizing reaches two pixels out.
    box = box.grown(2).within(PixelBox(0, 0, side, side))
    size = (box.width * MASK_SCALE, box.height * MASK_SCALE)
    large = as_float(cv2.resize(mask[box.slices], size, interpolation=cv2.INTER_CUBIC))
    return FaceMask(large, box.left * MASK_SCALE, box.top * MASK_SCALE, side * MASK_SCALE)


def _eroded(mask: FaceMask, side: int, is_wider: bool) -> FaceMask:
    """The smallest value under an ellipse of that side, or the largest (`is_wider`)."""
    # Erosion too spreads something: the values slightly below 0 that cubic resizing leaves at a sharp edge.
    if side < _LARGE_ELLIPSE:
        padded = _padded(mask, side // 2 + 1)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        values = as_float((cv2.dilate if is_wider else cv2.erode)(padded.values, kernel))
        return FaceMask(values, padded.left, padded.top, padded.size)
    padded = _padded(mask, side)
    values = _under_ellipse(padded.values, side, is_wider)
    start = side // 2
    return FaceMask(values, padded.left + start, padded.top + start, padded.size)


def _under_ellipse(values: NDArray[np.float32], side: int, is_wider: bool) -> NDArray[np.float32]:
    """What cv2.erode or dilate give where the whole ellipse fits into (H, W): (H - side + 1, W - side + 1).

    The ellipse is a stack of rows, and of each width of row the smallest (largest) value along it is made once, from
    widths that are powers of two. The work grows with `side`, not with its square: 5 instead of 32 ms for side 60.
    """
    pick = cv2.max if is_wider else cv2.min
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    rows = [(int(np.flatnonzero(row)[0]), int(row.sum())) for row in kernel]  # where a row begins, and its width
    height, width = values.shape[0] - side + 1, values.shape[1] - side + 1
    result = np.full((height, width), -np.inf if is_wider else np.inf, np.float32)
    power, run = 1, values  # run[y, x]: of values[y, x : x + power]
    scratch = np.empty_like(values)
    for length in sorted({length for _, length in rows}):
        while 2 * power <= length:
            run, power = as_float(pick(run[:, :-power], run[:, power:])), 2 * power
        places = values.shape[1] - length + 1
        along = scratch[:, :places]
        pick(run[:, :places], run[:, length - power :][:, :places], dst=along)
        for row, (begin, own_length) in enumerate(rows):
            if own_length == length:
                pick(result, along[row : row + height, begin : begin + width], dst=result)
    return result


def _blurred(mask: FaceMask, side: int) -> FaceMask:
    padded = _padded(mask, side // 2)
    values = cv2.GaussianBlur(padded.values, (side, side), 0, borderType=cv2.BORDER_CONSTANT)
    return FaceMask(as_float(values), padded.left, padded.top, padded.size)


def _padded(mask: FaceMask, margin: int) -> FaceMask:
    """The same mask with `margin` zeros around."""
    values = cv2.copyMakeBorder(mask.values, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
    return FaceMask(as_float(values), mask.left - margin, mask.top - margin, mask.size)


def _cut(mask: FaceMask, box: PixelBox) -> FaceMask:
    """What of the mask lies in `box`; the rest becomes 0."""
    kept = mask.box.within(box)
    if kept.is_empty:
        return FaceMask(np.zeros((0, 0), np.float32), 0, 0, mask.size)
    return FaceMask(mask.values[kept.moved(-mask.left, -mask.top).slices], kept.left, kept.top, mask.size)
