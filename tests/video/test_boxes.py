"""Boxes of mp4 files, whole, cut and made of anything."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dfl.video.boxes import find_uuid_box, top_level_boxes, uuid_box

KIND = UUID(int=7)


def test_a_uuid_box_is_found_behind_others() -> None:
    content = b"\0\0\0\x0cftypisom" + b"\0\0\0\1mdat" + (20).to_bytes(8, "big") + b"data" + uuid_box(KIND, b"text")
    assert [box.kind for box in top_level_boxes(content)] == [b"ftyp", b"mdat", b"uuid"]
    assert find_uuid_box(content, KIND) == b"text"
    assert find_uuid_box(content, UUID(int=8)) is None


def test_a_box_of_length_0_reaches_to_the_end() -> None:
    boxes = list(top_level_boxes(b"\0\0\0\0mdat" + bytes(100)))
    assert [(box.kind, box.end) for box in boxes] == [(b"mdat", 108)]


@given(st.binary(max_size=200))
def test_any_bytes_end(content: bytes) -> None:
    place = 0
    for box in top_level_boxes(content):
        assert box.start == place < box.payload <= box.end <= len(content)
        place = box.end
