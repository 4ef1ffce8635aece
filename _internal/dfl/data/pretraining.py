"""The pretraining set: very many faces of many people, so only the metadata that samples need stay in memory."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dfl.base import jpeg
from dfl.base.errors import UserError
from dfl.base.listing import list_folders, list_pictures
from dfl.base.pictures import Picture, decode_picture
from dfl.base.report import Report
from dfl.faceset.aligned_face import read_metadata
from dfl.faceset.face_metadata import SHOWN_TYPE, FaceMetadata
from dfl.faceset.faceset import FaceFile, Listing, list_packed, list_pictures_with_data
from dfl.workspace import FACESET_PAK

_NOWHERE = np.zeros(4, np.int64)
_NO_POINTS = np.zeros((0, 2), np.float32)


@dataclass(frozen=True, eq=False)
class LeanFace(FaceFile):
    """A face with reduced metadata, only what samples need.

    has_mask: its XSeg mask was dropped as well and is read again with the picture.
    """

    has_mask: bool = False


def load_pretraining_faces(path: Path, report: Report) -> list[FaceFile]:
    """The faces of a folder and its sub-folders (one for each person), or of a pack; 2 KB of memory a face.

    path: such a folder, one that holds a faceset.pak, or a pack of any name. `report` gets the progress and the files
    that are left out. UserError when there are no faces.
    """
    if path.is_file():
        folders = [path]
    elif path.is_dir():
        folders = [path, *list_folders(path)]
    else:
        raise UserError(f"There is no {path}.", "Name a folder of aligned faces, or a faceset.pak.")
    faces: list[FaceFile] = []
    for folder in folders:
        listing = _listed(folder, report)
        listing.report_problems(report)
        faces += listing.faces
    if not faces:
        raise UserError(
            f"There are no faces in {path}.",
            "Name a folder of aligned faces, one with such a folder for each person, or a faceset.pak.",
        )
    return faces


def _listed(path: Path, report: Report) -> Listing:
    """The faces of one folder, or of one pack."""
    pak = path if path.is_file() else path / FACESET_PAK
    is_packed = pak.is_file()
    total = None if is_packed else len(list_pictures(path))
    if total == 0:
        return Listing(path)
    with report.progress(f"Read faces of {path.name}", total) as progress:

        def reduce(face: FaceFile) -> FaceFile:
            progress.advance()
            return _lean(face)

        return list_packed(pak, reduce) if is_packed else list_pictures_with_data(path, reduce)


def _lean(face: FaceFile) -> LeanFace:
    """The face without its mask, its position in the frame, and all other metadata that samples do not need."""
    metadata = face.metadata
    # Only in a JPEG the metadata are certain to be in the file itself, to be read again with the picture.
    is_jpeg = face.name.lower().endswith(jpeg.SUFFIXES)
    lean = replace(
        metadata,
        source_filename="",
        source_rect=_NOWHERE,
        source_landmarks=_NO_POINTS,
        image_to_face_mat=None,
        polygons=(),
        xseg_mask=None if is_jpeg else metadata.xseg_mask,
        other={key: value for key, value in metadata.other.items() if key == SHOWN_TYPE},
    )
    return LeanFace(face.path, lean, face.shape, face.member, has_mask=is_jpeg and metadata.xseg_mask is not None)


def picture_and_metadata(face: FaceFile) -> tuple[Picture, FaceMetadata]:
    """A face's picture (S, S, 3) uint8 BGR, and its metadata with the mask. UserError when damaged."""
    content = face.read_content()
    metadata = face.metadata
    if isinstance(face, LeanFace) and face.has_mask:
        metadata = read_metadata(content, face.display_path) or metadata
    return decode_picture(content, face.display_path), metadata
