"""What training shows: rows of faces with what the model makes of them, under the graph of the losses.

The layout is the original's: columns S, SS, D, DD, SD (both people, their reconstructions, the swap), and a second
page of the same inside the masks.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture

GRAPH_HEIGHT = 100
GRAPH_GREY = 0.1
TEXT_GREY = 0.8
# Columns of colours, src then dst, as people know them: blue and yellow (BGR).
LOSS_COLOURS = ((1.0, 0.2, 0.1), (0.1, 1.0, 1.0))

Faces = NDArray[np.float32]  # (N, R, R, 3) or (N, R, R, 1), 0..1
Pair = tuple[Faces, Faces]  # faces and their masks


def swap_pages(src: Pair, dst: Pair, predicted: Sequence[Faces], is_head: bool) -> dict[str, Picture]:
    """The two pages by name, uint8 BGR, one row a sample.

    src, dst: unwarped faces and their masks. predicted: for them src in src's look, dst in dst's look, dst in src's
    look, and the masks of the last two.
    """
    src_src, dst_dst, src_dst, dst_dst_mask, src_dst_mask = predicted
    swap_mask = src_dst_mask if is_head else dst_dst_mask * src_dst_mask
    plain = [src[0], src_src, dst[0], dst_dst, src_dst]
    masked = [src[0] * src[1], src_src, dst[0] * dst[1], dst_dst * dst_dst_mask, src_dst * swap_mask]
    return {"preview": page(plain), "preview_masked": page(masked)}


def page(columns: Sequence[Faces]) -> Picture:
    """Faces side by side, one row a sample."""
    rows = [np.concatenate([column[index] for column in columns], axis=1) for index in range(len(columns[0]))]
    made: Picture = (np.clip(np.concatenate(rows, axis=0), 0, 1) * 255 + 0.5).astype(np.uint8)
    return made


def loss_graph(history: NDArray[np.float32], width: int, iteration: int) -> Picture:
    """The losses of all iterations, (n, losses) -> (100, width, 3) uint8 BGR.

    A column shows the range from smallest to largest loss of its iterations; the top is twice the mean of the last
    four fifths, so that the start does not flatten the rest.
    """
    graph: FloatPicture = np.full((GRAPH_HEIGHT, width, 3), GRAPH_GREY, np.float32)
    finite = history[np.isfinite(history).all(axis=1)] if len(history) else history
    if len(finite):
        top = 2 * float(finite[len(finite) // 5 :].mean()) or 1.0
        edges = (np.arange(width + 1) * len(finite) / width).astype(int)
        starts = np.minimum(edges[:-1], len(finite) - 1)
        lows, highs = np.minimum.reduceat(finite, starts), np.maximum.reduceat(finite, starts)  # (width, losses)
        rows = np.arange(GRAPH_HEIGHT)[::-1, None]
        for index, colour in zip(range(finite.shape[1]), LOSS_COLOURS, strict=False):
            low = np.clip(lows[:, index] / top * (GRAPH_HEIGHT - 1), 0, GRAPH_HEIGHT - 1).astype(int)
            high = np.clip(highs[:, index] / top * (GRAPH_HEIGHT - 1), 0, GRAPH_HEIGHT - 1).astype(int)
            graph[(rows >= low) & (rows <= high)] = colour
    graph[[0, 19, 39, 59, 79, 99]] = TEXT_GREY
    picture = (graph * 255).astype(np.uint8)
    cv2.putText(picture, f"Iter: {iteration}", (4, 94), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (204, 204, 204), 1, cv2.LINE_AA)
    return picture


def with_graph(page: Picture, history: NDArray[np.float32], iteration: int) -> Picture:
    """A page with the loss graph on top."""
    return np.concatenate([loss_graph(history, page.shape[1], iteration), page], axis=0)
