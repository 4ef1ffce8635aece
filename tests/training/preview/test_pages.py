"""The preview's layout, as users of the original know it."""

import numpy as np
import pytest

from dfl.training.preview.pages import swap_pages


def batch(value: float, mask: float = 1.0, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    return np.full((2, size, size, 3), value, np.float32), np.full((2, size, size, 1), mask, np.float32)


def pages_of(size: int, is_head: bool = False) -> dict[str, np.ndarray]:
    shades = [np.full((2, size, size, 3), value, np.float32) for value in (0.2, 0.4, 0.6)]
    masks = [np.full((2, size, size, 1), value, np.float32) for value in (0.5, 0.5)]
    return swap_pages(batch(0.1, size=size), batch(0.3, size=size), [*shades, *masks], is_head)


def columns_of(page: np.ndarray, size: int) -> list[int]:
    return [int(value) for value in page[size // 2, size // 2 :: size, 0]]


@pytest.mark.parametrize("size", [16, 256])
def test_columns_are_src_its_copy_dst_its_copy_and_the_swap(size):
    pages = pages_of(size)
    assert columns_of(pages["preview"], size) == [26, 51, 77, 102, 153]
    assert columns_of(pages["preview_masked"], size) == [26, 51, 77, 51, 38]
    assert pages["preview"].shape == (2 * size, 5 * size, 3)


def test_larger_faces_get_a_page_for_each_pair():
    size = 288
    pages = pages_of(size)
    assert {name: columns_of(page, size) for name, page in pages.items()} == {
        "preview_src-src": [26, 51],
        "preview_dst-dst": [77, 102],
        "preview_pred": [77, 153],
        "preview_masked_src-src": [26, 51],
        "preview_masked_dst-dst": [77, 51],
        "preview_masked_pred": [77, 38],
    }
    assert all(page.shape == (2 * size, 2 * size, 3) for page in pages.values())


def test_of_heads_the_swap_is_shown_in_its_own_mask_alone():
    shades = [np.full((2, 16, 16, 3), 0.6, np.float32)] * 3
    masks = [np.zeros((2, 16, 16, 1), np.float32), np.ones((2, 16, 16, 1), np.float32)]
    page = swap_pages(batch(0.1), batch(0.3), [*shades, *masks], is_head=True)["preview_masked"]
    assert page[8, 72, 0] == 153
