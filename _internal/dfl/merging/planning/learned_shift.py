"""How far a model draws faces beside their place, measured on dst's own faces.

The random warp of the original and of earlier versions moves what goes into the network by half a pixel against what
is to come out (data/augmentation/warp), so models that were trained with it draw every face up to one of their pixels
too far right and low. What a model makes of dst as dst shows how far: it should lie on its input.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import FloatPicture, Picture
from dfl.base.report import Report
from dfl.merging.blending.box import as_float
from dfl.merging.blending.face_crop import NO_SHIFT, Shift
from dfl.merging.planning.tasks import FrameTask
from dfl.merging.running.frame_processor import FrameProcessor
from dfl.merging.running.networks import FACES_PER_BATCH
from dfl.models.prediction import SwapModel

SAMPLE_FACES = 24
_MIN_FACES = 4
SMALLEST_SHIFT = 0.05  # model pixels; a smaller one is not worth mentioning
_LARGEST_SHIFT = 2.0  # model pixels either way; a larger one was not taught by a warp
# With a larger standard error of the median nothing was measured; and a shift is so many times as large.
_MAX_ERROR, _SIGNIFICANCE = 0.3, 2
_MIN_CORRELATION = 0.5  # of a face with its reconstruction
# A band of spatial frequencies holds the features: sigmas as shares of the size. Light and shading, which models draw
# a little differently, move the measure otherwise.
_FINE, _COARSE = 1 / 128, 1 / 16
_RIM = 1 / 24  # of the size: so far inside the mask
_COMPARED_SIZE = 256  # pixels; OpenCV rounds positions to 1/32 of one
_ITERATIONS, _PRECISION = 50, 1e-6


def measure_learned_shift(
    tasks: Sequence[FrameTask],
    pictures: Iterable[Picture | None],
    processor: FrameProcessor,
    model: SwapModel,
    report: Report,
) -> Shift | None:
    """The shift of a model, (x, y) pixels of its own size, rounded to a hundredth; (0, 0) where there is none that
    can be measured; None where there are too few faces to tell.

    tasks: frames, each with one face for this model; pictures: theirs.
    """
    inputs = []
    for task, picture in zip(tasks, pictures, strict=True):
        if picture is not None:
            with suppress(UserError):  # reported when it is merged
                inputs += [crop.model_input for crop in processor.crop_picture(task, picture).crops]
    if len(inputs) < _MIN_FACES:
        return None
    found = []
    batches = [inputs[start : start + FACES_PER_BATCH] for start in range(0, len(inputs), FACES_PER_BATCH)]
    for batch in report.track(batches, "Measuring the model's shift", len(batches)):
        faces, masks = model.reconstruct(np.stack(batch))
        found += [shift_between(*one) for one in zip(batch, faces, masks[:, :, :, 0], strict=True)]
    return agreed(found)


def agreed(shifts: Sequence[Shift | None]) -> Shift:
    """What most faces agree on: the median, (0, 0) where it is uncertain or no more than SMALLEST_SHIFT.

    shifts: of single faces, None where it could not be measured.
    """
    measured = np.array([shift for shift in shifts if shift])
    if len(measured) < max(_MIN_FACES, len(shifts) / 2):
        return NO_SHIFT
    median = np.median(measured, axis=0)
    deviation = 1.4826 * np.median(np.abs(measured - median), axis=0)  # standard deviation, of normal values
    error = np.hypot(*deviation) * 1.2533 / np.sqrt(len(measured))  # of the median
    if error > _MAX_ERROR or np.hypot(*median) < max(_SIGNIFICANCE * error, SMALLEST_SHIFT):
        return NO_SHIFT
    x, y = median.round(2).tolist()
    return x, y


def shift_between(face: FloatPicture, drawn: FloatPicture, mask: NDArray[np.float32]) -> Shift | None:
    """How far `drawn` lies right of and below `face`, pixels; None where they are not alike.

    face, drawn: (R, R, 3) float32 BGR. mask: (R, R), where they are compared. G. Evangelidis and E. Psarakis,
    Parametric image alignment using enhanced correlation coefficient maximization, 2008.
    """
    scale = face.shape[0] / _COMPARED_SIZE
    own, other, size = _features(face), _features(drawn), _COMPARED_SIZE
    rim = 2 * max(round(_RIM * size), 1) + 1
    inside = (as_float(cv2.resize(mask, (size, size), interpolation=cv2.INTER_LINEAR)) > 0.5).astype(np.uint8)
    inside = np.asarray(cv2.erode(inside, np.ones((rim, rim), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0))
    if not inside.any():
        return None
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _ITERATIONS, _PRECISION)
    try:
        correlation, back = cv2.findTransformECC(
            other, own, np.eye(2, 3, dtype=np.float32), cv2.MOTION_TRANSLATION, criteria, inside, 1
        )
    except cv2.error:  # it does not converge
        return None
    x, y = (-scale * float(part) for part in back[:, 2])
    is_shift = correlation >= _MIN_CORRELATION and max(abs(x), abs(y)) <= _LARGEST_SHIFT
    return (x, y) if is_shift else None


def _features(picture: FloatPicture) -> NDArray[np.float32]:
    """The picture's features alone, in grey, at the size at which they are compared."""
    grey = as_float(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
    way = cv2.INTER_AREA if grey.shape[0] > _COMPARED_SIZE else cv2.INTER_CUBIC
    grey = as_float(cv2.resize(grey, (_COMPARED_SIZE, _COMPARED_SIZE), interpolation=way))
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), share * _COMPARED_SIZE) for share in (_FINE, _COARSE))
    return as_float(fine - coarse)


def spelled_shift(shift: Shift) -> str:
    """A shift as people read it: `0.6 px right and 0.4 px low`."""
    ways = (("right", "left"), ("low", "high"))
    parts = [
        f"{abs(part):.1f} px {names[part < 0]}"
        for part, names in zip(shift, ways, strict=True)
        if abs(part) >= SMALLEST_SHIFT
    ]
    return " and ".join(parts)
