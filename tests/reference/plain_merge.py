"""A frame merged the plain way, in float32 and the whole frame's size: what `dfl bench merge` compares with.

The same mathematics as dfl.merging with like_original, in the order that the original program computes it: pictures and
masks are warped to the whole frame's size, the landmarks' hull is drawn whether it is wanted or not, files go through
OpenCV. For measuring alone.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture
from dfl.bench.cpu_time import cpu_of
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.faces.masks import hull_mask
from dfl.imaging.colour_transfer import hist_match
from dfl.imaging.transfers import MergingTransfer
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.planning.settings import ORIGINAL, MergeSettings
from dfl.merging.planning.tasks import FrameTask
from dfl.models.prediction import SwapModel
from tests.reference.plain_transfers import plain_idt, plain_rct, plain_sot

PLAIN_MODES = ("overlay", "hist-match", "seamless")
PLAIN_TRANSFERS: tuple[MergingTransfer, ...] = ("none", "rct", "idt", "idt-m", "sot-m")


def can_be_plain(settings: MergeSettings) -> bool:
    """Whether plain_merge knows these settings; smoothing over time, which it does not do, may be on."""
    named = {"mode", "colour_transfer", "steady_mask", "steady_landmarks"}
    is_default = settings.model_dump(exclude=named) == MergeSettings(**ORIGINAL).model_dump(exclude=named)
    is_known = settings.mode in PLAIN_MODES and settings.colour_transfer in PLAIN_TRANSFERS
    return is_default and is_known and not (settings.is_seamless and settings.colour_transfer != "none")


def plain_cpu(frames: Sequence[FrameTask], model: SwapModel, settings: MergeSettings) -> float:
    """CPU seconds of one frame from file to files in memory, on one thread: the mean of frames that have a face. The
    model's own time is in it: give one that takes none."""

    def work() -> None:
        for frame in frames:
            _plain_files(frame.path.read_bytes(), frame.faces[0].landmarks, model, settings)

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return cpu_of(work) / len(frames)
    finally:
        cv2.setNumThreads(threads)


def _plain_files(
    content: bytes, landmarks: NDArray[Any], model: SwapModel, settings: MergeSettings
) -> tuple[bytes, bytes]:
    side, read = model.resolution, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    frame: Any = np.asarray(read).astype(np.float32) / np.float32(255)
    to_face = alignment_matrix(landmarks, side, model.face_type)
    seen: Any = np.clip(cv2.warpAffine(frame, to_face, (side, side), flags=cv2.INTER_CUBIC), 0, 1)
    answer = model.predict(seen[None])
    prediction = FacePrediction(answer.face[0], answer.face_mask[0, ..., 0], answer.dst_mask[0, ..., 0])
    merged = plain_merge(frame, landmarks, model.face_type, seen, prediction, settings)
    written = (merged * 255).astype(np.uint8)
    picture, mask = (cv2.imencode(".png", written[..., part])[1].tobytes() for part in (slice(3), 3))
    return picture, mask


def plain_merge(
    frame: FloatPicture,
    landmarks: NDArray[Any],
    face_type: FaceType,
    seen: FloatPicture,
    prediction: FacePrediction,
    settings: MergeSettings,
    seed: int = 0,
) -> FloatPicture:
    """One face in a frame (H, W, 3) float32: (H, W, 4) float32, the merged picture and the mask.

    seen: (R, R, 3), the frame's own face. settings: such as can_be_plain.
    """
    side, size, back = seen.shape[0], (frame.shape[1], frame.shape[0]), cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
    to_face = alignment_matrix(landmarks, side, face_type)
    cv2.warpAffine(hull_mask(frame.shape[:2], landmarks), to_face, (side, side), flags=cv2.INTER_CUBIC)
    mask: Any = prediction.face_mask * prediction.dst_mask
    mask[mask < 1 / 255] = 0
    mask = np.pad(cv2.resize(mask, (4 * side, 4 * side), interpolation=cv2.INTER_CUBIC), side)
    mask = np.clip(mask[side:-side, side:-side], 0, 1)
    to_mask = alignment_matrix(landmarks, 4 * side, face_type)
    frame_mask: Any = np.clip(cv2.warpAffine(mask, to_mask, size, flags=back), 0, 1)
    frame_mask[frame_mask < 1 / 255] = 0
    small = cv2.resize(mask, (side, side), interpolation=cv2.INTER_CUBIC)[..., None]
    area = np.where(small > 0, np.float32(1), small)
    if np.argwhere(frame_mask >= 0.1).size == 0:
        return np.dstack([frame, frame_mask])
    face = _recoloured(prediction.face, seen, area, settings, RandomState(seed))
    pasted = np.clip(cv2.warpAffine(face, to_face, size, flags=back), 0, 1)
    if settings.mode == "seamless":
        pasted = _cloned(pasted, frame, frame_mask)
    cover = frame_mask[..., None]
    return np.dstack([frame * (1 - cover) + pasted * cover, frame_mask])


def _recoloured(face: Any, seen: Any, area: Any, settings: MergeSettings, random: RandomState) -> Any:
    match settings.colour_transfer:
        case "rct":
            face = plain_rct(face, seen, area)
        case "idt":
            face = plain_idt(face, seen, random)
        case "idt-m":
            face = plain_idt(face * area, seen * area, random)
        case "sot-m":
            face = plain_sot(face * area, seen * area, random, batch=30)
    if settings.mode == "hist-match":
        within = area if settings.masked_hist_match else np.ones_like(area)
        ours, theirs = np.minimum(face * within + (1 - within), 1), seen * within + (1 - within)
        face = hist_match(ours, theirs, settings.hist_match_threshold)
    return face


def _cloned(pasted: Any, frame: Any, mask: Any) -> Any:
    clone = (mask > 0.1).astype(np.uint8) * 255
    left, top, width, height = cv2.boundingRect(clone)
    centre = (int(left + width / 2), int(top + height / 2))
    over, under = ((part * 255).astype(np.uint8) for part in (pasted, frame))
    made = cv2.seamlessClone(over, under, clone, centre, cv2.NORMAL_CLONE)
    return made.astype(np.float32) / np.float32(255)
