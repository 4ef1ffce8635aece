"""Marks of results as AI-altered: a tag, an XMP packet and signed Content Credentials (C2PA).

The EU AI Act, Art. 50(2), asks for a machine-readable mark since August 2026. The value is IPTC's digital source type.
The XMP packet goes first and the signature last: any byte changed after signing makes the signature invalid.
"""

import mmap
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from dfl.base import jpeg
from dfl.base.errors import UserError
from dfl.base.files import write_bytes
from dfl.video import credentials
from dfl.video.boxes import find_uuid_box, top_level_boxes, uuid_box
from dfl.video.read_clip import open_clip

COMMENT = "Contains AI-altered faces"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
XMP_BOX = UUID("BE7ACFCB-97A9-42E8-9C71-999491E3AFAC")  # of XMP in ISO media files (XMP specification, part 3)
C2PA_BOX = UUID("D8FEC3D6-1B0E-483C-9297-5828877EC481")
_BOX_SUFFIXES = (".mp4", ".mov", ".m4v")
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_END = 33  # signature and IHDR
_PNG_KEYWORD = b"XML:com.adobe.xmp"
_JPEG_KEYWORD = b"http://ns.adobe.com/xap/1.0/\0"
_APP1 = 0xE1
_XMP_LIMIT = 2**20  # bytes of a packet that are read
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
).encode()
_SOURCE_TYPE_IN_XMP = re.compile(rb"DigitalSourceType\s*(?:>|=\s*[\"']|[^>]*rdf:resource=[\"'])\s*([^<\"'\s]+)")


@dataclass(frozen=True)
class Marks:
    """What a file says about itself. `source_type` is what its XMP names, empty without one."""

    tag: str
    source_type: str
    credentials: Literal["valid", "changed", "none", "unknown"]
    left_out: tuple[str, ...] = ()  # what could not be written, in words

    @property
    def layers(self) -> list[str]:
        """The marks that are there and whole, by name."""
        found = (
            ("tag", COMMENT in self.tag),
            ("XMP", self.source_type == SOURCE_TYPE),
            ("Content Credentials", self.credentials == "valid"),
        )
        return [name for name, is_there in found if is_there]

    def line(self) -> str:
        """One line for people."""
        text = f"marked: {', '.join(self.layers)}" if self.layers else "not marked"
        return f"{text} (left out: {'; '.join(self.left_out)})" if self.left_out else text


def mark_result(path: Path, source: Path | None = None, signer: credentials.Signer | None = None) -> Marks:
    """Mark a finished video (mp4, mov, avi, mkv) or picture (png, jpg) in place and read the marks back.

    A video's tag is written by write_video. `source` is the clip that the result was made from; `signer` a studio's
    own certificate and key. Nothing here ends a run: what could not be written is named in `left_out`.
    """
    left_out = []
    try:
        _add_xmp(path)
    except (OSError, UserError) as error:
        left_out.append(f"XMP: {error.what if isinstance(error, UserError) else error}")
    try:
        credentials.sign(path, SOURCE_TYPE, source, signer)
    except credentials.CannotSign as reason:
        left_out.append(f"Content Credentials: {reason}")
    found = read_marks(path)
    return Marks(found.tag, found.source_type, found.credentials, tuple(left_out))


def mark_png(content: bytes) -> bytes:
    """A PNG file's bytes with the XMP packet in an uncompressed iTXt chunk, before the pixels. Costs one copy."""
    if not content.startswith(_PNG_START):
        raise UserError("A picture to be marked is not a PNG.", "Report this as a bug.")
    return b"".join((content[:_PNG_HEADER_END], _PNG_CHUNK, content[_PNG_HEADER_END:]))


def _png_chunk() -> bytes:
    """The iTXt chunk: keyword, not compressed, no language, no translated keyword, text (PNG 3rd edition, 11.3.3.4)."""
    data = b"iTXt" + _PNG_KEYWORD + b"\0\0\0\0\0" + XMP
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


_PNG_CHUNK = _png_chunk()


def _add_xmp(path: Path) -> None:
    """Put the XMP packet into a file of a kind that takes one; a file that has one is left as it is."""
    if _read_xmp(path):
        return
    suffix = path.suffix.lower()
    if suffix in _BOX_SUFFIXES:
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            boxes = list(top_level_boxes(mapped))
            # A last box of length 0 reaches to the end of the file, whatever is put behind it.
            last = boxes[-1].start if boxes else 0
            is_whole = bool(boxes) and boxes[-1].end == len(mapped) and mapped[last : last + 4] != bytes(4)
        if not is_whole:
            raise UserError(f"{path} is not a whole {suffix} file.", "Make it again.")
        with path.open("ab") as output:
            output.write(uuid_box(XMP_BOX, XMP))
    elif suffix == ".png":
        write_bytes(path, mark_png(path.read_bytes()))
    elif suffix in (".jpg", ".jpeg"):
        write_bytes(path, jpeg.with_payload(path.read_bytes(), _APP1, _JPEG_KEYWORD + XMP, str(path)))


def read_marks(path: Path) -> Marks:
    """What the marks of any file are. Never an error for a file that can be read: without marks it has none."""
    found = _SOURCE_TYPE_IN_XMP.search(_read_xmp(path))
    source_type = found[1].decode("utf-8", "replace") if found else ""
    return Marks(_read_tag(path), source_type, credentials.check(path))


def _read_tag(path: Path) -> str:
    """The container's tag `comment`; empty for pictures and for what libav cannot open."""
    try:
        with open_clip(path) as container:
            tags = {name.lower(): str(value) for name, value in container.metadata.items()}
    except UserError:
        return ""
    return tags.get("comment", "")


def _read_xmp(path: Path) -> bytes:
    """The XMP packet of a file, empty without one."""
    with path.open("rb") as handle:
        start = handle.read(16)
        if start.startswith(_PNG_START):
            return _read_png_xmp(path)
        if jpeg.is_jpeg(start):
            content = path.read_bytes()
            try:
                payloads = [content[part.start + 4 : part.end] for part in jpeg.segments(content, str(path))]
            except UserError:
                return b""
            return next((data[len(_JPEG_KEYWORD) :] for data in payloads if data.startswith(_JPEG_KEYWORD)), b"")
        if start[4:8] != b"ftyp":
            return b""
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return (find_uuid_box(mapped, XMP_BOX) or b"")[:_XMP_LIMIT]


def _read_png_xmp(path: Path) -> bytes:
    """The text of a PNG's XMP chunk; compressed chunks are not read."""
    content = path.read_bytes()
    offset = len(_PNG_START)
    while offset + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[offset : offset + 8])
        data = content[offset + 8 : offset + 8 + length]
        if kind == b"iTXt" and data.startswith(_PNG_KEYWORD + b"\0\0"):
            return data[len(_PNG_KEYWORD) + 3 :][:_XMP_LIMIT]
        offset += 12 + length
    return b""
