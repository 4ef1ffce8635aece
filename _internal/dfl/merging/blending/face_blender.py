"""One predicted face blended into its frame.

Only the part of the frame around the face is ever turned into floats; outside it a frame stays as it is, to the bit.
All functions are pure, so threads may share frames.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture
from dfl.imaging.filters import motion_blur
from dfl.merging.blending.box import PixelBox, box_in_frame, box_of, warp_from_frame, warp_to_frame, whole
from dfl.merging.blending.cloning import cloned, cloned_in_bytes
from dfl.merging.blending.face_colours import Random, match_histogram, recolour
from dfl.merging.blending.face_crop import STILL, FaceCrop, Motion, square_in_frame, warp_square
from dfl.merging.blending.face_filters import blur_along, mixed, sharpen, to_float
from dfl.merging.blending.face_masks import (
    MASK_SCALE,
    SMALLEST_VALUE,
    FaceMask,
    FacePrediction,
    is_soft,
    shape_mask,
    soften_mask,
    unshaped_mask,
)
from dfl.merging.blending.face_measures import FaceMeasures, measure_face
from dfl.merging.blending.skin import relight, without_what_is_no_skin
from dfl.merging.planning.settings import MergeSettings

# A face whose mask is smaller than this many frame pixels is left alone.
_MIN_MASK_SIZE = 4


@dataclass(frozen=True)
class FacePatch:
    """A blended face: what is laid over the frame at `box`.

    picture: (h, w, 3) float32 BGR. cover: (h, w, 1), its opacity. mask: (h, w, 1) 0..1, what the frame's mask shows
    there; the same as `cover` but in mode raw-rgb, where `cover` may leave 0..1 at the square's rim.
    """

    box: PixelBox
    picture: FloatPicture
    cover: FloatPicture
    mask: FloatPicture


def merge_face(
    frame: Picture,
    crop: FaceCrop,
    prediction: FacePrediction,
    settings: MergeSettings,
    motion: Motion = STILL,
    random: Random | None = None,
    measures: FaceMeasures | None = None,
) -> FacePatch:
    """What is to be laid over the frame around one face. frame: (H, W, 3) uint8 BGR, not changed.

    random: drawn from by the colour transfers idt, sot and mix. measures: of measure_face, smoothed over time; measured
    now when left out. In mode raw-predict the patch is the predicted picture itself, of the model's size.
    """
    measures = measures or measure_face(frame, crop, prediction, settings)
    mask = unshaped_mask(measures.mask) if settings.is_raw else _shaped(measures.mask, settings)
    if settings.mode == "raw-predict":
        small = mask.at_face_size(prediction.face.shape[0])
        return FacePatch(whole(prediction.face), prediction.face, np.ones_like(small), small)
    blender = FaceBlender(frame, crop, prediction.face, mask, measures, settings, motion)
    return blender.patch(random or np.random.default_rng(0))


def _shaped(mask: NDArray[np.float32], settings: MergeSettings) -> FaceMask:
    size = MASK_SCALE * mask.shape[0]
    erode, blur = settings.edge(size)
    if settings.rules.softens_at_model_size and is_soft(blur, size):
        return soften_mask(mask, erode, blur)
    return shape_mask(mask, erode, blur, settings.rules)


def _is_too_small(mask: FloatPicture) -> bool:
    box = box_of(mask[:, :, 0] >= 0.1)
    return min(box.width, box.height) - 1 < _MIN_MASK_SIZE


class FaceBlender:
    """Blends one face into its frame.

    face: (O, O, 3), O = R or with super resolution 4R. box: the part of the frame that may change or is read.
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
        self._settings, self._rules, self._enlarged = settings, settings.rules, face.shape[0] // crop.size
        scale = 1 + 0.01 * settings.face_scale
        self._to_pasted = crop.to_square(self._rules, self._enlarged, scale)
        self._to_mask = crop.to_square(self._rules, mask.size // crop.size, scale)
        self._crop, self._motion = self._enlarged_crop(crop) if self._enlarged > 1 else crop, motion
        self._is_reworked = settings.reworks_face and (self._blur_line()[0] > 0 or settings.reworks_without_motion)
        self.box = self._work_box()
        self.backdrop = to_float(frame[self.box.slices])
        self.frame_mask = self._mask_in_frame()

    def _enlarged_crop(self, crop: FaceCrop) -> FaceCrop:
        """The frame's own face in the pixels of an enlarged one."""
        matrix = crop.to_square(self._rules, self._enlarged)
        border = self._rules.border_pixels * self._enlarged
        picture = np.clip(warp_square(self._frame, matrix, crop.size * self._enlarged, border), 0, 1)
        return replace(crop, picture=picture, to_face=matrix)

    def _work_box(self) -> PixelBox:
        if self._settings.mode == "raw-rgb":
            # Cubic interpolation reaches two pixels of the face's picture out, which may be many in the frame.
            box = box_in_frame(PixelBox(0, 0, self._crop.size, self._crop.size).grown(2), self._to_pasted)
        else:
            box = box_in_frame(self._mask.box.grown(2), self._to_mask)
        if self._is_reworked:
            box = box.union(square_in_frame(self._frame, self._crop.to_face, self._crop.size))
        box = box.within(whole(self._frame))
        return PixelBox(0, 0, 0, 0) if box.is_empty else box

    def _mask_in_frame(self) -> FloatPicture:
        mask = self._mask
        if self.box.is_empty or not mask.values.size:
            return np.zeros((self.box.height, self.box.width, 1), np.float32)
        values = np.clip(warp_to_frame(mask.values, self.box, self._to_mask, mask.left, mask.top), 0, 1)
        values[values < SMALLEST_VALUE] = 0
        return values[:, :, None]

    def patch(self, random: Random) -> FacePatch:
        """The face blended as the mode wants it."""
        if self._settings.mode == "raw-rgb":
            return self._square()
        if self._settings.mode == "original" or _is_too_small(self.frame_mask):
            picture = self.backdrop
        else:
            picture = self._blended(random)
        return FacePatch(self.box, picture, self.frame_mask, self.frame_mask)

    def _square(self) -> FacePatch:
        """The whole predicted square."""
        if self.box.is_empty:
            return FacePatch(self.box, self.backdrop, self.frame_mask, self.frame_mask)
        pasted = self._pasted(self._face)
        cover = warp_to_frame(np.ones(self._face.shape[:2], np.float32), self.box, self._to_pasted)
        return FacePatch(self.box, pasted, cover[:, :, None], self.frame_mask)

    def _blended(self, random: Random) -> FloatPicture:
        """The face in the frame's pixels, with everything that the settings add."""
        settings, face = self._settings, self._face
        if settings.needs_light:
            assert self._measures.light is not None, "measured where the settings need it"
            face = relight(face, self._measures.light)
        elif settings.transfers_first:
            own_face, colours = self._crop.picture, self._measures.colours
            face = recolour(settings.transfer, face, own_face, self._area, random, colours)
        if settings.mode == "hist-match":
            within = self._area if settings.masked_hist_match else None
            face = match_histogram(face, self._crop.picture, within, settings.hist_match_threshold)
        pasted = np.clip(self._pasted(face), 0, 1)
        if settings.is_seamless:
            pasted = self._cloned(pasted)
        return self._reworked(pasted, random) if self._is_reworked else pasted

    def _pasted(self, face: FloatPicture) -> FloatPicture:
        """The face warped to the frame."""
        return warp_to_frame(face, self.box, self._to_pasted, replicate_border=self._rules.replicates_face_border)

    def _cloned(self, pasted: FloatPicture) -> FloatPicture:
        """Poisson cloning into the frame; unchanged where the mask is next to nothing.

        Hair, a hand or a beard at the mask's edge would give the whole face its colour. So the face comes in the light
        of the frame's skin already, and what is no skin in the frame is taken for the face's own.
        """
        levels = [level / 10 for level in range(1, 10) if (self.frame_mask > level / 10).any()]
        if not levels:
            return pasted
        inside = self.frame_mask[:, :, 0] > levels[0]
        if not self._rules.clones_in_floats:
            return cloned_in_bytes(pasted, self._frame[self.box.slices], inside)
        return cloned(pasted, without_what_is_no_skin(self.backdrop, pasted), inside)

    @cached_property
    def _area(self) -> FloatPicture:
        """(O, O, 1): 1 where the mask shows anything; values below 0 from cubic resizing stay, as in the original."""
        small = self._mask.at_face_size(self._crop.size)
        return np.where(small > 0, np.float32(1), small)

    def _reworked(self, pasted: FloatPicture, random: Random) -> FloatPicture:
        """Crop the pasted face again, change it, and warp it back."""
        settings, crop, rules = self._settings, self._crop, self._rules
        face = warp_from_frame(mixed(self.backdrop, pasted, self.frame_mask), self.box, crop.to_face, crop.size)
        if settings.is_seamless and settings.transfer != "none":
            face = recolour(settings.transfer, face, crop.picture, self._area, random)
        if settings.mode == "seamless-hist-match":
            face = match_histogram(face, crop.picture, None, settings.hist_match_threshold)
        length, degrees = self._blur_line()
        if length:
            if rules.motion_in_face:
                face = blur_along(face, length, degrees)
            else:
                face = motion_blur(face, int(length), degrees)
        if settings.sharpen_amount:
            face = sharpen(face, settings.sharpen_mode, settings.sharpen_amount)
        reworked = warp_to_frame(face, self.box, crop.to_face, replicate_border=rules.replicates_face_border)
        if settings.face_scale >= 0 or not rules.keeps_face_outside_square:
            return reworked
        # A face that was made larger reaches out of the square that was cropped.
        cover = np.clip(warp_to_frame(np.ones(face.shape[:2], np.float32), self.box, crop.to_face), 0, 1)
        return mixed(pasted, reworked, cover[:, :, None])

    def _blur_line(self) -> tuple[float, float]:
        """Length in face pixels (0: none) and direction in degrees of the motion blur."""
        share, motion = self._settings.motion_blur / 100, self._motion
        angle = math.radians(motion.degrees)
        way = self._crop.to_face[:, :2] @ (math.cos(angle), -math.sin(angle)) * (motion.power / 2 * share)
        length = self._rules.blur_length(motion.power * share, (way[0], way[1]), self._enlarged)
        if not self._rules.motion_in_face:
            return length, motion.degrees
        return length, -math.degrees(math.atan2(way[1], way[0]))
