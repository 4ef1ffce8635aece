"""The stage xseg-apply: the masks that a trained XSeg model draws, into the face data of a faceset.

Pictures are read and masks written in threads while the network works on batches. Every face is noted with the model
that drew its mask, so that a stopped run goes on, and a model that learned on draws anew.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import FloatPicture, Matrix, Picture
from dfl.base.processes import worker_count
from dfl.base.report import Report
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
from dfl.models.engine import start_engine
from dfl.models.kinds import XSEG
from dfl.models.open_model import open_xseg
from dfl.workspace import Workspace

Mask = NDArray[np.float32]  # (R, R), 0..1
# A mask's side in face data, as the original has it.
MASK_SIDE = 256
_FACES_PER_BATCH = 8
_BATCHES_AHEAD = 3
_MAX_WARNINGS = 20


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
    model = open_xseg(models, options.engine, report)
    report.line(str(start_engine(options.engine)))
    drawn_by = str(peek(model_folder(models, XSEG, XSEG))["files"]["weights.safetensors"]["sha256"])[:16]
    due = [face for face in faces if not _is_drawn(face.metadata, drawn_by)]
    if len(due) < len(faces):
        report.line(f"{len(faces) - len(due)} of {len(faces)} faces have this model's mask already.")
    report.line(f"XSeg, iteration {model.iteration}, {model.face_type.file_name}: {len(due)} faces of {options.side}.")
    report_narrow(due, model.face_type, "XSeg sees black beyond their edge: look at their masks.", report)
    failed = 0
    with report.progress("drawing masks", len(due)) as progress:
        for outcome in apply(due, model, MetadataChanges(workspace.aligned(options.side)), drawn_by):
            progress.advance()
            if outcome.error:
                failed += 1
                if failed <= _MAX_WARNINGS:
                    report.warn(f"{outcome.face.name} is left as it is: {_reason(outcome.error)}")
    text = f"{len(due) - failed} masks are in {workspace.aligned(options.side)}"
    report.done(text + (f"; {failed} failed." if failed else "."), drawn=len(due) - failed, failed=failed)


def _is_drawn(metadata: FaceMetadata, drawn_by: str) -> bool:
    return metadata.xseg_mask is not None and metadata.other.get(DRAWN_BY) == drawn_by


def _reason(error: Exception) -> str:
    return f"{error.what} {error.todo}" if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def apply(
    faces: Sequence[FaceFile], model: MaskModel, changes: MetadataChanges, drawn_by: str, workers: int = 0
) -> Iterator[MaskOutcome]:
    """Draw masks and write them; outcomes come as they are known, in order.

    A face that cannot be read or written is an outcome with its error. A failing model ends the run.
    """
    batches = iter(faces[start : start + _FACES_PER_BATCH] for start in range(0, len(faces), _FACES_PER_BATCH))
    reading: deque[list[tuple[FaceFile, Future[FloatPicture]]]] = deque()
    writing: deque[tuple[FaceFile, Future[None]]] = deque()
    pool = ThreadPoolExecutor(worker_count(workers, most=4), thread_name_prefix="xseg")

    def read_ahead() -> None:
        for batch in islice(batches, _BATCHES_AHEAD - len(reading)):
            reading.append([(face, pool.submit(shown_face, face, model.face_type, model.resolution)) for face in batch])

    try:
        read_ahead()
        while reading:
            whole, broken = _read(reading.popleft())
            read_ahead()
            yield from broken
            masks = model.predict(np.stack([picture for _, picture in whole]))[:, :, :, 0] if whole else ()
            for (face, _), mask in zip(whole, masks, strict=True):
                writing.append((face, pool.submit(_write, face, mask, model.face_type, changes, drawn_by)))
            while len(writing) > _FACES_PER_BATCH:
                yield _written(*writing.popleft())
        while writing:
            yield _written(*writing.popleft())
    finally:
        pool.shutdown(cancel_futures=True)
        changes.finish()


def _read(
    batch: list[tuple[FaceFile, Future[FloatPicture]]],
) -> tuple[list[tuple[FaceFile, FloatPicture]], list[MaskOutcome]]:
    """The pictures of a batch, and the faces that could not be read."""
    whole, broken = [], []
    for face, future in batch:
        try:
            whole.append((face, future.result()))
        except (UserError, OSError, ValueError, cv2.error) as error:
            broken.append(MaskOutcome(face, error))
    return whole, broken


def _written(face: FaceFile, future: "Future[None]") -> MaskOutcome:
    try:
        future.result()
    except (OSError, ValueError, cv2.error) as error:
        return MaskOutcome(face, error)
    except UserError as error:
        if "disk is full" in error.what:
            raise
        return MaskOutcome(face, error)
    return MaskOutcome(face)


def shown_face(face: FaceFile, face_type: FaceType, side: int) -> FloatPicture:
    """What a model of `face_type` is shown: (side, side, 3) float32 BGR 0..1, as in training.

    What the picture does not show of a larger face type is black. UserError for a picture that is damaged or not
    square, and for one without a face square (mark_only).
    """
    picture: Picture = face.read_picture()
    if picture.shape[0] != picture.shape[1]:
        raise UserError(f"{face.place} is not square: it is no aligned face.", "Move it out of the faceset.")
    square = (side, side)
    shown: Any = picture
    if face.metadata.face_type is not face_type:
        matrix = alignment_matrix(face.metadata.landmarks, side, face_type)
        shown = cv2.warpAffine(picture, matrix, square, flags=cv2.INTER_LANCZOS4)
    elif picture.shape[0] != side:
        shown = cv2.resize(picture, square, interpolation=cv2.INTER_LANCZOS4)
    return np.asarray(shown, np.float32) / np.float32(255)


def mask_in_square(metadata: FaceMetadata, picture_side: int, mask: Mask, face_type: FaceType) -> NDArray[np.float32]:
    """A mask of a model of `face_type`, as its face's data have it: (256, 256) float32, 0 or 1, of the whole picture.

    Where the model was not shown the picture the mask is 0.
    """
    side = len(mask)
    found: Any = mask
    if metadata.face_type is not face_type:
        # Picture pixels to the model's; then both sides in masks of 256 pixels.
        to_model = alignment_matrix(metadata.landmarks, side, face_type)
        to_model = (np.vstack([to_model, (0, 0, 1)]) @ _half_pixel_scaling(picture_side / MASK_SIDE))[:2]
        found = _taken_back(mask, to_model)
    elif side != MASK_SIDE:
        found = cv2.resize(mask, (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_CUBIC)
    return np.where(found >= 0.5, np.float32(1), np.float32(0))


def _half_pixel_scaling(scale: float) -> NDArray[np.float64]:
    """(3, 3) map of pixels of a resized picture to the original's, whose corners, not first pixels, coincide."""
    shift = (scale - 1) / 2
    return np.array([(scale, 0, shift), (0, scale, shift), (0, 0, 1)])


def _taken_back(mask: Mask, matrix: Matrix) -> NDArray[np.float32]:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(mask, matrix, (MASK_SIDE, MASK_SIDE), flags=flags), np.float32)


def _write(face: FaceFile, mask: Mask, face_type: FaceType, changes: MetadataChanges, drawn_by: str) -> None:
    metadata = face.metadata
    encoded = encode_mask(mask_in_square(metadata, face.shape[0], mask, face_type))
    changes.write(face, replace(metadata, xseg_mask=encoded, other=metadata.other | {DRAWN_BY: drawn_by}))
