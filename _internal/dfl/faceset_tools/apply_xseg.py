"""The stage xseg-apply: write the masks that a trained XSeg model predicts into the face data of a faceset.

Pictures are read and masks written in threads while the network works on batches. Every face notes which model
made its mask, so that a stopped run goes on, and a model that was trained further makes the masks again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import FloatPicture, Matrix, Picture
from dfl.base.processes import worker_count
from dfl.base.report import Failures, Report
from dfl.base.threads import in_order
from dfl.data.fitting_faces import report_narrow
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.faceset.change_metadata import MetadataChanges
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.faceset import FaceFile
from dfl.faceset.segmentation import encode_mask
from dfl.faceset_tools.options import XsegApplyOptions
from dfl.faceset_tools.xseg_labels import DRAWN_BY, editable_faces
from dfl.interop.offer import offer_import
from dfl.models.checkpoint import model_folder, peek
from dfl.models.device import ask_device, use_device
from dfl.models.engine import start_engine
from dfl.models.kinds import XSEG
from dfl.models.open_model import open_xseg
from dfl.workspace import Workspace

Mask = NDArray[np.float32]  # (R, R), 0..1
# Size of a mask in face data, as in the original.
MASK_SIZE = 256
_FACES_PER_BATCH = 8
_BATCHES_AHEAD = 3


class MaskModel(Protocol):
    """A trained XSeg model. predict: (N, R, R, 3) float32 BGR 0..1 to (N, R, R, 1)."""

    @property
    def face_type(self) -> FaceType: ...
    @property
    def resolution(self) -> int: ...
    def predict(self, faces: NDArray[np.float32], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class MaskOutcome:
    """A face whose mask was written, or why it was not."""

    face: FaceFile
    error: Exception | None = None


def run(workspace: Workspace, options: XsegApplyOptions, report: Report) -> None:
    """Draw the masks of a side's faces; a second run draws those that are missing, or that another model drew."""
    models = options.models or workspace.model
    faces = editable_faces(workspace, options.side, report)
    if options.models is None:
        offer_import(workspace, XSEG, (XSEG,), options.ask, "Or train a new one: move its files away first.", report)
    use_device(ask_device(workspace.answers, "xseg-apply", options.device, options.ask, report))
    model = open_xseg(models, options.engine, report)
    report.line(str(start_engine(options.engine)))
    drawn_by = str(peek(model_folder(models, XSEG, XSEG))["files"]["weights.safetensors"]["sha256"])[:16]
    due = [face for face in faces if not _is_drawn(face.metadata, drawn_by)]
    if len(due) < len(faces):
        report.line(f"{len(faces) - len(due)} of {len(faces)} faces have this model's mask already.")
    report.line(f"XSeg, iteration {model.iteration}, {model.face_type.file_name}: {len(due)} faces of {options.side}.")
    report_narrow(due, model.face_type, "XSeg sees black beyond their edge: look at their masks.", report)
    failures = Failures(report)
    outcomes = apply(due, model, MetadataChanges(workspace.aligned(options.side)), drawn_by)
    for outcome in report.track(outcomes, "drawing masks", len(due)):
        if outcome.error:
            failures.add(outcome.face.name, f"{outcome.face.name} is left as it is: {_reason(outcome.error)}")
    failed = len(failures.names)
    text = f"{len(due) - failed} masks are in {workspace.aligned(options.side)}"
    report.done(text + (f"; {failed} failed." if failed else "."), drawn=len(due) - failed, failed=failed)


def _is_drawn(metadata: FaceMetadata, drawn_by: str) -> bool:
    return metadata.xseg_mask is not None and metadata.other.get(DRAWN_BY) == drawn_by


