"""The type of a file that is no video, and whether a file is truncated: by its bytes, whatever its name."""

import mmap
from dataclasses import dataclass
from pathlib import Path

from dfl.video.boxes import top_level_boxes

_PROBED_BYTES = 65536  # at a file's start and end
_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"avif")  # ISO 23008-12: one picture; sequences have others
_PICTURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"8BPS", "PSD"),
    (b"\x76\x2f\x31\x01", "EXR"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
)
_OTHERS = (
    (b"#EXTM3U", "a playlist, which only names the files of a video", "Download the video that it stands for"),
    (b"<?xml", "a text (XML)", "Download the video that it stands for"),
    (b"<!doctype html", "a web page", "The download went wrong: save the video itself"),
    (b"<html", "a web page", "The download went wrong: save the video itself"),
    (b"PK\3\4", "an archive (zip)", "Unpack it"),
    (b"Rar!", "an archive (rar)", "Unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z)", "Unpack it"),
    (b"\x1f\x8b", "an archive (gzip)", "Unpack it"),
    (b"%PDF", "a PDF", "Choose a video"),
    (b"MZ", "a program", "Choose a video"),
    (b"d8:announce", "a torrent, which only names a video", "Download the video that it stands for"),
)


@dataclass(frozen=True)
class FileKind:
    """What a file is, such as "a picture (PNG)", and what to do where a video is wanted."""

    text: str
    todo: str
    is_picture: bool = False


def file_kind(path: Path) -> FileKind | None:
    """What a file is that is certainly no video: a picture, a playlist, an archive, a text; None for all others.

    OSError when it cannot be read.
    """
    with path.open("rb") as handle:
        start = handle.read(_PROBED_BYTES)
    picture = _picture(start)
    if picture:
        todo = "Convert an animated picture to mp4 first" if picture.startswith("animated") else "Choose a video"
        todo += "; pictures that are to be frames go into the folder data_src or data_dst."
        return FileKind(f"a picture ({picture})", todo, is_picture=True)
    begin = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for first, text, todo in _OTHERS:
        if begin.startswith(first.lower()):
            return FileKind(text, f"{todo}.")
    if start and not start.strip(b"\0"):
        return FileKind("nothing but zeros", "Its content was lost: copy or download it again.")
    return FileKind("a text", "Choose a clip that plays in a video player.") if _is_text(start) else None


def _picture(start: bytes) -> str:
    """The kind of picture; empty for all else, and for an animated PNG, which can be played as video."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "animated WebP" if start[12:16] == b"VP8X" and start[20] & 2 else "WebP"  # flags of the format's VP8X
    if start[4:8] == b"ftyp" and start[8:12] in _STILL_BRANDS:
        return "AVIF" if start[8:12] == b"avif" else "HEIC"
    found = next((name for first, name in _PICTURES if start.startswith(first)), "")
    return "" if found == "PNG" and b"acTL" in start else found


def _is_text(start: bytes) -> bool:
    text = start[:4096].decode("utf-8", "replace").rstrip("\ufffd")  # a letter may be cut in two at the end
    return bool(text) and all(
        letter.isprintable() or letter in "\t\r\n\ufeff" for letter in text.replace("\ufffd", "\0")
    )


def ends_early(path: Path) -> bool:
    """Whether a file lacks its end, where its type shows that: mp4 and mov, mkv and webm, avi, PNG, JPEG.

    OSError when it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        start = handle.read(_PROBED_BYTES)
        handle.seek(max(0, size - _PROBED_BYTES))
        end = handle.read()
        if start.startswith(b"\x89PNG"):
            return b"IEND" not in end
        if start.startswith(b"\xff\xd8\xff"):
            return b"\xff\xd9" not in end
        if start[:4] == b"RIFF":
            return 8 + int.from_bytes(start[4:8], "little") > size
        if start.startswith(b"\x1a\x45\xdf\xa3"):
            return _segment_end(start) > size
        if start[4:8] != b"ftyp":
            return False
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            boxes = list(top_level_boxes(content))
    return not boxes or boxes[-1].end < size or b"moov" not in {box.kind for box in boxes}


def _segment_end(start: bytes) -> int:
    """Where the segment of a Matroska file ends (RFC 9559); 0 where it does not say."""
    offset, header = _number(start, 4)
    offset += header
    if start[offset : offset + 4] != b"\x18\x53\x80\x67":
        return 0
    offset, length = _number(start, offset + 4)
    return offset + length


def _number(content: bytes, offset: int) -> tuple[int, int]:
    """A number of EBML (RFC 8794, 4): where it ends, and its value, 0 where all its bits are set (not known)."""
    width = 9 - content[offset : offset + 1].ljust(1, b"\1")[0].bit_length()
    most = (1 << 7 * width) - 1
    value = int.from_bytes(content[offset : offset + width], "big") & most
    return offset + width, 0 if value == most else value
