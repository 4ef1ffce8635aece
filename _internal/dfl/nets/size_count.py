"""Count a network's weights and activations from shapes alone, by its own code, in no time and without their memory.

Inside `counting()` every layer is built with symbolic weights (keras.KerasTensor: a shape without values). Called with
symbolic inputs the network runs through its usual methods, and its layers report the sizes of their outputs here.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import keras

Tensor = Any


@dataclass
class SizeCount:
    """Numbers of values, summed over all layers and calls.

    weights: of the layers that were built. outputs: of convolutions and dense layers. block_outputs: those of them that
    are inside a Block, which can be computed again in the backward pass. norm_outputs: of normalisation layers.
    """

    weights: int = 0
    outputs: int = 0
    block_outputs: int = 0
    norm_outputs: int = 0


_current: ContextVar[SizeCount | None] = ContextVar("size_count", default=None)


@contextmanager
def counting() -> Iterator[SizeCount]:
    """Build and call networks here on keras.KerasTensor: nothing is computed, the count grows."""
    count = SizeCount()
    token = _current.set(count)
    try:
        yield count
    finally:
        _current.reset(token)


def make_weight(start: Callable[[tuple[int, ...]], Tensor], shape: tuple[int, ...]) -> keras.Variable:
    """A weight with the values that `start` gives for its shape; while counting, the shape alone."""
    count = _current.get()
    if count is None:
        return keras.Variable(start(shape))
    count.weights += math.prod(shape)
    return keras.KerasTensor(shape)


def counted(output: Tensor, *, is_norm: bool = False) -> Tensor:
    """The output of a layer, as it is."""
    if (count := _current.get()) is not None:
        if is_norm:
            count.norm_outputs += math.prod(output.shape)
        else:
            count.outputs += math.prod(output.shape)
    return output


def counted_block(compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What a Block computes."""
    if (count := _current.get()) is None:
        return compute(x)
    before = count.outputs
    output = compute(x)
    count.block_outputs += count.outputs - before
    return output
