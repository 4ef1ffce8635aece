import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.face_analysis.pixel_chain import chain_of_pixels


def _plain_chain(rows: NDArray[np.uint8], similar: bool) -> list[int]:
    order, left = [0], list(range(1, len(rows)))
    while left:
        apart = [int(np.abs(rows[order[-1]].astype(int) - rows[other]).sum()) for other in left]
        order.append(left.pop(apart.index(min(apart) if similar else max(apart))))
    return order


@pytest.mark.parametrize("similar", [True, False])
def test_the_chain_is_that_of_looking_at_every_pair(similar: bool) -> None:
    rows = np.random.default_rng(1).integers(0, 4, (70, 6)).astype(np.uint8)  # many ties
    wanted = _plain_chain(rows, similar)
    steps: list[int] = []
    assert chain_of_pixels(rows.copy(), similar, lambda: steps.append(1)) == wanted
    assert len(steps) == 70


def test_no_faces_are_no_chain() -> None:
    assert chain_of_pixels(np.empty((0, 12), np.uint8), True) == []