def _reason(error: Exception) -> str:
    return f"{error.what} {error.todo}" if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def apply(
    faces: Sequence[FaceFile], model: MaskModel, changes: MetadataChanges, drawn_by: str, workers: int = 0
) -> Iterator[MaskOutcome]:
    """Predict masks and write them; outcomes come in the faces' order.

    A face that cannot be read or written is an outcome with its error. A failing model ends the run.
    """

    def read(face: FaceFile) -> tuple[FaceFile, FloatPicture | Exception]:
        try:
            return face, model_input(face, model.face_type, model.resolution)
        except (UserError, OSError, ValueError, cv2.error) as error:
            return face, error

    def predicted() -> Iterator[tuple[FaceFile, Mask | Exception]]:
        shown = in_order(read, faces, workers=threads, ahead=_BATCHES_AHEAD * _FACES_PER_BATCH)
        while batch := list(islice(shown, _FACES_PER_BATCH)):
            pictures = [picture for _, picture in batch if not isinstance(picture, Exception)]
            masks = iter(model.predict(np.stack(pictures))[:, :, :, 0] if pictures else ())
            for face, picture in batch:
                yield face, picture if isinstance(picture, Exception) else next(masks)

    def write(task: tuple[FaceFile, Mask | Exception]) -> MaskOutcome:
        face, mask = task
        if isinstance(mask, Exception):
            return MaskOutcome(face, mask)
        try:
            _write(face, mask, model.face_type, changes, drawn_by)
        except (OSError, ValueError, cv2.error) as error:
            return MaskOutcome(face, error)
        except UserError as error:
            if "disk is full" in error.what:
                raise
            return MaskOutcome(face, error)
        return MaskOutcome(face)

    threads = worker_count(workers, most=4)
    try:
        yield from in_order(write, predicted(), workers=threads, ahead=2 * _FACES_PER_BATCH)
    finally:
        changes.finish()


def model_input(face: FaceFile, face_type: FaceType, size: int) -> FloatPicture:
    """The input of a model of `face_type`: (size, size, 3) float32 BGR 0..1, as in training.

    What the picture does not show of a larger face type is black. UserError for a picture that is damaged or not
    square, and for one without a face square (mark_only).
    """
    picture: Picture = face.read_picture()
    if picture.shape[0] != picture.shape[1]:
        raise UserError(f"{face.display_path} is not square: it is no aligned face.", "Move it out of the faceset.")
    square = (size, size)
    shown: Any = picture
    if face.metadata.face_type is not face_type:
        matrix = alignment_matrix(face.metadata.landmarks, size, face_type)
        shown = cv2.warpAffine(picture, matrix, square, flags=cv2.INTER_LANCZOS4)
    elif picture.shape[0] != size:
        shown = cv2.resize(picture, square, interpolation=cv2.INTER_LANCZOS4)
    return np.asarray(shown, np.float32) / np.float32(255)


def mask_of_picture(metadata: FaceMetadata, picture_size: int, mask: Mask, face_type: FaceType) -> NDArray[np.float32]:
    """A model's mask in the form of face metadata: (256, 256) float32, 0 or 1, of the whole picture.

    Outside the model's input the mask is 0.
    """
    size = len(mask)
    found: Any = mask
    if metadata.face_type is not face_type:
        # Picture pixels to the model's; then from mask pixels, of which there are 256 x 256.
        to_model = alignment_matrix(metadata.landmarks, size, face_type)
        to_model = (np.vstack([to_model, (0, 0, 1)]) @ _half_pixel_scaling(picture_size / MASK_SIZE))[:2]
        found = _warped_back(mask, to_model)
    elif size != MASK_SIZE:
        found = cv2.resize(mask, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_CUBIC)
    return np.where(found >= 0.5, np.float32(1), np.float32(0))


def _half_pixel_scaling(scale: float) -> NDArray[np.float64]:
    """(3, 3) map of pixels of a resized picture to the original's, whose corners, not first pixels, coincide."""
    shift = (scale - 1) / 2
    return np.array([(scale, 0, shift), (0, scale, shift), (0, 0, 1)])


def _warped_back(mask: Mask, matrix: Matrix) -> NDArray[np.float32]:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(mask, matrix, (MASK_SIZE, MASK_SIZE), flags=flags), np.float32)


def _write(face: FaceFile, mask: Mask, face_type: FaceType, changes: MetadataChanges, drawn_by: str) -> None:
    metadata = face.metadata
    encoded = encode_mask(mask_of_picture(metadata, face.shape[0], mask, face_type))
    changes.write(face, replace(metadata, xseg_mask=encoded, other=metadata.other | {DRAWN_BY: drawn_by}))
