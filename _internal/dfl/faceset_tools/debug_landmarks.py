"""The stage debug-landmarks: every aligned picture with its landmarks and face area drawn in."""

import numpy as np

from dfl.base.files import move_into
from dfl.base.listing import list_pictures
from dfl.base.pictures import Picture, encode_picture
from dfl.base.report import Report
from dfl.faces.draw import draw_landmarks
from dfl.faces.masks import hull_mask
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.faceset import FaceFile, list_faceset, no_faces
from dfl.faceset_tools.face_export import export_faces
from dfl.faceset_tools.options import DebugLandmarksOptions
from dfl.workspace import Workspace

_ENDING = "_debug.jpg"
_QUALITY = 50


def run(workspace: Workspace, options: DebugLandmarksOptions, report: Report) -> None:
    """Draw the landmarks of a side's faces; see `dfl debug-landmarks --help`."""
    aligned = workspace.aligned(options.side)
    faces = list_faceset(aligned, report)
    if not faces:
        raise no_faces(aligned, f"Run extract-faces {options.side} first.")
    folder = aligned.with_name(f"{aligned.name}_debug_landmarks")
    exported = export_faces(faces, folder, _ENDING, _drawn, report)
    old = {path for path in list_pictures(folder) if path.name.endswith(_ENDING)} - set(exported.paths)
    for path in old:  # of faces that are gone
        move_into(exported.earlier, path)
    gone = f"; {len(old)} of faces that are gone are in {exported.earlier}" if old else ""
    report.done(f"{len(exported.paths)} pictures with landmarks in {folder}{gone}.", made=len(exported.paths))


def _drawn(face: FaceFile) -> bytes:
    return encode_picture(draw_on_face(face.read_picture(), face.metadata), ".jpg", _QUALITY)


def draw_on_face(picture: Picture, metadata: FaceMetadata) -> Picture:
    """A copy of an aligned picture, (N, N, 3) uint8 BGR, its face area at half brightness, landmarks on it."""
    area = hull_mask(picture.shape[:2], metadata.landmarks, metadata.eyebrows_expand_mod) > 0
    drawn = np.where(area, picture // 2, picture)
    draw_landmarks(drawn, metadata.landmarks)
    return drawn
