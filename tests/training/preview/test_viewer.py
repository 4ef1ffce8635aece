"""The preview window's keys and pages, without a window."""

import numpy as np
import pytest

from dfl.training.preview.loss_graph import GRAPH_HEIGHT
from dfl.training.preview.viewer import View, Viewer

TEXT_HEIGHT = 45


def view(*pages: tuple[int, int], iteration: int = 9) -> View:
    drawn = {f"page_{index}": np.full((*size, 3), 50 + index, np.uint8) for index, size in enumerate(pages)}
    return View(drawn, np.full((iteration, 2), 0.5, np.float32), iteration)


@pytest.mark.parametrize(
    ("key", "command"),
    [("s", "save"), ("S", "save"), ("b", "backup"), ("p", "update"), ("\r", "exit"), ("\n", "exit"), (" ", None),
     ("l", None), ("x", None)],
)  # fmt: skip
def test_keys_are_the_originals(key, command):
    assert Viewer().press(ord(key)) == command


def test_space_goes_round_the_pages():
    viewer = Viewer()
    viewer.press(ord(" "))  # before there is a page
    viewer.take(view((32, 600), (32, 600), (32, 600)))
    seen = []
    for _ in range(4):
        seen.append(int(viewer.canvas()[-1, 300, 0]))
        viewer.press(ord(" "))
    assert seen == [50, 51, 52, 50]


def test_l_goes_round_the_ranges():
    viewer = Viewer()
    seen = [viewer.shown]
    for _ in range(5):
        viewer.press(ord("l"))
        seen.append(viewer.shown)
    assert seen == [0, 5000, 10000, 50000, 100000, 0]


def test_all_pages_have_one_size_and_tall_ones_are_scaled():
    viewer = Viewer()
    viewer.take(view((1600, 1200), (300, 900)))
    first = viewer.canvas()
    viewer.press(ord(" "))
    second = viewer.canvas()
    assert first.shape == second.shape == (TEXT_HEIGHT + GRAPH_HEIGHT + 800, 900, 3)
    assert first[-1, 450, 0] == 50, "a page of 1600 lines is whole at 800"
    assert second[TEXT_HEIGHT + GRAPH_HEIGHT + 299, 450, 0] == 51
    assert second[-1, 450, 0] == 25, "a smaller page is not stretched"


def test_a_page_stays_when_newer_ones_come_and_text_says_what_is_done():
    viewer = Viewer()
    viewer.take(view((32, 600), (32, 600)))
    viewer.press(ord(" "))
    before = viewer.canvas()
    viewer.press(ord("s"))
    assert not np.array_equal(viewer.canvas()[:TEXT_HEIGHT], before[:TEXT_HEIGHT]), "it says that it saves"
    viewer.take(view((32, 600), (32, 600)))
    assert np.array_equal(viewer.canvas(), before)
    viewer.take(view((32, 600)))
    assert viewer.canvas()[-1, 300, 0] == 50, "fewer pages than before"


def test_before_the_first_preview_there_is_a_picture_too():
    assert Viewer().canvas().ndim == 3
