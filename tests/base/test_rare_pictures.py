import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfl.base.errors import UserError
from dfl.base.frames import OTHER_PICTURES, list_frames, no_frames
from dfl.base.listing import PICTURE_SUFFIXES, list_pictures
from dfl.base.pictures import decode_frame, encode_picture, read_picture
from dfl.base.rare_pictures import size_by_pillow
from dfl.video.denoise_frames import _WRITTEN
from tests.recording_report import RecordingReport


@pytest.fixture
def scene() -> Image.Image:
    small = np.array([[(250, 0, 0), (0, 250, 0)], [(250, 250, 0), (0, 0, 250)]], np.uint8)
    return Image.fromarray(np.repeat(np.repeat(small, 16, axis=0), 20, axis=1))


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_frames_of_every_listed_kind_are_read(suffix: str, scene: Image.Image, tmp_path: Path) -> None:
    kinds = {".jfif": "JPEG", ".apng": "PNG", ".dib": "BMP", ".pnm": "PPM", ".jpx": "JPEG2000", ".sgi": "SGI"}
    path = tmp_path / f"Bild é{suffix.upper()}"
    grey = suffix in (".pgm", ".pbm")
    picture = scene.convert("1" if suffix == ".pbm" else "L") if grey else scene
    kind = kinds.get(suffix) or Image.registered_extensions()[suffix]
    picture.save(path, kind, **({"save_all": False} if kind == "MPO" else {}))
    assert list_pictures(tmp_path) == [path]
    frame = read_picture(path)
    assert frame.shape == (32, 40, 3)
    wanted = np.asarray(picture.convert("RGB"))[:, :, ::-1]
    assert np.abs(frame[4:12, 4:12].astype(int) - wanted[4:12, 4:12]).mean() < 12


@pytest.mark.parametrize("suffix", _WRITTEN)
def test_what_is_denoised_can_be_written_in_its_kind(suffix: str, scene: Image.Image) -> None:
    picture = np.ascontiguousarray(np.asarray(scene)[:, :, ::-1])
    back = decode_frame(encode_picture(picture, suffix, 95), f"a{suffix}")
    assert np.abs(back[4:12, 4:12].astype(int) - picture[4:12, 4:12]).mean() < 12


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_among_the_frames_is_named(kind: str, scene: Image.Image) -> None:
    file = io.BytesIO()
    scene.save(file, kind, save_all=True, append_images=[scene.rotate(90, expand=False)], duration=40)
    with pytest.raises(UserError, match="is an animation") as caught:
        decode_frame(file.getvalue(), f"a.{kind.lower()}")
    assert "data_src.mp4" in caught.value.todo


@pytest.mark.parametrize("suffix", [".gif", ".tga", ".avif", ".dds", ".bmp"])
def test_a_damaged_picture_of_any_kind_is_named(suffix: str, scene: Image.Image) -> None:
    file = io.BytesIO()
    scene.save(file, Image.registered_extensions()[suffix])
    for content in (b"", b"no picture at all"):
        with pytest.raises(UserError, match=rf"a{suffix} is not a picture"):
            decode_frame(content, f"a{suffix}")
    with suppress(UserError):  # of a cut one perhaps a part is shown, never anything else than a UserError
        decode_frame(file.getvalue()[: len(file.getvalue()) // 3], f"a{suffix}")


def test_a_picture_too_large_for_memory_is_refused_whatever_its_kind() -> None:
    file = io.BytesIO()
    Image.new("L", (20, 14)).save(file, "GIF")
    content = file.getvalue()
    for size in (b"\xff\xff\xff\xff", b"\x20\x4e\xb0\x36"):  # 65535 x 65535, 20000 x 14000
        with pytest.raises(UserError, match="more than can be worked on"):
            decode_frame(content[:6] + size + content[10:], "a.gif")


def test_pictures_that_cannot_be_read_are_named_with_a_way_out(scene: Image.Image, tmp_path: Path) -> None:
    for number in (1, 2, 10):
        (tmp_path / f"IMG_{number}.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    error = no_frames(tmp_path, "Run extract-frames src first.")
    assert "3 files (IMG_1.HEIC, IMG_2.HEIC, IMG_10.HEIC)" in error.what
    assert "Convert them to PNG or JPEG" in error.todo
    assert "no frames" in no_frames(tmp_path / "missing", "Run extract-frames src first.").what
    scene.save(tmp_path / "IMG_3.png")
    heard = RecordingReport()
    assert [path.name for path in list_frames(tmp_path, heard)] == ["IMG_3.png"]
    assert "3 files (IMG_1.HEIC, IMG_2.HEIC, IMG_10.HEIC) left out" in heard.warnings[0]


def test_no_kind_is_read_and_refused() -> None:
    assert not set(PICTURE_SUFFIXES) & set(OTHER_PICTURES)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "WEBP", "GIF", "JPEG"])
def test_the_size_of_a_frame_of_any_kind_is_known_as_it_is_shown(kind: str, scene: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "frame"
    scene.save(path, kind, exif=exif)
    assert size_by_pillow(path) == ((32, 40) if kind in ("BMP", "GIF") else (40, 32)) == read_picture(path).shape[:2]
    path.write_bytes(b"no picture")
    assert size_by_pillow(path) is None


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\xff\x0a\xfa\x7f", "a JPEG XL picture"),
        (b"8BPS\0\1\0\0", "a Photoshop file"),
    ],
)
def test_a_photo_of_a_phone_under_the_name_of_a_jpeg_is_known(content: bytes, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        decode_frame(content + bytes(100), "IMG_1.jpg")
    assert "Convert it to PNG or JPEG" in caught.value.todo
