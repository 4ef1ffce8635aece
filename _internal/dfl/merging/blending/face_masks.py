"""The mask of one face: which one is chosen, how it is eroded and blurred.

Masks are processed at four times the model's size, as in the original, but only within the box of their non-zero
values.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import FloatPicture
from dfl.merging.blending.box import PixelBox, as_float, box_of
from dfl.merging.blending.original_rules import EXACT_RULES, MergeRules
from dfl.merging.planning.settings import MaskMode

MASK_SCALE = 4  # mask pixels to one pixel of the model's picture
SMALLEST_VALUE = 1 / 255  # below it a mask is 0
# From this size on OpenCV's erosion takes longer than ours (measured).
_LARGE_ELLIPSE = 20
_SOFT = 0.08  # of the mask's size


@dataclass(frozen=True)
class FacePrediction:
    """The model's prediction for one face of R pixels: float32 in 0..1.

    face: (R, R, 3) BGR; with super resolution (4R, 4R, 3). face_mask, dst_mask: (R, R), learned-prd and learned-dst.
    xseg_face, xseg_dst: (256, 256), XSeg's masks of `face` and of the frame's own face, None where no XSeg model ran.
    """

    face: FloatPicture
    face_mask: NDArray[np.float32]
    dst_mask: NDArray[np.float32]
    xseg_face: NDArray[np.float32] | None = None
    xseg_dst: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class FaceMask:
    """A mask in the face's square of `size` pixels, stored only where it may differ from 0.

    size: four times the model's; the model's own for a soft mask. values: (h, w) float32, its top-left pixel at (left,
    top) of the square.
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

    def at_face_size(self, face_size: int) -> NDArray[np.float32]:
        """The mask at the face's own size: (face_size, face_size, 1) float32; where it is resized it may leave 0..1.

        face_size: R, or with super resolution 4R, the mask's own.
        """
        small = np.zeros((face_size, face_size, 1), np.float32)
        if face_size > self.size:  # a soft mask, and super resolution
            own = self.at_face_size(self.size)
            return as_float(cv2.resize(own, (face_size, face_size), interpolation=cv2.INTER_LINEAR))[:, :, None]
        if face_size == self.size:
            small[(*self.box.slices, 0)] = self.values
            return small
        if self.values.size:
            # Each small pixel depends on its own 4 x 4 block alone, so whole blocks are enough.
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
    size = prediction.face_mask.shape[0]
    learned, learned_dst = prediction.face_mask, prediction.dst_mask
    match mode:
        case "full":
            mask = np.ones((size, size), np.float32)
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
            mask = _xseg(prediction.xseg_face, size)
        case "xseg-dst":
            mask = _xseg(prediction.xseg_dst, size)
        case "xseg-prd*xseg-dst":
            mask = _xseg(prediction.xseg_face, size) * _xseg(prediction.xseg_dst, size)
        case "learned-prd*learned-dst*xseg-prd*xseg-dst":
            mask = learned * learned_dst * _xseg(prediction.xseg_face, size) * _xseg(prediction.xseg_dst, size)
    return np.where(mask < SMALLEST_VALUE, np.float32(0), mask)


def _xseg(mask: NDArray[np.float32] | None, size: int) -> NDArray[np.float32]:
    if mask is None:
        raise UserError("This mask needs an XSeg model, and none was given.", "Choose another mask mode.")
    return as_float(cv2.resize(mask, (size, size), interpolation=cv2.INTER_CUBIC))


