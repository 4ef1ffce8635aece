from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.base.pictures import (
    announced_size,
    contact_sheet,
    decode_picture,
    encode_picture,
    read_picture,
    write_picture,
)


@pytest.fixture
def picture() -> Any:
    return np.random.default_rng(3).integers(0, 256, (21, 34, 3), np.uint8)


def _png(picture: Any) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def test_a_picture_at_a_unicode_path_comes_back_equal(tmp_path: Path, picture: Any) -> None:
    path = tmp_path / "Bild 顔 é.png"
    write_picture(path, picture)
    assert np.array_equal(read_picture(path), picture)
    assert list(tmp_path.iterdir()) == [path]


def test_every_kind_of_pixel_becomes_three_channels_of_eight_bits(picture: Any) -> None:
    grey = picture[:, :, 1]
    assert np.array_equal(decode_picture(_png(grey), ""), np.repeat(grey[:, :, None], 3, axis=2))
    alpha = np.dstack([picture, np.full(picture.shape[:2], 9, np.uint8)])
    assert np.array_equal(decode_picture(_png(alpha), ""), picture)
    assert np.array_equal(decode_picture(_png(picture.astype(np.uint16) * 257), ""), picture)
    assert decode_picture(_png(np.full((2, 2), 65535, np.uint16)), "").max() == 255


def test_colours_are_blue_green_red() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[:, :, 2] = 255
    assert decode_picture(encode_picture(red, ".jpg", 95), "")[4, 4].argmax() == 2


def test_rotation_notes_of_cameras_are_ignored() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    content = encode_picture(wide, ".jpg")
    note = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = content[:2] + b"\xff\xe1" + (len(note) + 2).to_bytes(2, "big") + note + content[2:]
    assert decode_picture(turned, "").shape == (10, 30, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
def test_a_broken_file_is_named(tmp_path: Path, suffix: str, picture: Any) -> None:
    path = tmp_path / f"broken{suffix}"
    content = cv2.imencode(suffix, picture)[1].tobytes()
    for part in (b"", b"no picture", content[:9]):
        path.write_bytes(part)
        with pytest.raises(UserError, match=rf"broken\{suffix} is not a picture"):
            read_picture(path)
    with pytest.raises(UserError, match=r"gone\.png cannot be read"):
        read_picture(tmp_path / "gone.png")


def test_pixels_that_are_no_bytes_are_refused() -> None:
    content = cv2.imencode(".tiff", np.zeros((4, 4), np.float32))[1].tobytes()
    with pytest.raises(UserError, match=r"a\.tiff has float32 pixels"):
        decode_picture(content, "a.tiff")


def test_giant_pictures_are_refused_before_memory_is_taken(picture: Any) -> None:
    png = bytearray(_png(picture))
    png[16:24] = (30_000).to_bytes(4, "big") * 2
    assert announced_size(bytes(png)) == (30_000, 30_000)
    jpg = bytearray(encode_picture(picture, ".jpg"))
    place = jpg.index(b"\xff\xc0") + 5
    jpg[place : place + 4] = b"\xff\xff\x00\x10"
    for content in (bytes(png), bytes(jpg)):
        with pytest.raises(UserError, match=r"a\.png has .* pixels, more than can be worked on"):
            decode_picture(content, "a.png")


@given(content=st.binary(max_size=200))
@settings(deadline=None)
def test_random_bytes_are_an_error_or_a_picture(content: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"BM", b"II*\0", b"P6\n", b"GIF89a"):
        try:
            picture = decode_picture(start + content, "a.png")
        except UserError:
            continue
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3


def test_an_unknown_format_is_a_clear_error(picture: Any) -> None:
    for suffix in ("", ".doc", ".xyz"):
        with pytest.raises(UserError, match="cannot be stored"):
            encode_picture(picture, suffix)


def test_a_contact_sheet_shows_every_picture() -> None:
    colours = [np.full((30 + 7 * index, 40, 3), 40 * index + 50, np.uint8) for index in range(5)]
    sheet = contact_sheet([colours[:3], colours[3:]], cell_height=20)
    assert sheet.dtype == np.uint8
    assert sheet.shape[0] == 2 * 24 - 4
    for index in range(5):
        assert (sheet == 40 * index + 50).all(axis=2).sum() >= 20 * 10
