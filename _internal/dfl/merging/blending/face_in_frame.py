"""One face put into one frame: cut it out, and blend what the model made of it back in.

Only the part of the frame around the face is ever turned into floats; outside it a frame stays as it is, to the bit.
All functions are pure, so threads and processes may share frames.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Matrix, Picture
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.faces.masks import hull_mask
from dfl.imaging.filters import motion_blur
from dfl.merging.blending.box import PixelBox, as_float, box_in_frame, box_of, warp_from_frame, warp_to_frame, whole
from dfl.merging.blending.cloning import cloned
from dfl.merging.blending.face_colours import ColourPair, Random, is_statistical, match_histogram, measure, recolour
from dfl.merging.blending.face_filters import blur_along, mixed, sharpen, to_float
from dfl.merging.blending.face_masks import (
    MASK_SCALE,
    SMALLEST_VALUE,
    FaceMask,
    FacePrediction,
    choose_mask,
    is_soft,
    shape_mask,
    soften_mask,
    unshaped_mask,
)
from dfl.merging.blending.skin import Light, measure_light, relight, without_what_is_no_skin
from dfl.merging.planning.settings import MergeSettings

XSEG_SIDE = 256
# Around the square: cubic interpolation reads 2 pixels further.
_FRAME_MARGIN = 8
_EDGE_GOES_ON = 4  # pixels of the model's square
# A face whose mask is smaller than this many frame pixels is left alone.
_SMALLEST_MASK_SIDE = 4
_MOTION_KERNELS = (2, 50)
# Pixels: enough for the movement of a whole face. DIS then works on a quarter of it, in 0.35 ms; at 64, where it would
# take all of it, in 1.4.
_GREY_SIDE = 128
_SHORTEST_WAY = 0.5  # face pixels; below it nobody sees a blur


@dataclass(frozen=True)
class Motion:
    """How a face moves around a frame: frame pixels over two frame steps, and the direction in degrees."""

    power: float = 0.0
    degrees: float = 0.0


STILL = Motion()


@dataclass(frozen=True)
class FaceCrop:
    """A face cut out of its frame.

    landmarks: (68, 2) frame pixels. face_type: the model's. picture: (R, R, 3) float32 BGR 0..1, what the model is
    shown; black where the square leaves the frame. to_face: (2, 3) frame pixels to `picture`. xseg_seen: (256, 256, 3)
    what an XSeg model is shown of the frame, None where none is.
    """

    landmarks: NDArray[np.floating]
    face_type: FaceType
    picture: FloatPicture
    to_face: Matrix
    xseg_seen: FloatPicture | None = None

    @property
    def side(self) -> int:
        return int(self.picture.shape[0])


@dataclass(frozen=True)
class Patch:
    """A face on its way into a frame: what is laid over the frame at `box`.

    picture: (h, w, 3) float32 BGR. cover: (h, w, 1), how far it hides the frame. mask: (h, w, 1) 0..1, what the frame's
    mask shows there; the same as `cover` but in mode raw-rgb, where `cover` may leave 0..1 at the square's rim.
    """

    box: PixelBox
    picture: FloatPicture
    cover: FloatPicture
    mask: FloatPicture


@dataclass(frozen=True, eq=False)
class FaceMeasures:
    """What is measured of a predicted face before it is blended, and smoothed over time where that is asked for.

    mask: (R, R) float32 0..1, chosen but not shaped. colours: what a transfer goes by whose colours are smoothed. grey:
    uint8, the frame's own face at _GREY_SIDE, where masks are smoothed: by it they are moved onto one another. light:
    what the transfer skin gives the face, and what the seamless modes go by.
    """

    mask: NDArray[np.float32]
    colours: ColourPair | None = None
    grey: NDArray[np.uint8] | None = None
    light: Light | None = None


def crop_face(
    frame: Picture, landmarks: NDArray[np.floating], face_type: FaceType, side: int, *, black_from_edge: bool = False
) -> FaceCrop:
    """Cut a face out of (H, W, 3) uint8 `frame` for a model of `side` pixels. UserError for unusable landmarks.

    Where the square leaves the frame, the frame's edge goes on for a few pixels before all is black: else the black
    would be mixed into the frame's own pixels there. The original has it so: black_from_edge.
    """
    to_face = alignment_matrix(landmarks, side, face_type)
    picture = np.clip(_aligned(frame, to_face, side, 0 if black_from_edge else _EDGE_GOES_ON), 0, 1)
    return FaceCrop(landmarks, face_type, picture, to_face)


def xseg_input(frame: Picture, crop: FaceCrop, face_type: FaceType, shift: float = 0.0) -> FloatPicture:
    """What XSeg is shown of the frame's own face: (256, 256, 3) float32; cubic, so it may leave 0..1 a little.

    shift: by so many of its pixels the square begins further left and up.
    """
    matrix = alignment_matrix(crop.landmarks, XSEG_SIDE, face_type)
    matrix[:, 2] += shift
    return _aligned(frame, matrix, XSEG_SIDE)


def _aligned(frame: Picture, to_face: Matrix, side: int, edge_pixels: int = 0) -> FloatPicture:
    """The face's square, (side, side, 3). edge_pixels: of the square, by which the frame's edge goes on."""
    box = _square_in_frame(frame, to_face, side)
    if box.is_empty:
        return np.zeros((side, side, 3), np.float32)
    region = to_float(frame[box.slices])
    margin = math.ceil(edge_pixels / math.sqrt(abs(np.linalg.det(to_face[:, :2]))))  # frame pixels
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
    return warp_from_frame(region, box, to_face, side)


def measure_face(frame: Picture, crop: FaceCrop, prediction: FacePrediction, settings: MergeSettings) -> FaceMeasures:
    """The chosen mask of a predicted face, and the colours that are to be smoothed. frame: (H, W, 3) uint8 BGR."""

    def hull() -> NDArray[np.float32]:
        box = _square_in_frame(frame, crop.to_face, crop.side)
        if box.is_empty:
            return np.zeros((crop.side, crop.side), np.float32)
        # Drawn from the frame's corner on: the hull's whole pixels are cut off towards zero.
        drawn = hull_mask((box.bottom, box.right), crop.landmarks)[box.slices]
        return np.clip(warp_from_frame(drawn, box, crop.to_face, crop.side), 0, 1)

    mask = choose_mask(settings.mask_mode, prediction, hull)
    grey = _to_grey(crop.picture) if settings.steady_mask else None
    light = measure_light(prediction.face, crop.picture, mask) if settings.needs_light else None
    is_steady = settings.steady_colours and settings.transfers_first and is_statistical(settings.transfer)
    if not is_steady:
        return FaceMeasures(mask, grey=grey, light=light)
    face = prediction.face
    if face.shape[0] != crop.side:
        face = as_float(cv2.resize(face, (crop.side, crop.side), interpolation=cv2.INTER_AREA))
    area = (mask > 0)[:, :, None].astype(np.float32)
    return FaceMeasures(mask, measure(settings.transfer, face, crop.picture, area), grey, light)


def _to_grey(picture: FloatPicture) -> NDArray[np.uint8]:
    grey: Any = cv2.cvtColor(cv2.convertScaleAbs(picture, alpha=255), cv2.COLOR_BGR2GRAY)
    if grey.shape[0] != _GREY_SIDE:
        way = cv2.INTER_AREA if grey.shape[0] > _GREY_SIDE else cv2.INTER_LINEAR
        grey = cv2.resize(grey, (_GREY_SIDE, _GREY_SIDE), interpolation=way)
    return np.asarray(grey, np.uint8)


def merge_face(
    frame: Picture,
    crop: FaceCrop,
    prediction: FacePrediction,
    settings: MergeSettings,
    motion: Motion = STILL,
    random: Random | None = None,
    measures: FaceMeasures | None = None,
) -> Patch:
    """What is to be laid over the frame around one face. frame: (H, W, 3) uint8 BGR, not changed.

    random: drawn from by the colour transfers idt, sot and mix. measures: of measure_face, smoothed over time; measured
    now when left out. In mode raw-predict the patch is the predicted picture itself, of the model's size.
    """
    measures = measures or measure_face(frame, crop, prediction, settings)
    mask = unshaped_mask(measures.mask) if settings.is_raw else _shaped(measures.mask, settings)
    if settings.mode == "raw-predict":
        small = mask.at_face_size(prediction.face.shape[0])
        return Patch(whole(prediction.face), prediction.face, np.ones_like(small), small)
    pasting = FaceBlender(frame, crop, prediction.face, mask, measures, settings, motion)
    return pasting.patch(random or np.random.default_rng(0))


def _shaped(mask: NDArray[np.float32], settings: MergeSettings) -> FaceMask:
    side = MASK_SCALE * mask.shape[0]
    erode, blur = settings.edge(side)
    if not settings.like_original and is_soft(blur, side):
        return soften_mask(mask, erode, blur)
    return shape_mask(mask, erode, blur, like_original=settings.like_original)


def _square_in_frame(frame: Picture, to_face: Matrix, side: int) -> PixelBox:
    """The part of the frame that the face's square is cut from."""
    return box_in_frame(PixelBox(0, 0, side, side), to_face).grown(_FRAME_MARGIN).within(whole(frame))


