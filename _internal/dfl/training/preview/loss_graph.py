"""The graph of the losses that stands above preview pages."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture

GRAPH_HEIGHT = 100
GRAPH_GREY = 0.1
TEXT_GREY = 0.8
# How many of the last iterations the graph shows, in the order of the preview window's key; 0: all.
RANGES = (0, 5000, 10000, 50000, 100000)
# BGR of src and dst, blue and yellow as in the original. A single loss is blue.
LOSS_COLOURS = ((1.0, 0.2, 0.1), (0.1, 1.0, 1.0))
_LINES = (0, 19, 39, 59, 79, 99)


def loss_graph(history: NDArray[np.float32], width: int, iteration: int, shown: int = 0) -> Picture:
    """The losses of the last `shown` iterations (0: of all), (n, 1 or 2) -> (100, width, 3) uint8 BGR.

    A column shows the range from smallest to largest loss of its iterations; the top is twice the mean of the last
    four fifths, so that high initial losses do not flatten the rest. Losses that are not finite are left out.
    """
    history = history[-shown:] if shown else history
    graph: FloatPicture = np.full((GRAPH_HEIGHT, width, 3), GRAPH_GREY, np.float32)
    finite = history[np.isfinite(history).all(axis=1)] if len(history) else history
    if len(finite):
        _draw_losses(graph, finite)
    graph[list(_LINES)] = TEXT_GREY
    picture: Picture = (graph * 255).astype(np.uint8)
    text = f"Iter: {iteration}" + (f", the last {shown}" if shown and shown < iteration else "")
    position, colour = (4, 94), (204, 204, 204)
    cv2.putText(picture, text, position, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return picture


def _draw_losses(graph: FloatPicture, losses: NDArray[np.float32]) -> None:
    """Fill every column from its smallest to its largest loss; dst is drawn over src."""
    width = graph.shape[1]
    top = 2 * float(losses[len(losses) // 5 :].mean(dtype=np.float64)) or 1.0
    edges = (np.arange(width + 1) * len(losses) / width).astype(int)
    starts = np.minimum(edges[:-1], len(losses) - 1)
    lows, highs = np.minimum.reduceat(losses, starts), np.maximum.reduceat(losses, starts)  # (width, losses)
    rows = np.arange(GRAPH_HEIGHT)[::-1, None]
    for index, colour in zip(range(losses.shape[1]), LOSS_COLOURS, strict=False):
        low = np.clip(lows[:, index] / top * (GRAPH_HEIGHT - 1), 0, GRAPH_HEIGHT - 1).astype(int)
        high = np.clip(highs[:, index] / top * (GRAPH_HEIGHT - 1), 0, GRAPH_HEIGHT - 1).astype(int)
        graph[(rows >= low) & (rows <= high)] = colour


def with_graph(page: Picture, history: NDArray[np.float32], iteration: int, shown: int = 0) -> Picture:
    """A page with the loss graph on top, as wide as the page."""
    return np.concatenate([loss_graph(history, page.shape[1], iteration, shown), page], axis=0)
