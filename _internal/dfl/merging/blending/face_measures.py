"""What is measured of a predicted face before it is blended: its mask, light and colours."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture
from dfl.faces.masks import hull_mask
from dfl.merging.blending.box import as_float, warp_from_frame
from dfl.merging.blending.face_colours import ColourPair, is_statistical, measure
from dfl.merging.blending.face_crop import FaceCrop, square_in_frame
from dfl.merging.blending.face_masks import FacePrediction, choose_mask
from dfl.merging.blending.skin import Light, measure_light
from dfl.merging.planning.settings import MergeSettings

# Pixels: enough for the movement of a whole face. DIS then works on a quarter of it, in 0.35 ms; at 64, where it would
# take all of it, in 1.4.
_GREY_SIZE = 128


@dataclass(frozen=True, eq=False)
class FaceMeasures:
    """What is measured of a predicted face, and smoothed over time where that is asked for.

    mask: (R, R) float32 0..1, chosen but not shaped. colours: of a statistical transfer, where they are smoothed. grey:
    uint8, the frame's own face at 128 pixels, where masks are smoothed: the input of optical flow. light: of the
    transfer skin and the seamless modes. index, track: of the frame in the clip, and of the face.
    """

    mask: NDArray[np.float32]
    colours: ColourPair | None = None
    grey: NDArray[np.uint8] | None = None
    light: Light | None = None
    index: int = 0
    track: int | None = None


def measure_face(
    frame: Picture,
    crop: FaceCrop,
    prediction: FacePrediction,
    settings: MergeSettings,
    index: int = 0,
    track: int | None = None,
) -> FaceMeasures:
    """The measures that the settings need. frame: (H, W, 3) uint8 BGR."""

    def hull() -> NDArray[np.float32]:
        box = square_in_frame(frame, crop.to_face, crop.size)
        if box.is_empty:
            return np.zeros((crop.size, crop.size), np.float32)
        # Drawn from the frame's corner on: the hull's whole pixels are cut off towards zero.
        landmarks = np.rint(crop.landmarks) if settings.rules.rounds_hull else crop.landmarks
        drawn = hull_mask((box.bottom, box.right), landmarks)[box.slices]
        return np.clip(warp_from_frame(drawn, box, crop.to_face, crop.size), 0, 1)

    mask = choose_mask(settings.mask_mode, prediction, hull)
    grey = _to_grey(crop.picture) if settings.steady_mask else None
    light = measure_light(prediction.face, crop.picture, mask) if settings.needs_light else None
    colours = None
    if settings.steady_colours and settings.transfers_first and is_statistical(settings.transfer):
        face = prediction.face
        if face.shape[0] != crop.size:
            face = as_float(cv2.resize(face, (crop.size, crop.size), interpolation=cv2.INTER_AREA))
        colours = measure(settings.transfer, face, crop.picture, (mask > 0)[:, :, None].astype(np.float32))
    return FaceMeasures(mask, colours, grey, light, index, track)


def _to_grey(picture: FloatPicture) -> NDArray[np.uint8]:
    grey: Any = cv2.cvtColor(cv2.convertScaleAbs(picture, alpha=255), cv2.COLOR_BGR2GRAY)
    if grey.shape[0] != _GREY_SIZE:
        way = cv2.INTER_AREA if grey.shape[0] > _GREY_SIZE else cv2.INTER_LINEAR
        grey = cv2.resize(grey, (_GREY_SIZE, _GREY_SIZE), interpolation=way)
    return np.asarray(grey, np.uint8)
