"""A faceset: the aligned pictures of a folder, or of the pack in it, listed by their headers alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from dfl.base.errors import UserError
from dfl.base.files import read_bytes, reading
from dfl.base.jpeg import is_jpeg
from dfl.base.listing import list_pictures
from dfl.base.pictures import Picture, decode_picture
from dfl.base.report import Report
from dfl.base.wording import first_few
from dfl.faceset.aligned_face import jpeg_shape, read_metadata
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.pak_format import MAX_PICTURE_BYTES, Member, read_member, read_members
from dfl.faceset.png_faces import picture_size, read_old_png
from dfl.faceset.rename import finish_renaming
from dfl.faceset.sidecar import Sidecar, read_index
from dfl.workspace import FACESET_INDEX, FACESET_PAK, META_DAT, Side

# Metadata and the picture's size are in the first few kilobytes of an aligned picture, if it carries no mask.
_HEAD_BYTES = 16384
_MAX_HEAD_BYTES = 2**21
_END_OF_PICTURE = b"\xff\xd9"
_WITH_SIDECAR = (".png", ".webp")
_RESTORE = "Run restore-metadata."
_RENAMED = "If they were renamed, run restore-metadata: it recognises them by their content."


@dataclass(frozen=True, eq=False)
class FaceFile:
    """An aligned picture that was not decoded. shape: height, width, channels.

    path: the picture's file, or the pack that it is in; then `member` says where.
    """

    path: Path
    metadata: FaceMetadata
    shape: tuple[int, int, int]
    member: Member | None = None

    @property
    def name(self) -> str:
        """The file's name, without the folder. In a faceset of several persons two faces may have one name."""
        return self.member.name if self.member else self.path.name

    @property
    def person(self) -> str | None:
        """Whose face it is, in a packed faceset of several persons."""
        return self.member.person if self.member else None

    @property
    def display_path(self) -> str:
        """Path, and in a pack also the member; unique, used in messages and as a key."""
        return f"{self.path}: {self.member.label}" if self.member else str(self.path)

    def read_content(self) -> bytes:
        """The picture's file, byte for byte. UserError when it cannot be read."""
        if self.member:
            return read_member(self.path, self.member)
        return read_bytes(self.path)

    def read_picture(self) -> Picture:
        """The picture: (N, N, 3) uint8 BGR. UserError when it is damaged."""
        return decode_picture(self.read_content(), self.display_path)


def check_is_unpacked(aligned: Path, side: Side) -> None:
    """UserError for a packed faceset: its faces are no files, and files beside the pack are not used."""
    if (aligned / FACESET_PAK).is_file():
        raise UserError(
            f"The faceset in {aligned} is packed: its faces are in {FACESET_PAK}.", f"Run `dfl unpack {side}` first."
        )


def no_faces(folder: Path, todo: str) -> UserError:
    """Why a folder has no faces, and the way out; `todo` is it where there are no pictures either."""
    pak = folder / FACESET_PAK
    return (list_packed(pak) if pak.is_file() else list_pictures_with_data(folder)).no_faces_error(todo)


# What a listing keeps of each face: all, or less of its data where there are many.
Keep = Callable[[FaceFile], FaceFile]


@dataclass(eq=False)
class Listing:
    """The pictures of a folder: faces; names of those without face data, of those that lost them; damaged ones."""

    folder: Path
    faces: list[FaceFile] = field(default_factory=list)
    without_data: list[str] = field(default_factory=list)
    lost_data: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def report_problems(self, report: Report) -> None:
        """Warn of what is left out, and say what to do about it."""
        for count, names, why, todo in self._without():
            report.warn(f"{self.folder}: {count} pictures {why} and are left out: {names}. {todo}".rstrip())
        if self.lost_data:
            count, names = len(self.lost_data), _some(self.lost_data)
            report.warn(f"{self.folder}: {count} pictures lost their face data; run restore-metadata: {names}")
        if self.damaged:
            count, names = len(self.damaged), _some(self.damaged)
            report.warn(f"{self.folder}: {count} pictures are damaged and are left out: {names}")

    def no_faces_error(self, todo: str) -> UserError:
        """Why there are no faces: what is wrong with the pictures that are there; `todo` helps where there are none."""
        if self.lost_data:
            return UserError(f"The {len(self.lost_data)} pictures in {self.folder} lost their face data.", _RESTORE)
        for count, names, why, mend in self._without():
            return UserError(f"{self.folder} holds no faces: {count} pictures {why} ({names}).", mend or todo)
        if self.damaged:
            return UserError(f"{self.folder} holds no faces but damaged ones: {_some(self.damaged)}", todo)
        return UserError(f"There are no faces in {self.folder}.", todo)

    def _without(self) -> Iterator[tuple[int, str, str, str]]:
        """Pictures without face data by kind: how many, some names, what is wrong, and what to do about it."""
        kinds: dict[bool, list[str]] = {}
        for name in self.without_data:
            kinds.setdefault(name.lower().endswith(_WITH_SIDECAR), []).append(name)
        for is_beside, names in sorted(kinds.items(), reverse=True):
            if not is_beside:
                todo = _RESTORE if (self.folder / META_DAT).is_file() else ""
                yield len(names), _some(names), "carry no face data", todo
            elif (self.folder / FACESET_INDEX).is_file():
                yield (
                    len(names),
                    _some(names),
                    f"are not named in {FACESET_INDEX}, where PNG and WebP have theirs",
                    _RENAMED,
                )
            else:
                why = f"lack {FACESET_INDEX} beside them, where PNG and WebP have their face data"
                yield len(names), _some(names), why, f"Put {FACESET_INDEX} back from where the pictures came."


