"""The stage export-mask: the face's mask of every aligned picture as a picture of its own."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import encode_picture
from dfl.base.report import Report
from dfl.base.wording import first_few
from dfl.faces.masks import hull_mask
from dfl.faceset.faceset import FaceFile, list_faceset, no_faces
from dfl.faceset.segmentation import decode_mask, draw_polygons
from dfl.faceset_tools.face_export import export_faces
from dfl.faceset_tools.options import ExportMaskOptions, MaskSource
from dfl.workspace import Workspace

_ENDING = "_mask.jpg"
_QUALITY = 100


def run(workspace: Workspace, options: ExportMaskOptions, report: Report) -> None:
    """Write the masks of a side's faces; see `dfl export-mask --help`."""
    aligned = workspace.aligned(options.side)
    faces = list_faceset(aligned, report)
    if not faces:
        raise no_faces(aligned, f"Run extract-faces {options.side} first.")
    folder = aligned.with_name(f"{aligned.name}_mask")
    exported = export_faces(faces, folder, _ENDING, partial(_encoded_mask, source=options.source), report)
    text = f"{len(exported.paths)} masks in {folder}"
    if exported.skipped:
        names = first_few(exported.skipped)
        text += f"; {len(exported.skipped)} faces have none ({names}): `--source hull` draws theirs"
    text += f"; {len(exported.failed)} failed" if exported.failed else ""
    report.done(f"{text}.", made=len(exported.paths), without=len(exported.skipped), failed=len(exported.failed))


def _encoded_mask(face: FaceFile, source: MaskSource) -> bytes | None:
    mask = stored_mask(face, source)
    return None if mask is None else encode_picture(mask, ".jpg", _QUALITY)


def stored_mask(face: FaceFile, source: MaskSource) -> NDArray[np.uint8] | None:
    """The mask, (H, W) uint8, 0 or 255; None when the face has none. UserError when it is damaged.

    auto: the trained mask, which keeps its own size, else the drawn polygons; hull: the landmarks' area.
    """
    metadata, shape = face.metadata, face.shape[:2]
    if source == "hull":
        mask = hull_mask(shape, metadata.landmarks, metadata.eyebrows_expand_mod)
    elif metadata.xseg_mask is not None:
        mask = decode_mask(metadata.xseg_mask, face.display_path)
    elif metadata.polygons:
        mask = draw_polygons(shape, metadata.polygons)
    else:
        return None
    return np.where(mask[:, :, 0] >= 0.5, 255, 0).astype(np.uint8)
