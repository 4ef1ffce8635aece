import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from dfl.base.orientation import orientation, turned
from dfl.base.pictures import decode_frame, decode_picture, read_picture, shown_size

KINDS = ("JPEG", "PNG", "WEBP", "TIFF")


@pytest.fixture
def scene() -> Image.Image:
    """60 x 40, another colour in every corner."""
    small = np.array(
        [[(250, 0, 0), (0, 250, 0), (0, 0, 250)], [(250, 250, 0), (0, 250, 250), (250, 250, 250)]], np.uint8
    )
    return Image.fromarray(np.repeat(np.repeat(small, 20, axis=0), 20, axis=1))


def coded(picture: Image.Image, kind: str, how: int | None) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    if how is not None:
        exif[0x0112] = how
    picture.save(file, kind, exif=exif, **({"quality": 100} if kind in ("JPEG", "WEBP") else {}))
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", [None, *range(1, 9)])
def test_a_frame_that_lies_on_its_side_is_turned_as_viewers_show_it(
    kind: str, how: int | None, scene: Image.Image, tmp_path: Path
) -> None:
    content = coded(scene, kind, how)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))[:, :, ::-1]
    frame = decode_frame(content, f"a.{kind}")
    assert frame.shape == shown.shape
    assert np.abs(frame.astype(int) - shown).mean() < 8
    (tmp_path / "a").write_bytes(content)
    assert np.array_equal(read_picture(tmp_path / "a"), frame)
    if kind in ("JPEG", "PNG"):
        assert shown_size(content) == shown.shape[:2]
    if kind != "TIFF":  # which OpenCV turns in any case
        assert orientation(content) == (how or 1)
        assert decode_picture(content, "a").shape == (40, 60, 3), "face data count pixels as they are stored"


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_and_alpha_are_turned_too(depth: Any, channels: int) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (6, 9, channels)).astype(depth)
    ways = {1: picture, 2: picture[:, ::-1], 3: picture[::-1, ::-1], 4: picture[::-1], 5: picture.swapaxes(0, 1)}
    ways |= {6: np.rot90(picture, -1), 7: picture[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(picture)}
    for how, wanted in ways.items():
        found = turned(picture, how)
        assert np.array_equal(found.reshape(wanted.shape), wanted), how
    plain = cv2.imencode(".png", picture)[1].tobytes()
    note = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    content = plain[:33] + len(note).to_bytes(4, "big") + b"eXIf" + note + bytes(4) + plain[33:]
    assert decode_frame(content, "a.png").shape == (9, 6, 3)
    assert np.array_equal(decode_frame(content, "a.png"), np.rot90(decode_picture(plain, "a.png"), -1))


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff" + bytes(40),
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0",  # 9 is no orientation
        b"MM\0*\0\0\0\x08\0\x01\x01\x12",
        b"XX\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0",
    ],
)
def test_damaged_notes_turn_nothing(exif: bytes, scene: Image.Image) -> None:
    plain = coded(scene, "JPEG", None)
    data = b"Exif\0\0" + exif
    content = plain[:2] + b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data + plain[2:]
    assert orientation(content) == 1
    assert decode_frame(content, "a.jpg").shape == (40, 60, 3)
    for end in range(0, len(content), 7):
        orientation(content[:end])


def test_the_camera_may_write_either_order_of_bytes() -> None:
    for note in (
        b"II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x01\0\0\0a\0\0\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0",
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x04\0\0\0\x01\0\0\0\x08",
    ):
        content = b"\xff\xd8\xff\xe1" + (len(note) + 8).to_bytes(2, "big") + b"Exif\0\0" + note + b"\xff\xda\0\x02"
        assert orientation(content) == 8
