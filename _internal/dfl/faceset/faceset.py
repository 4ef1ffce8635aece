"""A faceset: the aligned pictures of a folder, listed by their headers alone."""

from dataclasses import dataclass
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.files import list_pictures
from dfl.base.pictures import Picture, decode_picture
from dfl.base.report import Report
from dfl.faceset.aligned_face import FaceMetadata, jpeg_shape, read_metadata

# Metadata and the picture's size stand in the first few kilobytes of an aligned picture, if it carries no mask.
_HEAD_BYTES = 16384
_END_OF_PICTURE = b"\xff\xd9"
_NAMED_FILES = 5


@dataclass(frozen=True, eq=False)
class FaceFile:
    """An aligned picture that was not decoded. shape: height, width, channels."""

    path: Path
    metadata: FaceMetadata
    shape: tuple[int, int, int]

    @property
    def name(self) -> str:
        """The file's name, without the folder."""
        return self.path.name

    def read_content(self) -> bytes:
        """The picture's file, byte for byte. UserError when it cannot be read."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}.", "Check that it may be read.") from error

    def read_picture(self) -> Picture:
        """The picture: (N, N, 3) uint8 BGR. UserError when it is damaged."""
        return decode_picture(self.read_content(), str(self.path))


def list_faceset(folder: Path, report: Report | None = None) -> list[FaceFile]:
    """The aligned pictures of a folder, sorted by name.

    Pictures without face data and damaged ones are left out; `report` is told how many and which.
    """
    faces: list[FaceFile] = []
    without_data: list[str] = []
    damaged: list[str] = []
    for path in list_pictures(folder):
        try:
            face = read_face_file(path)
        except UserError as error:
            damaged.append(error.what)
            continue
        if face is None:
            without_data.append(path.name)
        else:
            faces.append(face)
    if report and without_data:
        report.warn(
            f"{folder}: {len(without_data)} pictures carry no face data and are left out: {_some(without_data)}"
        )
    if report and damaged:
        report.warn(f"{folder}: {len(damaged)} pictures are damaged and are left out: {_some(damaged)}")
    return faces


def read_face_file(path: Path) -> FaceFile | None:
    """The header of an aligned picture; None when it carries no face data. UserError when it is damaged."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            try:
                # The reader wants to see the end of the picture; only the part before the coded picture matters here.
                return _face_file(path, head + _END_OF_PICTURE)
            except UserError:
                return _face_file(path, head + file.read())  # a long header, or a damaged one
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check that it may be read.") from error


def _face_file(path: Path, content: bytes) -> FaceFile | None:
    metadata = read_metadata(content, str(path))
    return FaceFile(path, metadata, jpeg_shape(content, str(path))) if metadata else None


def _some(texts: list[str]) -> str:
    more = len(texts) - _NAMED_FILES
    return "; ".join(texts[:_NAMED_FILES]) + (f"; and {more} more" if more > 0 else "")
