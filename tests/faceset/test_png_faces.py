import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfl.base import pickle_writer
from dfl.base.errors import UserError
from dfl.base.pictures import encode_picture
from dfl.faceset.face_metadata import FaceMetadata, metadata_to_dict
from dfl.faceset.faceset import list_faceset
from dfl.faceset.png_faces import picture_size, read_old_png

PICTURE = np.random.default_rng(1).integers(0, 256, (40, 56, 3)).astype(np.uint8)


def _with_chunk(png: bytes, data: bytes, name: bytes = b"fcWp") -> bytes:
    """The chunk before the end, where DeepFaceLab put it."""
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return png[:-12] + chunk + png[-12:]


@pytest.fixture
def metadata(tmp_path: Path, write_faces: Any) -> FaceMetadata:
    made: FaceMetadata = write_faces(tmp_path / "elsewhere", "a.jpg")["a.jpg"]
    return made


def test_face_data_of_old_pngs_are_read(tmp_path: Path, metadata: FaceMetadata) -> None:
    values = metadata_to_dict(metadata) | {"yaw_value": 0.5, "pitch_value": None}
    png = encode_picture(PICTURE[:40, :40], ".png")
    (tmp_path / "old.png").write_bytes(_with_chunk(png, pickle_writer.dumps(values)))
    (tmp_path / "none.png").write_bytes(png)
    (face,) = list_faceset(tmp_path)
    assert (face.name, face.shape) == ("old.png", (40, 40, 3))
    assert np.array_equal(face.metadata.landmarks, metadata.landmarks)
    assert face.metadata.source_filename == metadata.source_filename
    assert face.metadata.other == {"yaw_value": 0.5}


@pytest.mark.parametrize("data", [b"cos\nsystem\n(Vtouch ran\ntR.", b"x", b"]."])
def test_hostile_and_damaged_chunks_are_refused(data: bytes, tmp_path: Path) -> None:
    content = _with_chunk(encode_picture(PICTURE, ".png"), data)
    if data == b"].":
        assert read_old_png(content, "a.png") is None  # no data
        return
    with pytest.raises(UserError, match=r"a\.png"):
        read_old_png(content, "a.png")


def test_a_chunk_that_is_longer_than_the_file_is_refused() -> None:
    content = encode_picture(PICTURE, ".png")[:-12] + struct.pack(">I", 2**31 - 1) + b"fcWp" + b"x" * 50
    with pytest.raises(UserError, match="cut"):
        read_old_png(content, "a.png")
    assert read_old_png(encode_picture(PICTURE, ".png")[:30], "a.png") is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_the_size_stands_in_the_first_bytes(suffix: str) -> None:
    assert picture_size(encode_picture(PICTURE, suffix)[:8192], "a") == (40, 56)


def test_all_kinds_of_webp_say_their_size() -> None:
    lossless = cv2.imencode(".webp", PICTURE)[1].tobytes()
    alpha = np.dstack([PICTURE, PICTURE[:, :, 0]])
    extended = cv2.imencode(".webp", alpha, [cv2.IMWRITE_WEBP_QUALITY, 80])[1].tobytes()
    lossy = encode_picture(PICTURE, ".webp", 80)
    assert {content[12:16] for content in (lossless, extended, lossy)} == {b"VP8L", b"VP8X", b"VP8 "}
    for content in (lossless, extended, lossy):
        assert picture_size(content, "a.webp") == (40, 56)


@pytest.mark.parametrize("content", [b"", b"RIFF1234WEBPVP8 ", b"RIFF1234WEBPXXXX" + b"x" * 20, b"BM" + b"x" * 60])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="not a picture"):
        picture_size(content, "a")
