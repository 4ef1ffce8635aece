"""One face put into one frame: cut it out, and blend what the model made of it back in.

Only the part of the frame around the face is ever turned into floats; outside it a frame stays as it is, to the bit.
All functions are pure, so threads and processes may share frames.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Matrix, Picture
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.faces.masks import hull_mask
from dfl.merging.box import Box, box_in_frame, box_of, cut_face, put_back, whole
from dfl.merging.colours import Random, match_histogram, recolour
from dfl.merging.masks import (
    MASK_SCALE,
    SMALLEST_VALUE,
    FaceMask,
    FacePrediction,
    choose_mask,
    shape_mask,
    unshaped_mask,
)
from dfl.merging.operations import coarsen, denoise, reduce_colours, sharpen, to_float
from dfl.merging.settings import MergeSettings
from dfl.samples.filters import motion_blur

XSEG_SIDE = 256
# Around the square: cubic interpolation reads 2 pixels further.
_FRAME_MARGIN = 8
# A face whose mask is smaller than this many frame pixels is left alone.
_SMALLEST_MASK_SIDE = 4
_MOTION_KERNELS = (2, 50)


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
    """A changed part of a frame: picture (h, w, 3) and mask (h, w, 1), float32 0..1, at `box`."""

    box: Box
    picture: FloatPicture
    mask: FloatPicture


def cut_out(frame: Picture, landmarks: NDArray[np.floating], face_type: FaceType, side: int) -> FaceCrop:
    """Cut a face out of (H, W, 3) uint8 `frame` for a model of `side` pixels. UserError for unusable landmarks."""
    to_face = alignment_matrix(landmarks, side, face_type)
    return FaceCrop(landmarks, face_type, np.clip(_aligned(frame, to_face, side), 0, 1), to_face)


def xseg_input(frame: Picture, crop: FaceCrop, face_type: FaceType) -> FloatPicture:
    """What XSeg is shown of the frame's own face: (256, 256, 3) float32; cubic, so it may leave 0..1 a little."""
    return _aligned(frame, alignment_matrix(crop.landmarks, XSEG_SIDE, face_type), XSEG_SIDE)


def _aligned(frame: Picture, to_face: Matrix, side: int) -> FloatPicture:
    box = _square_in_frame(frame, to_face, side)
    if box.is_empty:
        return np.zeros((side, side, 3), np.float32)
    return cut_face(to_float(frame[box.slices]), box, to_face, side)


def merge_face(
    frame: Picture,
    crop: FaceCrop,
    prediction: FacePrediction,
    settings: MergeSettings,
    motion: Motion = STILL,
    random: Random | None = None,
) -> Patch:
    """What becomes of the frame around one face. frame: (H, W, 3) uint8 BGR, not changed.

    random: drawn from by the colour transfers idt, sot and mix. In mode raw-predict the patch is the predicted picture
    itself, of the model's size.
    """
    mask = _face_mask(frame, crop, prediction, settings)
    if settings.mode == "raw-predict":
        return Patch(whole(prediction.face), prediction.face, mask.at_face_size())
    pasting = _Pasting(frame, crop, mask, settings)
    if settings.mode == "raw-rgb":
        picture = pasting.square_over(prediction.face)
    elif settings.mode == "original" or _is_too_small(pasting.frame_mask):
        picture = pasting.backdrop
    else:
        picture = pasting.blended(prediction.face, motion, random)
    return Patch(pasting.box, picture, pasting.frame_mask)


def _face_mask(frame: Picture, crop: FaceCrop, prediction: FacePrediction, settings: MergeSettings) -> FaceMask:
    """The mask in the face's square, as the settings want it."""

    def hull() -> NDArray[np.float32]:
        box = _square_in_frame(frame, crop.to_face, crop.side)
        if box.is_empty:
            return np.zeros((crop.side, crop.side), np.float32)
        # Drawn from the frame's corner on: the hull's whole pixels are cut off towards zero.
        drawn = hull_mask((box.bottom, box.right), crop.landmarks)[box.slices]
        return np.clip(cut_face(drawn, box, crop.to_face, crop.side), 0, 1)

    chosen = choose_mask(settings.mask_mode, prediction, hull)
    return unshaped_mask(chosen) if settings.is_raw else shape_mask(chosen, settings.erode, settings.blur)


def _square_in_frame(frame: Picture, to_face: Matrix, side: int) -> Box:
    """The part of the frame that the face's square is cut from."""
    return box_in_frame(Box(0, 0, side, side), to_face).grown(_FRAME_MARGIN).within(whole(frame))


def _is_too_small(mask: FloatPicture) -> bool:
    seen = box_of(mask[:, :, 0] >= 0.1)
    return min(seen.width, seen.height) - 1 < _SMALLEST_MASK_SIDE


