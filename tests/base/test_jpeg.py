from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.base import jpeg
from dfl.base.errors import UserError


def _jpeg(height: int = 40, width: int = 64, grey: bool = False, **options: int) -> bytes:
    picture: Any = np.zeros((height, width) if grey else (height, width, 3), np.uint8)
    flags = [number for name, value in options.items() for number in (getattr(cv2, f"IMWRITE_JPEG_{name}"), value)]
    return cv2.imencode(".jpg", picture, flags)[1].tobytes()


def _markers(content: bytes) -> list[int]:
    return [segment.marker for segment in jpeg.segments(content, "")]


@pytest.mark.parametrize("options", [{}, {"PROGRESSIVE": 1}, {"RST_INTERVAL": 2}, {"OPTIMIZE": 1}])
def test_the_size_is_read_without_decoding(options: dict[str, int]) -> None:
    assert jpeg.shape(_jpeg(40, 64, **options), "") == (40, 64, 3)
    assert jpeg.shape(_jpeg(7, 900, grey=True, **options), "") == (7, 900, 1)


def test_a_payload_is_put_after_the_other_application_segments_and_replaced() -> None:
    content = _jpeg()
    once = jpeg.with_payload(content, 0xEF, b"one", "")
    assert _markers(once)[:3] == [0xE0, 0xEF, 0xDB]
    assert jpeg.payload(once, 0xEF, "") == b"one"
    assert jpeg.payload(content, 0xEF, "") is None
    marked = jpeg.with_payload(once, 0xEB, b"marks", "")
    assert _markers(marked)[:3] == [0xE0, 0xEF, 0xEB]
    twice = jpeg.with_payload(marked, 0xEF, b"two", "")
    assert _markers(twice)[:3] == [0xE0, 0xEB, 0xEF]
    assert jpeg.payload(twice, 0xEF, "") == b"two"
    assert jpeg.payload(twice, 0xEB, "") == b"marks"
    assert len(twice) == len(marked)


def test_all_earlier_segments_of_the_marker_go() -> None:
    content = _jpeg()
    doubled = content[:2] + b"\xff\xef\x00\x05abc\xff\xef\x00\x05def" + content[2:]
    assert jpeg.payload(doubled, 0xEF, "") == b"abc"
    assert jpeg.with_payload(doubled, 0xEF, b"new", "") == jpeg.with_payload(content, 0xEF, b"new", "")


def test_a_picture_without_application_segments_takes_a_payload_at_its_start() -> None:
    content = _jpeg()
    start = jpeg.segments(content, "")[0]
    bare = content[: start.start] + content[start.end :]
    carrying = jpeg.with_payload(bare, 0xEF, b"data", "")
    assert carrying[:8] == b"\xff\xd8\xff\xef\x00\x06da"
    assert cv2.imdecode(np.frombuffer(carrying, np.uint8), 1).shape == (40, 64, 3)


def test_the_largest_payload_fits_and_one_byte_more_does_not() -> None:
    content = _jpeg()
    data = bytes(jpeg.MAX_PAYLOAD)
    assert jpeg.payload(jpeg.with_payload(content, 0xEF, data, ""), 0xEF, "") == data
    with pytest.raises(UserError, match=r"a\.jpg cannot hold 65534 bytes"):
        jpeg.with_payload(content, 0xEF, data + b"x", "a.jpg")


@given(data=st.binary(max_size=500), trailing=st.binary(max_size=20))
def test_any_payload_comes_back_and_leaves_the_picture_alone(data: bytes, trailing: bytes) -> None:
    content = _jpeg() + trailing
    carrying = jpeg.with_payload(content, 0xEF, data, "")
    assert jpeg.payload(carrying, 0xEF, "") == data
    assert carrying.replace(b"\xff\xef" + (len(data) + 2).to_bytes(2, "big") + data, b"", 1) == content


@pytest.mark.parametrize("length", [0, 2, 3, 4, 10, 20, 200])
def test_a_cut_file_is_named(length: int) -> None:
    with pytest.raises(UserError, match=r"a\.jpg is a damaged JPEG"):
        jpeg.segments(_jpeg()[:length], "a.jpg")


def test_a_file_without_an_end_is_named() -> None:
    content = _jpeg()
    with pytest.raises(UserError, match="its end is missing"):
        jpeg.segments(content[:-2], "a.jpg")
    assert jpeg.shape(content[:-2], "") == (40, 64, 3)  # the size stands at the start


@given(content=st.binary(max_size=300))
def test_random_bytes_are_an_error(content: bytes) -> None:
    for start in (b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x04ab\xff"):
        with pytest.raises(UserError, match=r"a\.jpg"):
            jpeg.segments(start + content, "a.jpg")
