"""The preview's layout and the loss graph, as users of the original know them."""

import numpy as np

from dfl.training.preview import GRAPH_HEIGHT, loss_graph, swap_pages, with_graph


def batch(value: float, mask: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    return np.full((2, 16, 16, 3), value, np.float32), np.full((2, 16, 16, 1), mask, np.float32)


def test_columns_are_src_its_copy_dst_its_copy_and_the_swap():
    shades = [np.full((2, 16, 16, 3), value, np.float32) for value in (0.2, 0.4, 0.6)]
    masks = [np.full((2, 16, 16, 1), value, np.float32) for value in (0.5, 0.5)]
    pages = swap_pages(batch(0.1), batch(0.3), [*shades, *masks], is_head=False)
    columns = [int(pages["preview"][8, 16 * index + 8, 0]) for index in range(5)]
    assert columns == [26, 51, 77, 102, 153]
    masked = [int(pages["preview_masked"][8, 16 * index + 8, 0]) for index in range(5)]
    assert masked == [26, 51, 77, 51, 38]
    assert pages["preview"].shape == (32, 80, 3)


def test_of_heads_the_swap_is_shown_in_its_own_mask_alone():
    shades = [np.full((2, 16, 16, 3), 0.6, np.float32)] * 3
    masks = [np.zeros((2, 16, 16, 1), np.float32), np.ones((2, 16, 16, 1), np.float32)]
    page = swap_pages(batch(0.1), batch(0.3), [*shades, *masks], is_head=True)["preview_masked"]
    assert page[8, 72, 0] == 153


def test_the_graph_falls_with_the_loss():
    falling = np.linspace(1.0, 0.6, 400, dtype=np.float32)
    graph = loss_graph(np.stack([falling, falling / 2], axis=1), 200, 400)
    assert graph.shape == (GRAPH_HEIGHT, 200, 3)
    blue = (graph[:, :, 0] > 200) & (graph[:, :, 2] < 60)
    first, last = (np.flatnonzero(blue[:, column]).mean() for column in (20, 190))
    assert first < last, "rows count from the top"


def test_losses_that_are_no_numbers_do_not_break_the_graph():
    history = np.array([[1, 1], [np.nan, 1], [np.inf, 2]], np.float32)
    assert loss_graph(history, 50, 3).shape == (GRAPH_HEIGHT, 50, 3)
    assert loss_graph(np.zeros((0, 2), np.float32), 50, 0).shape == (GRAPH_HEIGHT, 50, 3)


def test_the_graph_stands_above_the_page():
    page = np.full((32, 80, 3), 7, np.uint8)
    assert (with_graph(page, np.ones((3, 2), np.float32), 3)[GRAPH_HEIGHT:] == 7).all()