class _Pasting:
    """One face on its way back into its frame.

    box: the part of the frame that may change or is looked at. backdrop (h, w, 3) and frame_mask (h, w, 1): the frame
    and the mask there, float32 0..1.
    """

    def __init__(self, frame: Picture, crop: FaceCrop, mask: FaceMask, settings: MergeSettings) -> None:
        self._frame, self._crop, self._mask, self._settings = frame, crop, mask, settings
        scale = 1 + 0.01 * settings.face_scale
        self._to_pasted = alignment_matrix(crop.landmarks, crop.side, crop.face_type, scale)
        self._to_mask = alignment_matrix(crop.landmarks, crop.side * MASK_SCALE, crop.face_type, scale)
        self.box = self._work_box()
        self.backdrop = to_float(frame[self.box.slices])
        self.frame_mask = self._mask_in_frame()

    def _work_box(self) -> Box:
        if self._settings.changes_background:
            return whole(self._frame)
        if self._settings.mode == "raw-rgb":
            # Cubic interpolation reaches two pixels of the face's picture out, which may be many in the frame.
            box = box_in_frame(Box(0, 0, self._crop.side, self._crop.side).grown(2), self._to_pasted)
        else:
            box = box_in_frame(self._mask.box.grown(2), self._to_mask)
        if self._settings.reworks_face:
            box = box.around(_square_in_frame(self._frame, self._crop.to_face, self._crop.side))
        box = box.within(whole(self._frame))
        return Box(0, 0, 0, 0) if box.is_empty else box

    def _mask_in_frame(self) -> FloatPicture:
        mask = self._mask
        if self.box.is_empty or not mask.values.size:
            return np.zeros((self.box.height, self.box.width, 1), np.float32)
        laid = np.clip(put_back(mask.values, self.box, self._to_mask, mask.left, mask.top), 0, 1)
        laid[laid < SMALLEST_VALUE] = 0
        return laid[:, :, None]

    @cached_property
    def _area(self) -> FloatPicture:
        """1 wherever the mask shows anything; values below 0 from cubic resizing stay, as in the original."""
        small = self._mask.at_face_size()
        return np.where(small > 0, np.float32(1), small)

    def square_over(self, face: FloatPicture) -> FloatPicture:
        """The whole predicted square laid over the frame."""
        if self.box.is_empty:
            return self.backdrop
        pasted = put_back(face, self.box, self._to_pasted)
        cover = put_back(np.ones(face.shape[:2], np.float32), self.box, self._to_pasted)[:, :, None]
        return np.clip(_mixed(self.backdrop, pasted, cover), 0, 1)

    def blended(self, face: FloatPicture, motion: Motion, random: Random | None) -> FloatPicture:
        """The face blended into the frame, with everything that the settings add."""
        settings, seen = self._settings, self._crop.picture
        if settings.colour_transfer != "none" and not settings.is_seamless:
            face = recolour(settings.colour_transfer, face, seen, self._area, random)
        if settings.mode == "hist-match":
            within = self._area if settings.masked_hist_match else None
            face = match_histogram(face, seen, within, settings.hist_match_threshold)
        pasted = np.clip(put_back(face, self.box, self._to_pasted), 0, 1)
        if settings.is_seamless:
            pasted = _cloned(pasted, self._frame[self.box.slices], self.frame_mask)
        out = _mixed(self.backdrop, pasted, self.frame_mask)
        if settings.reworks_face:
            out = self._reworked(out, motion, random)
        if settings.colour_degrade:
            share = np.float32(settings.colour_degrade / 100)
            out = out * (1 - share) + reduce_colours(out) * share
        return out

    def _reworked(self, out: FloatPicture, motion: Motion, random: Random | None) -> FloatPicture:
        """Cut the pasted face out again, change it and what is around it, and put it back where it was."""
        settings, crop, backdrop = self._settings, self._crop, self.backdrop
        face = cut_face(out, self.box, crop.to_face, crop.side)
        if settings.is_seamless and settings.colour_transfer != "none":
            face = recolour(settings.colour_transfer, face, crop.picture, self._area, random)
        if settings.mode == "seamless-hist-match":
            face = match_histogram(face, crop.picture, None, settings.hist_match_threshold)
        length = int(motion.power * settings.motion_blur / 100)
        if length >= 1:
            low, high = _MOTION_KERNELS
            face = motion_blur(face, min(max(length + 1, low), high), motion.degrees)
        if settings.sharpen_amount:
            face = sharpen(face, settings.sharpen_mode, settings.sharpen_amount)
        if settings.denoise:
            backdrop = denoise(backdrop, settings.denoise)
        if settings.bicubic:
            backdrop = coarsen(backdrop, settings.bicubic)
        return np.clip(_mixed(backdrop, put_back(face, self.box, crop.to_face), self.frame_mask), 0, 1)


def _mixed(under: FloatPicture, over: FloatPicture, mask: FloatPicture) -> FloatPicture:
    return under * (1 - mask) + over * mask


def _cloned(pasted: FloatPicture, frame: Picture, mask: FloatPicture) -> FloatPicture:
    """`pasted` with the light of `frame` at the mask's edge (Poisson cloning); as it is where that is impossible."""
    levels = [level / 10 for level in range(1, 10) if (mask > level / 10).any()]
    if not levels:
        return pasted
    inside = (mask[:, :, 0] > levels[0]).astype(np.uint8) * 255
    seen = box_of(inside > 0)
    # One pixel around the mask's box gives what the whole frame would give, to the bit.
    near = seen.grown(1).within(whole(inside))
    centre = (math.floor(seen.left + seen.width / 2) - near.left, math.floor(seen.top + seen.height / 2) - near.top)
    part = (pasted[near.slices] * np.float32(255)).astype(np.uint8)
    try:
        # seamlessClone writes into its mask: give it a copy.
        cloned = cv2.seamlessClone(part, frame[near.slices], inside[near.slices].copy(), centre, cv2.NORMAL_CLONE)
    except cv2.error:
        return pasted
    result = to_float(frame)
    result[near.slices] = to_float(cloned)
    return result
