"""The pretraining set: faces of very many people, more than the two sides have; little of each stays in memory."""

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
    """A face whose metadata lack what samples do not need, and its mask: that is read again with the picture."""

    has_mask: bool = False


def load_pretraining_faces(place: Path, report: Report) -> list[FaceFile]:
    """The faces of a folder and its sub-folders (one for each person), or of a pack; 2 KB of memory a face.

    place: such a folder, one that holds a faceset.pak, or a pack of any name. `report` shows how far, and is told what
    is left out. UserError when there are no faces.
    """
    if place.is_file():
        folders = [place]
    elif place.is_dir():
        folders = [place, *list_folders(place)]
    else:
        raise UserError(f"There is no {place}.", "Name a folder of aligned faces, or a faceset.pak.")
    faces: list[FaceFile] = []
    for folder in folders:
        listing = _listed(folder, report)
        listing.report_problems(report)
        faces += listing.faces
    if not faces:
        raise UserError(
            f"There are no faces in {place}.",
            "Name a folder of aligned faces, one with such a folder for each person, or a faceset.pak.",
        )
    return faces


def _listed(place: Path, report: Report) -> Listing:
    """The faces of one folder, or of one pack."""
    pak = place if place.is_file() else place / FACESET_PAK
    is_packed = pak.is_file()
    total = None if is_packed else len(list_pictures(place))
    if total == 0:
        return Listing(place)
    with report.progress(f"Read faces of {place.name}", total) as progress:

        def keep(face: FaceFile) -> FaceFile:
            progress.advance()
            return _lean(face)

        return list_packed(pak, keep) if is_packed else list_pictures_with_data(place, keep)


def _lean(face: FaceFile) -> LeanFace:
    """The face without its mask, its place in the frame, and everything else that samples do not look at."""
    metadata = face.metadata
    # Only a JPEG surely carries its mask itself.
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
    """What a sample is made of: picture (S, S, 3) uint8 BGR, and metadata with the mask. UserError when damaged."""
    content = face.read_content()
    metadata = face.metadata
    if isinstance(face, LeanFace) and face.has_mask:
        metadata = read_metadata(content, face.location) or metadata
    return decode_picture(content, face.location), metadata
