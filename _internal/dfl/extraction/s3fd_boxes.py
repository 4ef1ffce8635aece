"""Pre- and postprocessing of the detector S3FD: the downscaled input, box decoding and NMS. Needs no engine."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture

Boxes = NDArray[np.float64]  # (N, 4) left, top, right, bottom

_LARGE_FRAME = 1280  # from this size on the input is 640 pixels, below it half of the frame's size
_LARGEST_SIDE, _SMALLEST_SIDE = 640, 64
_NETWORK_LIMIT = 32  # minimum input size, because of the network's pooling layers
_PRIOR_SIDES = 4  # size of a cell's prior box, in strides
_CENTRE_UNIT, _SIZE_UNIT = 0.1, 0.2
_MIN_SCORE = 0.5
_MAX_OVERLAP = 0.3
_MIN_FACE = 40  # frame pixels
# S3FD's boxes end above the chin, which FAN needs.
_CHIN = 0.1


def reduced(frame: Picture) -> tuple[Picture, float]:
    """S3FD's input for a frame, and the scale from its pixels to frame pixels.

    frame: (H, W, 3) uint8. Very long frames are padded with black rows below, or columns at the right.
    """
    height, width = frame.shape[:2]
    longest = max(height, width)
    wanted = max(_LARGEST_SIDE if longest >= _LARGE_FRAME else longest / 2, _SMALLEST_SIDE)
    scale = longest / wanted
    size = (max(1, int(width / scale)), max(1, int(height / scale)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    below, right = (max(0, _NETWORK_LIMIT - side) for side in small.shape[:2])
    if below or right:
        small = cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_CONSTANT)
    return small.astype(np.uint8, copy=False), scale


def boxes_of_maps(maps: Sequence[NDArray[np.float32]], strides: Sequence[int]) -> tuple[Boxes, NDArray[np.float32]]:
    """Faces of one picture in its own pixels, and their scores, best first.

    maps: for each stride a map (h, w, 2) of probabilities and a map (h, w, 4) of offsets, see nets.s3fd. The original
    applies a threshold of 0.05 before NMS and 0.5 after it; 0.5 before gives the same, as NMS drops a box only for a
    better one.
    """
    boxes, scores = [np.zeros((0, 4))], [np.zeros(0, np.float32)]
    for stride, share, offsets in zip(strides, maps[::2], maps[1::2], strict=True):
        rows, columns = np.nonzero(share[..., 1] >= _MIN_SCORE)
        boxes.append(boxes_of_cells(rows, columns, offsets[rows, columns], stride))
        scores.append(share[rows, columns, 1])
    all_boxes, all_scores = np.concatenate(boxes), np.concatenate(scores)
    is_sane = np.isfinite(all_boxes).all(axis=1)
    all_boxes, all_scores = all_boxes[is_sane], all_scores[is_sane]
    kept = nms(all_boxes, all_scores)
    return all_boxes[kept], all_scores[kept]


def boxes_of_cells(
    rows: NDArray[np.integer[Any]], columns: NDArray[np.integer[Any]], offsets: NDArray[np.float32], stride: int
) -> Boxes:
    """The boxes (N, 4) of cells of one map. offsets: (N, 4) shift of the centre, logarithm of the size."""
    side = float(_PRIOR_SIDES * stride)
    centres = np.stack([columns, rows], axis=-1) * float(stride) + stride / 2
    centres = centres + offsets[:, :2] * np.float32(_CENTRE_UNIT) * side
    with np.errstate(over="ignore", invalid="ignore"):  # infinite boxes are dropped later
        sizes = side * np.exp(offsets[:, 2:] * np.float32(_SIZE_UNIT)).astype(np.float64)
        corners = centres - sizes / 2
        return np.concatenate([corners, corners + sizes], axis=1)


def nms(boxes: Boxes, scores: NDArray[np.float32]) -> list[int]:
    """Greedy non-maximum suppression at an IoU of 0.3: indices of the remaining boxes, best first.

    Coordinates are inclusive: a box from 3 to 5 is three pixels wide.
    """
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    kept: list[int] = []
    while order.size:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.prod(np.maximum(high - low + 1, 0), axis=1)
        order = order[shared / (areas[best] + areas[order] - shared) <= _MAX_OVERLAP]
    return kept


def boxes_in_frame(
    boxes: Boxes, scores: NDArray[np.float32], scale: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Boxes of the small picture as whole frame pixels (N, 4), with room for the chin, largest first; their scores.

    Coordinates are truncated towards 0 before and after, as in the original. Faces below 40 pixels are dropped.
    """
    frame_boxes = np.trunc(boxes) * scale
    widths, heights = frame_boxes[:, 2] - frame_boxes[:, 0], frame_boxes[:, 3] - frame_boxes[:, 1]
    frame_boxes[:, 3] += _CHIN * heights
    is_large = np.minimum(widths, heights) >= _MIN_FACE
    # Clipped because a damaged network may give values that int64 cannot hold.
    whole = np.clip(np.trunc(frame_boxes[is_large]), -1e9, 1e9).astype(np.int64)
    order = np.argsort(-(whole[:, 2] - whole[:, 0]) * (whole[:, 3] - whole[:, 1]), kind="stable")
    return whole[order], scores[is_large][order]
