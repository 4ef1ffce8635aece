from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture
from dfl.faceset.aligned_face import read_face
from dfl.faceset.segmentation import MAX_MASK_BYTES, Polygon, decode_mask, draw_polygons, encode_mask, include_first


def _square(low: float, high: float) -> Any:
    return np.array([(low, low), (high, low), (high, high), (low, high)], np.float32)


def test_a_mask_keeps_its_grey_levels() -> None:
    mask = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64, 1)
    content = encode_mask(mask)
    assert content[:4] == b"\x89PNG"
    back = decode_mask(content, "face.jpg")
    assert back.shape == (64, 64, 1)
    assert back.dtype == np.float32
    assert (mask - back).min() >= 0  # cut, not rounded
    assert (mask - back).max() < 1 / 255
    assert np.array_equal(decode_mask(encode_mask(back), "face.jpg"), back)


def test_a_mask_out_of_range_is_clipped() -> None:
    back = decode_mask(encode_mask(np.array([[-3.0, 0.5, 7.0]], np.float32)), "face.jpg")
    assert back[0, :, 0].tolist() == pytest.approx([0, 127 / 255, 1])


def test_a_mask_too_large_as_png_becomes_a_jpeg_that_fits() -> None:
    noise = np.random.default_rng(1).random((512, 512, 1), np.float32)
    content = encode_mask(noise)
    assert content[:2] == b"\xff\xd8"
    assert len(content) <= MAX_MASK_BYTES
    assert abs(float(decode_mask(content, "face.jpg").mean()) - 0.5) < 0.01


def test_a_mask_that_cannot_fit_is_refused() -> None:
    noise = np.random.default_rng(1).random((4000, 4000), np.float32)
    with pytest.raises(UserError, match="too large"):
        encode_mask(noise)


@given(content=st.binary(max_size=300))
def test_random_bytes_are_no_mask(content: bytes) -> None:
    with pytest.raises(UserError, match=r"face\.jpg"):
        decode_mask(content, "face.jpg")


@given(place=st.integers(0, 400), value=st.integers(0, 255), cut=st.integers(0, 400))
@settings(deadline=None)
def test_a_damaged_mask_is_a_mask_or_an_error(place: int, value: int, cut: int) -> None:
    content = bytearray(encode_mask(np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)))
    content[place % len(content)] = value
    try:
        mask = decode_mask(bytes(content[: len(content) - cut % 40]), "face.jpg")
    except UserError:
        return
    assert mask.ndim == 3
    assert mask.shape[2] == 1


def test_a_mask_of_billions_of_pixels_is_refused_before_memory_is_taken() -> None:
    content = bytearray(encode_mask(np.zeros((8, 8), np.float32)))
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(UserError, match="damaged"):
        decode_mask(bytes(content), "face.jpg")


def test_a_mask_with_colours_gives_its_first_channel() -> None:
    picture = np.zeros((4, 5, 4), np.uint8)
    picture[:, :, 0] = 51
    back = decode_mask(cv2.imencode(".png", picture)[1].tobytes(), "face.jpg")
    assert back.shape == (4, 5, 1)
    assert np.allclose(back, 0.2)


def test_excludes_are_cut_out_of_includes_whatever_their_order() -> None:
    polygons = [Polygon(False, _square(10, 20)), Polygon(True, _square(5, 30)), Polygon(True, _square(15, 18))]
    mask = draw_polygons((40, 40), polygons)
    assert mask.shape == (40, 40, 1)
    assert set(np.unique(mask)) == {0, 1}
    assert mask[6, 6] == 1
    assert mask[16, 16] == 0
    assert mask[35, 35] == 0
    assert [polygon.includes for polygon in include_first(polygons)] == [True, True, False]


def test_polygons_beyond_the_picture_are_cut_at_its_edges() -> None:
    mask = draw_polygons((20, 20), [Polygon(True, _square(-1e5, 1e5))])
    assert mask.all()
    assert not draw_polygons((20, 20), [Polygon(True, _square(500, 900))]).any()
    assert not draw_polygons((20, 20), []).any()


def test_drawn_polygons_are_those_of_the_original(shared: Path, agrees: Any) -> None:
    folder = shared / "original" / "aligned"
    polygons = read_face(folder / "00009_0.jpg").metadata.polygons
    recorded = read_picture(folder / "overlay_of_polys_00009_0.png")[:, :, :1]
    agrees("polygons drawn (grey levels)", draw_polygons((256, 256), polygons) * 255, recorded, 1)
