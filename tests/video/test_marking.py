"""Marks: written, read back, and the files stay what they were."""

import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.video.boxes import top_level_boxes
from dfl.video.marking import COMMENT, SOURCE_TYPE, mark_png, mark_result, read_marks
from tests.video.conftest import ClipMaker, ffmpeg, pictures

PICTURE = np.random.default_rng(2).integers(0, 256, (20, 30, 3), np.uint8)


def clip_with_tag(make_clip: ClipMaker, tmp_path: Path, suffix: str) -> Path:
    path = tmp_path / f"result é{suffix}"
    ffmpeg("-i", make_clip("plain.mp4"), "-c", "copy", "-metadata", f"comment={COMMENT}", path)
    return path


@pytest.mark.parametrize(
    ("suffix", "layers"),
    [
        (".mp4", ["tag", "XMP", "Content Credentials"]),
        (".mov", ["tag", "XMP", "Content Credentials"]),
        (".avi", ["tag", "Content Credentials"]),
        (".mkv", ["tag"]),
    ],
)
def test_videos(make_clip: ClipMaker, tmp_path: Path, suffix: str, layers: list[str]) -> None:
    pytest.importorskip("c2pa")
    path = clip_with_tag(make_clip, tmp_path, suffix)
    before = pictures(path)
    marks = mark_result(path)
    assert marks.layers == read_marks(path).layers == layers
    assert marks.line().startswith(f"marked: {', '.join(layers)}")
    assert np.array_equal(pictures(path), before), "every frame is as it was"
    assert (marks.left_out == ()) == (suffix != ".mkv")


def test_xmp_is_a_box_at_the_end_and_not_written_twice(make_clip: ClipMaker, tmp_path: Path) -> None:
    path = clip_with_tag(make_clip, tmp_path, ".mp4")
    mark_result(path)
    mark_result(path)
    content = path.read_bytes()
    assert content.count(SOURCE_TYPE.encode() + b"</Iptc4xmpExt:DigitalSourceType>") == 1
    assert list(top_level_boxes(content))[-1].kind == b"uuid"
    assert list(top_level_boxes(content))[-1].end == len(content)


def test_one_changed_byte_shows(make_clip: ClipMaker, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    path = clip_with_tag(make_clip, tmp_path, ".mp4")
    mark_result(path)
    content = bytearray(path.read_bytes())
    box = next(box for box in top_level_boxes(bytes(content)) if box.kind == b"mdat")
    content[(box.payload + box.end) // 2] ^= 1
    path.write_bytes(content)
    marks = read_marks(path)
    assert marks.credentials == "changed"
    assert marks.layers == ["tag", "XMP"]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_that_are_shown(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("c2pa")
    path = tmp_path / f"still{suffix}"
    cv2.imencode(suffix, PICTURE)[1].tofile(path)
    before = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert mark_result(path).layers == ["XMP", "Content Credentials"]
    assert np.array_equal(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR), before)


def test_merged_pictures() -> None:
    content = mark_png(cv2.imencode(".png", PICTURE)[1].tobytes())
    assert np.array_equal(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED), PICTURE)
    place, kinds = 8, []
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        body = content[place + 4 : place + 8 + length]
        assert zlib.crc32(body) == struct.unpack(">I", content[place + 8 + length : place + 12 + length])[0]
        kinds.append(kind)
        if kind == b"iTXt":
            assert body[4:].startswith(b"XML:com.adobe.xmp\0\0\0\0\0<?xpacket")
            assert SOURCE_TYPE.encode() in body
        place += 12 + length
    assert kinds[:2] == [b"IHDR", b"iTXt"]
    assert kinds.count(b"iTXt") == 1


def test_only_png_is_a_merged_picture() -> None:
    with pytest.raises(UserError, match="not a PNG"):
        mark_png(b"\xff\xd8\xff")


def test_unmarked_files_have_no_marks(make_clip: ClipMaker, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    for path in (make_clip("plain.mp4"), text, empty):
        assert read_marks(path).layers == []
        assert read_marks(path).line() == "not marked"


def test_without_the_extra_tag_and_xmp_are_written(make_clip: ClipMaker, tmp_path: Path) -> None:
    path = clip_with_tag(make_clip, tmp_path, ".mp4")
    script = (
        "import sys; sys.modules['c2pa'] = None; from pathlib import Path; from dfl.video.marking import mark_result;"
        "print(mark_result(Path(sys.argv[1])).line().encode('ascii', 'replace').decode())"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, check=True, text=True)
    expected = 'marked: tag, XMP (left out: Content Credentials: install "dfl[credentials]" to sign results)'
    assert done.stdout.strip() == expected


def test_a_failure_is_told_and_ends_nothing(
    make_clip: ClipMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip_with_tag(make_clip, tmp_path, ".mp4")
    blocked = tmp_path / "a file"
    blocked.write_text("where the key's folder should be")
    monkeypatch.setenv("DFL_CONFIG", str(blocked))
    before = path.stat().st_size
    marks = mark_result(path)
    assert marks.layers == ["tag", "XMP"]
    assert marks.left_out[0].startswith("Content Credentials: ")
    assert path.stat().st_size > before


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_looked_at(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\0\0\0\x10ftypisom\0\0\0\0"):
        path = folder / "any.bin"
        path.write_bytes(start + content)
        assert read_marks(path).layers == []
    shutil.rmtree(folder)
