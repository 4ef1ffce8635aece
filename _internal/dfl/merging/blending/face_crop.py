"""A face cut out of its frame for a model. Pure functions: threads may share frames."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Matrix, Picture
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.merging.blending.box import PixelBox, as_float, box_in_frame, warp_from_frame, whole
from dfl.merging.blending.face_filters import to_float
from dfl.merging.blending.original_rules import EXACT_RULES, MergeRules

XSEG_SIZE = 256
# Around the square: cubic interpolation reads 2 pixels further.
_FRAME_MARGIN = 8


@dataclass(frozen=True)
class Motion:
    """How a face moves through a frame: frame pixels over two frame steps, and the direction in degrees."""

    power: float = 0.0
    degrees: float = 0.0


STILL = Motion()
NO_SHIFT = (0.0, 0.0)
Shift = tuple[float, float]  # x to the right, y down


@dataclass(frozen=True)
class FaceCrop:
    """A face cut out of its frame.

    landmarks: (68, 2) frame pixels. face_type: the model's. model_input: (R, R, 3) float32 BGR 0..1, what the model is
    given; black where the square leaves the frame. shift: (x, y) model pixels by which the model draws faces beside
    their place in its input. picture: (R, R, 3), the frame's own face where the model draws it; `model_input` itself
    without a shift. to_face: (2, 3) frame pixels to `picture` and to all that the model predicts. xseg_input:
    (256, 256, 3), that of an XSeg model, None where none is needed.
    """

    landmarks: NDArray[np.floating]
    face_type: FaceType
    picture: FloatPicture
    to_face: Matrix
    model_input: FloatPicture
    shift: Shift = NO_SHIFT
    xseg_input: FloatPicture | None = None

    @property
    def size(self) -> int:
        """R, pixels."""
        return int(self.picture.shape[0])

    def to_square(self, rules: MergeRules, enlarged: int = 1, scale: float = 1.0) -> Matrix:
        """The map from the frame to what the model predicts, at `enlarged` times its size.

        scale: above 1 the face becomes smaller in the frame.
        """
        if scale == 1:  # the same numbers, to the last digit, for the enlargements that there are: 1, 2 and 4
            matrix = self.to_face * enlarged
        else:
            matrix = alignment_matrix(self.landmarks, self.size * enlarged, self.face_type, scale)
            matrix[:, 2] += np.array(self.shift) * enlarged
        matrix[:, 2] += rules.centre_shift(enlarged)
        return matrix


def crop_face(
    frame: Picture,
    landmarks: NDArray[np.floating],
    face_type: FaceType,
    size: int,
    rules: MergeRules = EXACT_RULES,
    shift: Shift = NO_SHIFT,
) -> FaceCrop:
    """Cut a face out of (H, W, 3) uint8 `frame` for a model of `size` pixels. UserError for unusable landmarks.

    shift: (x, y) model pixels by which the model draws faces beside their place.
    """
    to_input = alignment_matrix(landmarks, size, face_type)
    to_face = to_input.copy()
    to_face[:, 2] += shift
    given = np.clip(warp_square(frame, to_input, size, rules.border_pixels), 0, 1)
    picture = np.clip(warp_square(frame, to_face, size, rules.border_pixels), 0, 1) if any(shift) else given
    return FaceCrop(landmarks, face_type, picture, to_face, given, shift)


def xseg_input(frame: Picture, crop: FaceCrop, face_type: FaceType, offset: Shift = NO_SHIFT) -> FloatPicture:
    """XSeg's input of the frame's own face: (256, 256, 3) float32; cubic, so it may leave 0..1 a little.

    offset: (x, y), by so many of its pixels the square begins further left and up.
    """
    matrix = alignment_matrix(crop.landmarks, XSEG_SIZE, face_type)
    matrix[:, 2] += offset
    return warp_square(frame, matrix, XSEG_SIZE)


def warp_square(frame: Picture, to_face: Matrix, size: int, border_pixels: int = 0) -> FloatPicture:
    """The face's square, (size, size, 3) float32. border_pixels: of the square, by which the frame's border is
    replicated before all is black."""
    box = square_in_frame(frame, to_face, size)
    if box.is_empty:
        return np.zeros((size, size, 3), np.float32)
    region = to_float(frame[box.slices])
    margin = math.ceil(border_pixels / math.sqrt(abs(np.linalg.det(to_face[:, :2]))))  # frame pixels
    frame_box = whole(frame)
    beyond = (
        margin if box.top == frame_box.top else 0,
        margin if box.bottom == frame_box.bottom else 0,
        margin if box.left == frame_box.left else 0,
        margin if box.right == frame_box.right else 0,
    )
    if any(beyond):
        region = as_float(cv2.copyMakeBorder(region, *beyond, cv2.BORDER_REPLICATE))
        top, bottom, left, right = beyond
        box = PixelBox(box.left - left, box.top - top, box.right + right, box.bottom + bottom)
    return warp_from_frame(region, box, to_face, size)


def square_in_frame(frame: Picture, to_face: Matrix, size: int) -> PixelBox:
    """The part of the frame that the face's square is cut from."""
    return box_in_frame(PixelBox(0, 0, size, size), to_face).grown(_FRAME_MARGIN).within(whole(frame))
