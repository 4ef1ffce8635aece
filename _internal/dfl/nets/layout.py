"""The orders of values that the original's weights rest on; every change between vectors and maps goes through here.

Maps are (N, H, W, C). Vectors list a map channel by channel: index = c*H*W + y*W + x. Depth-to-space takes the block
as the slow part of the channel index (TensorFlow's order; torch's pixel_shuffle has another).
"""

from typing import Any

from keras import ops


def flatten(maps: Any) -> Any:
    """(N, H, W, C) -> (N, C*H*W), channel by channel."""
    _, height, width, channels = maps.shape
    return ops.reshape(ops.transpose(maps, (0, 3, 1, 2)), (-1, channels * height * width))


def unflatten(vectors: Any, channels: int, side: int) -> Any:
    """(N, C*side*side) -> (N, side, side, C), the inverse of flatten."""
    return ops.transpose(ops.reshape(vectors, (-1, channels, side, side)), (0, 2, 3, 1))


def depth_to_space(maps: Any) -> Any:
    """(N, H, W, 4*C) -> (N, 2H, 2W, C): out[2y+dy, 2x+dx, k] = in[y, x, (2*dy+dx)*C + k]."""
    _, height, width, channels = maps.shape
    outputs = channels // 4
    cells = ops.reshape(maps, (-1, height, width, 2, 2 * outputs))  # (N, H, W, dy, dx*C)
    rows = ops.transpose(cells, (0, 1, 3, 2, 4))  # (N, H, dy, W, dx*C)
    return ops.reshape(rows, (-1, 2 * height, 2 * width, outputs))
