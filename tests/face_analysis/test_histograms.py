import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.report import Report
from dfl.face_analysis import histograms as module
from dfl.face_analysis.histograms import chain_of_similar, chunk_length, sums_of_distances


def _histograms(count: int, seed: int) -> NDArray[np.uint32]:
    """Of faces of three scenes, of 64 x 64 pixels: (N, 3, 256)."""
    random = np.random.default_rng(seed)
    values = np.arange(256)
    made = []
    for number in range(count):
        middles = random.normal(60 + 60 * (number % 3), 4, (3, 1))
        shares = np.exp(-(((values - middles) / 25) ** 2))
        made.append([random.multinomial(4096, row / row.sum()) for row in shares])
    return np.array(made, np.uint32)


def _distance(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    pairs = zip(one.astype(np.float32), other.astype(np.float32), strict=True)
    return sum(cv2.compareHist(a, b, cv2.HISTCMP_BHATTACHARYYA) for a, b in pairs)


def _plain_chain(histograms: NDArray[np.uint32]) -> list[int]:
    """As the original goes about it."""
    order = list(range(len(histograms)))
    for place in range(1, len(order)):
        own = histograms[order[place - 1]]
        best = min(range(place, len(order)), key=lambda other: _distance(own, histograms[order[other]]))
        order[place], order[best] = order[best], order[place]
    return order


@pytest.mark.parametrize(("neighbours", "block"), [(64, 256), (5, 7), (1, 16)])
def test_the_chain_is_that_of_looking_at_every_pair(
    neighbours: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NEIGHBOURS", neighbours)
    monkeypatch.setattr(module, "_BLOCK", block)
    histograms = _histograms(120, 1)
    histograms[[17, 60, 90]] = histograms[33]  # ties
    histograms[61] = histograms[2]
    assert chain_of_similar(histograms, Report()) == _plain_chain(histograms)


def test_many_faces_make_several_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chunk_length(20) == chunk_length(250_000) == 20000
    assert chunk_length(260_000) == int(260_000 / 11.9)
    monkeypatch.setattr(module, "_CHUNK", 50)
    histograms = _histograms(120, 2)
    order = chain_of_similar(histograms, Report())
    parts = [histograms[:50], histograms[50:100], histograms[100:]]
    assert order == [50 * number + face for number, part in enumerate(parts) for face in _plain_chain(part)]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_faces_are_a_chain_too(count: int) -> None:
    assert chain_of_similar(_histograms(count, 3).reshape(count, 3, 256), Report()) == list(range(count))


def test_sums_are_those_of_opencv_s_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 16)
    histograms = _histograms(50, 4)
    wanted = [sum(_distance(one[:1], other[:1]) for other in histograms) for one in histograms]
    assert sums_of_distances(histograms[:, 0], Report()) == pytest.approx(wanted, rel=1e-6)