def list_faceset(folder: Path, report: Report | None = None) -> list[FaceFile]:
    """The faces of a folder: those in its faceset.pak, in the pack's order, else its aligned pictures, sorted by name.

    Pictures without face data and damaged ones are left out, with a warning in `report`. UserError when the
    pack cannot be read at all.
    """
    finish_renaming(folder, report)
    pak = folder / FACESET_PAK
    if not pak.is_file():
        listing = list_pictures_with_data(folder)
    else:
        listing = list_packed(pak)
        loose = len(list_pictures(folder))
        if report and loose:
            report.warn(f"{folder}: {FACESET_PAK} is used; the {loose} pictures beside it are not.")
    if report:
        listing.report_problems(report)
    return listing.faces


def list_pictures_with_data(folder: Path, keep: Keep = lambda face: face) -> Listing:
    """The faces that lie in a folder as files, whether there is a pack or not."""
    listing, index = Listing(folder), _LazyIndex(folder)
    for path in list_pictures(folder):
        try:
            face = read_face_file(path, index.get)
            if face:
                listing.faces.append(keep(face))
            else:
                (listing.lost_data if path.name in index.get() else listing.without_data).append(path.name)
        except UserError as error:
            listing.damaged.append(error.what)
    listing.damaged += index.problems
    return listing


def list_packed(pak: Path, keep: Keep = lambda face: face) -> Listing:
    """The faces in a pack. UserError when the pack cannot be read."""
    listing = Listing(pak)
    members = read_members(pak)
    with pak.open("rb") as file:
        for member in members:
            try:
                found = _read_head(_Reader(file, member, pak), Sidecar.empty)
                if found:
                    listing.faces.append(keep(FaceFile(pak, *found, member)))
                else:
                    listing.without_data.append(member.label)
            except UserError as error:
                listing.damaged.append(error.what)
    return listing


def read_face_file(path: Path, index: Callable[[], Sidecar] | None = None) -> FaceFile | None:
    """The header of an aligned picture; None when it carries no face data. UserError when it is damaged.

    index: reads the folder's faceset.json; it is called for PNG and WebP only.
    """
    with reading(path), path.open("rb") as file:
        found = _read_head(_Reader(file, None, path), index or (lambda: read_index(path.parent)))
    return FaceFile(path, *found) if found else None


class _LazyIndex:
    """A folder's faceset.json, read when it is first needed. A damaged one counts as empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index: Sidecar | None = None
        self.problems: list[str] = []

    def get(self) -> Sidecar:
        if self._index is None:
            try:
                self._index = read_index(self._folder)
            except UserError as error:
                self._index = Sidecar.empty()
                self.problems.append(error.what)
        return self._index


@dataclass(frozen=True)
class _Reader:
    """The first bytes of a picture, which is a file of its own or a member of a pack."""

    file: BinaryIO
    member: Member | None
    path: Path

    @property
    def display_path(self) -> str:
        return f"{self.path}: {self.member.label}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        return self.member.name if self.member else self.path.name

    def read(self, count: int) -> bytes:
        self.file.seek(self.member.offset if self.member else 0)
        return self.file.read(min(count, self.member.length) if self.member else count)


def _read_head(reader: _Reader, index: Callable[[], Sidecar]) -> tuple[FaceMetadata, tuple[int, int, int]] | None:
    """Face data and (height, width, channels) of a picture; None when it carries none."""
    head = reader.read(_HEAD_BYTES)
    if not is_jpeg(head):
        return _read_other(reader, head, index)
    try:
        # The JPEG reader needs an end of the picture; only the segments before the coded picture matter here.
        return _read_jpeg(head + _END_OF_PICTURE, reader.display_path)
    except UserError:
        # A long header, or a damaged one.
        return _read_jpeg(reader.read(_MAX_HEAD_BYTES) + _END_OF_PICTURE, reader.display_path)


def _read_jpeg(content: bytes, display_path: str) -> tuple[FaceMetadata, tuple[int, int, int]] | None:
    metadata = read_metadata(content, display_path)
    return (metadata, jpeg_shape(content, display_path)) if metadata else None


def _read_other(
    reader: _Reader, head: bytes, index: Callable[[], Sidecar]
) -> tuple[FaceMetadata, tuple[int, int, int]] | None:
    """PNG and WebP: their face data are in faceset.json; those of old PNGs in the file."""
    entry = index().get(reader.name)
    metadata = entry.metadata if entry else read_old_png(reader.read(MAX_PICTURE_BYTES), reader.display_path)
    if metadata is None:
        return None
    shape = (*picture_size(head, reader.display_path), 3)
    if entry and entry.shape[:2] != shape[:2]:
        raise UserError(
            f"{reader.display_path} is {shape[1]} x {shape[0]} pixels, its face data are for {entry.shape[1]} x "
            f"{entry.shape[0]}.",
            "Run restore-metadata.",
        )
    return metadata, shape


def _some(texts: list[str]) -> str:
    return first_few(texts, "; ")
