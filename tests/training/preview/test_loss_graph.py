"""The loss graph, as users of the original know it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dfl.training.preview.loss_graph import GRAPH_HEIGHT, RANGES, loss_graph, with_graph


def blue_rows(graph: np.ndarray, column: int) -> float:
    blue = (graph[:, column, 0] > 200) & (graph[:, column, 2] < 60)
    return float(np.flatnonzero(blue).mean())


def test_it_falls_with_the_loss():
    falling = np.linspace(1.0, 0.6, 400, dtype=np.float32)
    graph = loss_graph(np.stack([falling, falling / 2], axis=1), 200, 400)
    assert graph.shape == (GRAPH_HEIGHT, 200, 3)
    assert blue_rows(graph, 20) < blue_rows(graph, 190), "rows count from the top"


def test_a_single_loss_is_blue():
    graph = loss_graph(np.full((30, 1), 0.5, np.float32), 60, 30)
    assert 45 < blue_rows(graph, 50) < 55, "a steady loss stands at half of the height"


def test_a_range_shows_the_last_iterations_only():
    history = np.full((20000, 1), 4.0, np.float32)
    history[-5000:] = np.linspace(1.0, 0.2, 5000)[:, None]
    steady = loss_graph(history, 100, 20000)
    late = loss_graph(history, 100, 20000, shown=5000)
    assert abs(blue_rows(steady, 30) - blue_rows(steady, 60)) < 1
    assert blue_rows(late, 60) - blue_rows(late, 30) > 5
    assert RANGES == (0, 5000, 10000, 50000, 100000)


@given(
    arrays(np.float32, st.tuples(st.integers(0, 30), st.integers(1, 2)), elements=st.floats(0, 2.0**126, width=32)),
    st.sampled_from([0, 1, 7, 5000]),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0]),
)
def test_no_history_breaks_it(history, shown, odd):
    history = history.copy()
    history[::3] = odd
    assert loss_graph(history, 50, len(history), shown).shape == (GRAPH_HEIGHT, 50, 3)


def test_it_stands_above_the_page():
    page = np.full((32, 80, 3), 7, np.uint8)
    assert (with_graph(page, np.ones((3, 2), np.float32), 3)[GRAPH_HEIGHT:] == 7).all()
