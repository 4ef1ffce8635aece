"""Orders by histogram similarity, for many faces: the original's chain and its sum of distances.

The distance of two histograms is Bhattacharyya's, sqrt(1 - sum of sqrt(a b)), each divided by its sum. The sum is a
product of vectors of roots, so whole blocks of distances are products of matrices.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.report import Report

_CHUNK = 20000
_MAX_CHUNKS = 12
_CHUNKS_OF_LARGE = 11.9
_BLOCK = 256
_NEIGHBOURS = 64
# Products of 256 float32 values are off by up to 2e-6, distances of near equal histograms by the root of that; three
# channels are summed.
_UNSURE = 3 * 2e-6**0.5
# What a product lacks of 1 is rounding when it is less: equal histograms are 0 apart on every machine.
_ROUNDING = 1e-12
_DIGITS = 6  # of a sum; the others depend on the order in which was added


def chain_of_similar(histograms: NDArray[np.uint32], report: Report) -> list[int]:
    """Faces as a chain, each followed by the most similar one that is left; it starts with the first: N indices.

    histograms: (N, C, 256). The distance is the sum over channels; of equal ones the first in the original's list
    follows, which swaps the chosen one into its place. Every 20,000 faces are a chain of their own (fewer chains of
    more faces above 260,000), as in the original; here they always stand in the same order.
    """
    order: list[int] = []
    length = chunk_length(len(histograms))
    with report.progress("Chaining faces", len(histograms)) as progress:
        for start in range(0, len(histograms), length):
            chain = _Chain(histograms[start : start + length])
            order += [start + index for index in chain.order(progress.advance)]
    return order


def chunk_length(count: int) -> int:
    """How many faces make one chain."""
    return _CHUNK if count // _CHUNK <= _MAX_CHUNKS else int(count / _CHUNKS_OF_LARGE)


def sums_of_distances(histograms: NDArray[np.uint32], report: Report) -> NDArray[np.float64]:
    """For each face the sum of its distances to all others: (N,). histograms: (N, 256).

    N x N distances, but each block is one product of matrices, and each pair is looked at once.
    """
    roots = _roots(histograms, np.float64)
    sums = np.zeros(len(roots))
    starts = range(0, len(roots), _BLOCK)
    for start in report.track(starts, "Comparing faces", len(starts)):
        end = start + _BLOCK
        apart = roots[start:end] @ roots[start:].T
        _to_distances(apart)
        inside = min(_BLOCK, len(apart[0]))
        sums[start:end] += apart.sum(axis=1)
        sums[end:] += apart[:, inside:].sum(axis=0)
    return sums.round(_DIGITS)


def _roots(histograms: NDArray[np.uint32], kind: type[np.floating[Any]]) -> NDArray[Any]:
    counts = histograms.astype(kind)
    roots: NDArray[Any] = np.sqrt(counts / counts.sum(axis=-1, keepdims=True))
    return roots


def _to_distances(products: NDArray[Any]) -> None:
    """sqrt(1 - product), in place."""
    np.subtract(1, products, out=products)
    products[products < _ROUNDING] = 0
    np.sqrt(products, out=products)


class _Chain:
    """One chain of at most some 20,000 faces.

    The nearest of every face are found beforehand, roughly, in blocks. Where one of them is left and surely nearer than
    all that are not among them, it is next; else all that are left are looked at. Which of the near ones is next is
    decided with exact distances, so the result is that of looking at every pair.
    """

    def __init__(self, histograms: NDArray[np.uint32]) -> None:
        count = len(histograms)
        self._histograms = histograms
        # (C, M, 256) of the M faces in `rows`; those that are in the chain are dropped from both now and then.
        self._roots = np.ascontiguousarray(_roots(histograms, np.float32).swapaxes(0, 1))
        self._rows = np.arange(count)
        self._near, self._apart = _neighbours(self._roots)
        self._is_left = np.ones(count, np.bool_)
        # The original's list of faces, and each face's index in it.
        self._list, self._position = np.arange(count), np.arange(count)

    def order(self, advance: Callable[[], None]) -> list[int]:
        """The faces in the order of the chain."""
        count = len(self._list)
        for step in range(count):
            if step:
                self._put(step, self._next(int(self._list[step - 1])))
            self._is_left[self._list[step]] = False
            if 2 * (count - step) < len(self._rows):
                left = self._is_left[self._rows]
                self._roots, self._rows = self._roots[:, left], self._rows[left]
            advance()
        return [int(face) for face in self._list]

    def _put(self, step: int, face: int) -> None:
        """Swap the face with the one at `step` of the list."""
        other, own = self._list[step], self._position[face]
        self._list[step], self._list[own] = face, other
        self._position[face], self._position[other] = step, own

    def _next(self, face: int) -> int:
        """The nearest face that is left."""
        left = self._is_left[self._near[face]]
        if left.any():
            found, distance = self._nearest(face, self._near[face][left], self._apart[face][left])
            if distance < self._apart[face].max() - _UNSURE:
                return found
        left = self._is_left[self._rows]
        apart = np.zeros(len(self._rows), np.float32)
        for roots, histogram in zip(self._roots, self._histograms[face], strict=True):
            products = roots @ _roots(histogram, np.float32)
            _to_distances(products)
            apart += products
        return self._nearest(face, self._rows[left], apart[left])[0]

    def _nearest(self, face: int, others: NDArray[np.intp], apart: NDArray[np.float32]) -> tuple[int, float]:
        """The nearest of the others, and its distance. apart: rough distances."""
        others = others[apart <= apart.min() + 2 * _UNSURE]
        own = _roots(self._histograms[face], np.float64)
        products = (_roots(self._histograms[others], np.float64) * own).sum(axis=2)
        _to_distances(products)
        distances = products.sum(axis=1)
        best = np.lexsort((self._position[others], distances))[0]
        return int(others[best]), float(distances[best])


def _neighbours(roots: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The nearest of every face and their rough distances, in no order: (N, K) each. roots: (C, N, 256)."""
    count = roots.shape[1]
    most = min(_NEIGHBOURS, count - 1)
    near, apart = np.empty((count, most), np.int32), np.empty((count, most), np.float32)
    for start in range(0, count, _BLOCK) if most else ():
        rows = slice(start, min(start + _BLOCK, count))
        distances = np.zeros((rows.stop - start, count), np.float32)
        for channel in roots:
            products = channel[rows] @ channel.T
            _to_distances(products)
            distances += products
        distances[np.arange(len(distances)), np.arange(start, rows.stop)] = np.inf
        near[rows] = np.argpartition(distances, most - 1, axis=1)[:, :most]
        apart[rows] = np.take_along_axis(distances, near[rows], axis=1)
    return near, apart