def shape_mask(mask: NDArray[np.float32], erode: int, blur: int, rules: MergeRules = EXACT_RULES) -> FaceMask:
    """Enlarge a mask (R, R) to 4R, erode it (dilate for erode < 0), then blur its edge; clipped to 0..1.

    erode, blur: sizes of an elliptic and a Gaussian kernel in mask pixels, made odd. With blur the square's own rim is
    cleared first, so that the edge fades out inside the square; without it the rules' `min_rim`.
    """
    size = mask.shape[0]
    enlarged = _enlarged(mask, size)
    if not enlarged.values.size:
        return enlarged
    square = PixelBox(0, 0, enlarged.size, enlarged.size)
    if erode:
        enlarged = _eroded(enlarged, rules.erode_size(erode), dilate=erode < 0)
    rim = max(blur // 2, rules.min_rim)
    kept = _cropped(enlarged, square.grown(-rim))
    if blur > 0 and kept.values.size:
        kept = _cropped(_blurred(kept, blur | 1), square)
    return FaceMask(np.clip(kept.values, 0, 1), kept.left, kept.top, kept.size)


def soften_mask(mask: NDArray[np.float32], erode: int, blur: int) -> FaceMask:
    """As shape_mask, for an edge that is so soft that the mask's own size shows it as well: (R, R), many times cheaper.

    Between the odd kernels of that size erosion is a mix of two.
    """
    size = mask.shape[0]
    whole = FaceMask(mask, 0, 0, size)
    if erode:
        steps, rest = divmod(((abs(erode) | 1) - 1) / MASK_SCALE, 2)
        kernel, share = 2 * int(steps) + 1, np.float32(rest / 2)
        narrow, wide = (_by_ellipse(mask, one, dilate=erode < 0) for one in (kernel, kernel + 2))
        whole = FaceMask(narrow * (1 - share) + wide * share, 0, 0, size)
    rim = max(blur // (2 * MASK_SCALE), 1)
    kept = _cropped(whole, PixelBox(rim, rim, size - rim, size - rim))
    if not kept.values.size or not kept.values.any():
        return _cropped(whole, PixelBox(0, 0, 0, 0))
    sigma = (0.3 * (((blur | 1) - 1) * 0.5 - 1) + 0.8) / MASK_SCALE  # as OpenCV takes it for a kernel of size `blur`
    padded = _padded(kept, rim)
    values = cv2.GaussianBlur(padded.values, (2 * rim + 1, 2 * rim + 1), sigma, borderType=cv2.BORDER_CONSTANT)
    values = np.clip(as_float(values), 0, 1)
    return FaceMask(np.where(values < SMALLEST_VALUE, np.float32(0), values), padded.left, padded.top, size)


def is_soft(blur: int, mask_size: int) -> bool:
    """Whether an edge is so soft that `soften_mask` shows it. mask_size: of the mask at four times the model's size."""
    return blur >= _SOFT * mask_size


def _by_ellipse(mask: NDArray[np.float32], size: int, dilate: bool) -> NDArray[np.float32]:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    operation = cv2.dilate if dilate else cv2.erode
    return as_float(operation(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0))


def unshaped_mask(mask: NDArray[np.float32]) -> FaceMask:
    """A mask (R, R) enlarged to 4R and nothing else: what the raw modes use; cubic, so it may leave 0..1 a little."""
    return _enlarged(mask, mask.shape[0])


def _enlarged(mask: NDArray[np.float32], size: int) -> FaceMask:
    """`mask` at four times its size, where it is not zero."""
    box = box_of(mask != 0)
    if box.is_empty:
        return FaceMask(np.zeros((0, 0), np.float32), 0, 0, size * MASK_SCALE)
    # Cubic resizing reaches two pixels out.
    box = box.grown(2).within(PixelBox(0, 0, size, size))
    wanted = (box.width * MASK_SCALE, box.height * MASK_SCALE)
    large = as_float(cv2.resize(mask[box.slices], wanted, interpolation=cv2.INTER_CUBIC))
    return FaceMask(large, box.left * MASK_SCALE, box.top * MASK_SCALE, size * MASK_SCALE)


def _eroded(mask: FaceMask, size: int, dilate: bool) -> FaceMask:
    """The smallest value under an ellipse of that size, or the largest (`dilate`)."""
    # Erosion too spreads something: the values slightly below 0 that cubic resizing leaves at a sharp edge.
    if size < _LARGE_ELLIPSE:
        padded = _padded(mask, size // 2 + 1)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        values = as_float((cv2.dilate if dilate else cv2.erode)(padded.values, kernel))
        return FaceMask(values, padded.left, padded.top, padded.size)
    padded = _padded(mask, size)
    values = _under_ellipse(padded.values, size, dilate)
    start = size // 2
    return FaceMask(values, padded.left + start, padded.top + start, padded.size)


def _under_ellipse(values: NDArray[np.float32], size: int, dilate: bool) -> NDArray[np.float32]:
    """What cv2.erode or dilate give where the whole ellipse fits into (H, W): (H - size + 1, W - size + 1).

    The ellipse is a stack of rows, and for each width of row the smallest (largest) value along it is computed
    once, from widths that are powers of two. The work grows with `size`, not with its square: 5 instead of 32 ms for
    size 60.
    """
    pick = cv2.max if dilate else cv2.min
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    rows = [(int(np.flatnonzero(row)[0]), int(row.sum())) for row in kernel]  # where a row begins, and its width
    height, width = values.shape[0] - size + 1, values.shape[1] - size + 1
    result = np.full((height, width), -np.inf if dilate else np.inf, np.float32)
    power, run = 1, values  # run[y, x]: of values[y, x : x + power]
    scratch = np.empty_like(values)
    for length in sorted({length for _, length in rows}):
        while 2 * power <= length:
            run, power = as_float(pick(run[:, :-power], run[:, power:])), 2 * power
        columns = values.shape[1] - length + 1
        along = scratch[:, :columns]
        pick(run[:, :columns], run[:, length - power :][:, :columns], dst=along)
        for row, (begin, own_length) in enumerate(rows):
            if own_length == length:
                pick(result, along[row : row + height, begin : begin + width], dst=result)
    return result


def _blurred(mask: FaceMask, size: int) -> FaceMask:
    padded = _padded(mask, size // 2)
    values = cv2.GaussianBlur(padded.values, (size, size), 0, borderType=cv2.BORDER_CONSTANT)
    return FaceMask(as_float(values), padded.left, padded.top, padded.size)


def _padded(mask: FaceMask, margin: int) -> FaceMask:
    """The same mask padded with `margin` zeros."""
    values = cv2.copyMakeBorder(mask.values, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
    return FaceMask(as_float(values), mask.left - margin, mask.top - margin, mask.size)


def _cropped(mask: FaceMask, box: PixelBox) -> FaceMask:
    """What of the mask lies in `box`; the rest becomes 0."""
    kept = mask.box.within(box)
    if kept.is_empty:
        return FaceMask(np.zeros((0, 0), np.float32), 0, 0, mask.size)
    return FaceMask(mask.values[kept.moved(-mask.left, -mask.top).slices], kept.left, kept.top, mask.size)
