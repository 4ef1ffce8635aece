"""PNG files: any reader gives back the picture, and they are no larger than OpenCV's."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfl.base.pictures import encode_picture
from dfl.base.png import encode_png


def read(content: bytes) -> NDArray[np.uint8]:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[return-value]


def photo_like(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(3).normal(0, 1.5, (height, width, 3))
    waves = np.stack([np.sin(x / 40 + y / 60), np.cos(x / 50), np.sin(y / 35)], axis=2)
    return np.clip(128 + 90 * waves + noise, 0, 255).astype(np.uint8)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (1,), (3,)]), st.integers(0, 99))
def test_every_pixel_comes_back(height: int, width: int, channels: tuple[int, ...], seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), np.uint8)
    assert np.array_equal(read(encode_png(picture)), picture[:, :, 0] if channels == (1,) else picture)


def test_views_into_larger_pictures_can_be_written() -> None:
    picture = photo_like(50, 60)
    for view in (picture[3:20, 5:31], picture[::-1], picture[:, ::2], picture[:, :, 1], picture[:, :, ::-1]):
        assert np.array_equal(read(encode_png(view)), view)


def stripes(height: int, width: int) -> NDArray[np.uint8]:
    return np.repeat(photo_like(1, width), height, axis=0)


@pytest.mark.parametrize(
    "picture",
    [photo_like(360, 480), np.full((360, 480, 3), 7, np.uint8), stripes(360, 480), stripes(480, 360).swapaxes(0, 1)],
    ids=["photo", "flat", "smooth downwards", "smooth to the right"],
)
def test_files_are_not_larger_than_opencvs(picture: NDArray[np.uint8]) -> None:
    assert len(encode_png(picture)) <= 1.02 * len(cv2.imencode(".png", picture)[1])


def test_alpha_and_16_bit_still_go_through() -> None:
    for picture in (np.full((4, 5, 4), 9, np.uint8), np.full((4, 5), 999, np.uint16)):
        assert np.array_equal(read(encode_picture(picture, ".png")), picture)
