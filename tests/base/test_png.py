"""PNG files: any reader gives back the picture, and they are hardly larger than OpenCV's."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import decode_picture, encode_picture
from dfl.base.png import decode_png, encode_png


def read(content: bytes) -> NDArray[np.uint8]:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[return-value]


def photo_like(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(3).normal(0, 1.5, (height, width, 3))
    waves = np.stack([np.sin(x / 40 + y / 60), np.cos(x / 50), np.sin(y / 35)], axis=2)
    return np.clip(128 + 90 * waves + noise, 0, 255).astype(np.uint8)


@settings(deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([(), (1,), (3,), (4,)]),
    st.sampled_from([np.uint8, np.uint16]),
    st.integers(0, 99),
)
def test_every_pixel_comes_back(height: int, width: int, channels: tuple[int, ...], kind: type, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, np.iinfo(kind).max + 1, (height, width, *channels), kind)
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
def test_files_are_hardly_larger_than_opencvs(picture: NDArray[np.uint8]) -> None:
    # ISA-L trades size for speed where there is nothing but noise; frames of videos get smaller (docs/decisions.md).
    assert len(encode_png(picture)) <= 1.2 * len(cv2.imencode(".png", picture)[1]) + 4096


def test_what_changes_little_downwards_becomes_much_smaller() -> None:
    picture = stripes(360, 480)
    assert len(encode_png(picture)) < 0.1 * len(cv2.imencode(".png", picture)[1])


def test_alpha_and_16_bit_still_go_through() -> None:
    for picture in (np.full((4, 5, 4), 9, np.uint8), np.full((4, 5), 999, np.uint16)):
        assert np.array_equal(read(encode_picture(picture, ".png")), picture)


def test_its_own_files_are_read_without_opencv() -> None:
    picture = photo_like(90, 120)
    picture[:] = np.repeat(picture[:1], 90, axis=0)  # downwards nothing changes: filter UP
    decoded = decode_png(encode_png(picture))
    assert decoded is not None
    assert np.array_equal(decoded, picture)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 99), st.booleans())
def test_what_is_read_is_what_was_written(height: int, width: int, seed: int, is_smooth: bool) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (1 if is_smooth else height, width, 3), np.uint8)
    picture = np.repeat(picture, height, axis=0) if is_smooth else picture
    assert np.array_equal(decode_picture(encode_png(picture), "x"), picture)


@pytest.mark.slow
@settings(deadline=None)
@given(st.data())
def test_damaged_files_give_nothing_or_a_picture_of_the_announced_size(data: st.DataObject) -> None:
    content = bytearray(encode_png(np.repeat(photo_like(1, 30), 20, axis=0)))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    try:
        decoded = decode_png(bytes(content))
        picture = decode_picture(bytes(content), "x")
    except UserError:
        return
    assert decoded is None or decoded.shape == picture.shape