def _is_too_small(mask: FloatPicture) -> bool:
    seen = box_of(mask[:, :, 0] >= 0.1)
    return min(seen.width, seen.height) - 1 < _SMALLEST_MASK_SIDE


class FaceBlender:
    """One face on its way back into its frame.

    face: (O, O, 3), O = R or with super resolution 4R. box: the part of the frame that may change or is looked at.
    backdrop (h, w, 3) and frame_mask (h, w, 1): the frame and the mask there, float32 0..1.
    """

    def __init__(
        self,
        frame: Picture,
        crop: FaceCrop,
        face: FloatPicture,
        mask: FaceMask,
        measures: FaceMeasures,
        settings: MergeSettings,
        motion: Motion,
    ) -> None:
        self._frame, self._face, self._mask, self._measures = frame, face, mask, measures
        self._settings, self._enlarged = settings, face.shape[0] // crop.side
        side, self._to_face = crop.side, crop.to_face
        if self._enlarged > 1:
            crop = self._cut_larger(crop)
        self._crop, self._motion = crop, motion
        self._is_reworked = settings.reworks_face and (self._motion_seen()[0] > 0 or settings.reworks_without_motion)
        scale = 1 + 0.01 * settings.face_scale
        self._to_pasted = self._to_square(crop, side, self._enlarged, scale)
        self._to_mask = self._to_square(crop, side, mask.size // side, scale)
        self.box = self._work_box()
        self.backdrop = to_float(frame[self.box.slices])
        self.frame_mask = self._mask_in_frame()

    def _cut_larger(self, crop: FaceCrop) -> FaceCrop:
        """The frame's own face in the pixels of an enlarged one."""
        matrix = self._to_square(crop, crop.side, self._enlarged)
        edge = 0 if self._settings.like_original else _EDGE_GOES_ON * self._enlarged
        picture = np.clip(_aligned(self._frame, matrix, crop.side * self._enlarged, edge), 0, 1)
        return replace(crop, picture=picture, to_face=matrix)

    def _to_square(self, crop: FaceCrop, side: int, enlarged: int, scale: float = 1.0) -> Matrix:
        """The map from the frame to the face's square at `enlarged` times the model's side.

        Enlarging a picture lays the middle of its first pixel to (enlarged - 1) / 2. The original does not follow, so
        that its masks, and with super resolution its faces, lie 3/8 of a predicted pixel beside where they belong.
        """
        if scale == 1:  # the same numbers, to the last digit, for the enlargements that there are: 1, 2 and 4
            matrix = self._to_face * enlarged
        else:
            matrix = alignment_matrix(crop.landmarks, side * enlarged, crop.face_type, scale)
        if not self._settings.like_original:
            matrix[:, 2] += (enlarged - 1) / 2
        return matrix

    def _work_box(self) -> PixelBox:
        if self._settings.mode == "raw-rgb":
            # Cubic interpolation reaches two pixels of the face's picture out, which may be many in the frame.
            box = box_in_frame(PixelBox(0, 0, self._crop.side, self._crop.side).grown(2), self._to_pasted)
        else:
            box = box_in_frame(self._mask.box.grown(2), self._to_mask)
        if self._is_reworked:
            box = box.around(_square_in_frame(self._frame, self._crop.to_face, self._crop.side))
        box = box.within(whole(self._frame))
        return PixelBox(0, 0, 0, 0) if box.is_empty else box

    def _mask_in_frame(self) -> FloatPicture:
        mask = self._mask
        if self.box.is_empty or not mask.values.size:
            return np.zeros((self.box.height, self.box.width, 1), np.float32)
        laid = np.clip(warp_to_frame(mask.values, self.box, self._to_mask, mask.left, mask.top), 0, 1)
        laid[laid < SMALLEST_VALUE] = 0
        return laid[:, :, None]

    def patch(self, random: Random) -> Patch:
        """The face as the mode wants it."""
        if self._settings.mode == "raw-rgb":
            return self._square()
        if self._settings.mode == "original" or _is_too_small(self.frame_mask):
            picture = self.backdrop
        else:
            picture = self._blended(random)
        return Patch(self.box, picture, self.frame_mask, self.frame_mask)

    def _square(self) -> Patch:
        """The whole predicted square."""
        if self.box.is_empty:
            return Patch(self.box, self.backdrop, self.frame_mask, self.frame_mask)
        pasted = self._pasted(self._face)
        cover = warp_to_frame(np.ones(self._face.shape[:2], np.float32), self.box, self._to_pasted)
        return Patch(self.box, pasted, cover[:, :, None], self.frame_mask)

    def _blended(self, random: Random) -> FloatPicture:
        """The face in the frame's pixels, with everything that the settings add."""
        settings, face = self._settings, self._face
        if settings.needs_light:
            assert self._measures.light is not None, "measured where the settings need it"
            face = relight(face, self._measures.light)
        elif settings.transfers_first:
            seen, colours = self._crop.picture, self._measures.colours
            face = recolour(settings.transfer, face, seen, self._area, random, colours)
        if settings.mode == "hist-match":
            within = self._area if settings.masked_hist_match else None
            face = match_histogram(face, self._crop.picture, within, settings.hist_match_threshold)
        pasted = np.clip(self._pasted(face), 0, 1)
        if settings.is_seamless:
            pasted = self._cloned(pasted)
        return self._reworked(pasted, random) if self._is_reworked else pasted

    def _pasted(self, face: FloatPicture) -> FloatPicture:
        """The face where it belongs. Its edge goes on, for black would be mixed into the face's outermost pixels."""
        return warp_to_frame(face, self.box, self._to_pasted, edge_goes_on=not self._settings.like_original)

    def _cloned(self, pasted: FloatPicture) -> FloatPicture:
        """With the light of the frame; as it is where the mask is next to nothing.

        Hair, a hand or a beard at the mask's edge would give the whole face its colour. So the face comes in the light
        of the frame's skin already, and what is no skin in the frame is taken for the face's own.
        """
        levels = [level / 10 for level in range(1, 10) if (self.frame_mask > level / 10).any()]
        if not levels:
            return pasted
        inside = self.frame_mask[:, :, 0] > levels[0]
        if self._settings.like_original:
            return _cloned_in_bytes(pasted, self._frame[self.box.slices], inside)
        return cloned(pasted, without_what_is_no_skin(self.backdrop, pasted), inside)

    @cached_property
    def _area(self) -> FloatPicture:
        """(O, O, 1): 1 where the mask shows anything; values below 0 from cubic resizing stay, as in the original."""
        small = self._mask.at_face_size(self._crop.side)
        return np.where(small > 0, np.float32(1), small)

    def _reworked(self, pasted: FloatPicture, random: Random) -> FloatPicture:
        """Cut the pasted face out again, change it, and bring it back to where it was."""
        settings, crop = self._settings, self._crop
        face = warp_from_frame(mixed(self.backdrop, pasted, self.frame_mask), self.box, crop.to_face, crop.side)
        if settings.is_seamless and settings.transfer != "none":
            face = recolour(settings.transfer, face, crop.picture, self._area, random)
        if settings.mode == "seamless-hist-match":
            face = match_histogram(face, crop.picture, None, settings.hist_match_threshold)
        length, degrees = self._motion_seen()
        if length:
            is_side = settings.like_original
            face = motion_blur(face, int(length), degrees) if is_side else blur_along(face, length, degrees)
        if settings.sharpen_amount:
            face = sharpen(face, settings.sharpen_mode, settings.sharpen_amount)
        if settings.like_original:
            return warp_to_frame(face, self.box, crop.to_face)
        reworked = warp_to_frame(face, self.box, crop.to_face, edge_goes_on=True)
        if settings.face_scale >= 0:
            return reworked
        # A face that was made larger reaches out of the square that was cut out.
        cover = np.clip(warp_to_frame(np.ones(face.shape[:2], np.float32), self.box, crop.to_face), 0, 1)
        return mixed(pasted, reworked, cover[:, :, None])

    def _motion_seen(self) -> tuple[float, float]:
        """Length in face pixels (0: none) and direction in degrees of the motion blur.

        The way of one frame step, as it is seen in the face's square. The original takes that of two steps, counts
        frame pixels as face pixels, and makes its even lines lie beside their middle; its length is a kernel's side.
        """
        low, high = _MOTION_KERNELS
        share, motion = self._settings.motion_blur / 100, self._motion
        if self._settings.like_original:
            length = int(motion.power * share)
            doubled = 2 if self._enlarged > 1 else 1
            return doubled * min(max(length + 1, low), high) if length >= 1 else 0, motion.degrees
        angle = math.radians(motion.degrees)
        way = self._crop.to_face[:, :2] @ (math.cos(angle), -math.sin(angle)) * (motion.power / 2 * share)
        seen = min(math.hypot(*way), high * self._enlarged)
        return seen if seen >= _SHORTEST_WAY else 0, -math.degrees(math.atan2(way[1], way[0]))


def _cloned_in_bytes(pasted: FloatPicture, frame: Picture, inside: NDArray[np.bool_]) -> FloatPicture:
    """As the original does it, by OpenCV; as it is where that is impossible."""
    mask = inside.astype(np.uint8) * 255
    seen = box_of(inside)
    # One pixel around the mask's box gives what the whole frame would give, to the bit.
    near = seen.grown(1).within(whole(mask))
    centre = (math.floor(seen.left + seen.width / 2) - near.left, math.floor(seen.top + seen.height / 2) - near.top)
    part = (pasted[near.slices] * np.float32(255)).astype(np.uint8)
    try:
        # seamlessClone writes into its mask: give it a copy.
        made = cv2.seamlessClone(part, frame[near.slices], mask[near.slices].copy(), centre, cv2.NORMAL_CLONE)
    except cv2.error:
        return pasted
    result = to_float(frame)
    result[near.slices] = to_float(made)
    return result
