"""A merged frame: its blended faces laid over it, in as many bits as are wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture, Picture
from dfl.merging.blending.box import PixelBox, whole
from dfl.merging.blending.face_blender import FacePatch
from dfl.merging.blending.face_filters import coarsen, denoise, mixed, reduce_colours, to_float
from dfl.merging.blending.original_rules import EXACT_RULES, MergeRules
from dfl.merging.planning.settings import MergeSettings


@dataclass(frozen=True, eq=False)
class MergedFrame:
    """A frame with its faces merged.

    frame: (H, W, 3) uint8 BGR, as it was read. box: the part of it that changed; picture (h, w, 3) and mask (h, w, 1)
    float32 0..1 are what it became there. Everywhere else the frame is as it was and the mask 0.
    """

    frame: Picture
    box: PixelBox
    picture: FloatPicture
    mask: FloatPicture
    rules: MergeRules = EXACT_RULES

    @property
    def is_changed(self) -> bool:
        return not self.box.is_empty

    def as_bytes(self) -> tuple[Picture, NDArray[np.uint8]]:
        """Picture (H, W, 3) uint8 BGR and mask (H, W) uint8."""
        picture = self.frame.copy()
        mask = np.zeros(self.frame.shape[:2], np.uint8)
        if self.is_changed:
            picture[self.box.slices] = self._bytes(self.picture)
            mask[self.box.slices] = self._bytes(self.mask).reshape(self.mask.shape[:2])
        return picture, mask

    def _bytes(self, values: FloatPicture) -> NDArray[np.uint8]:
        if self.rules.rounds:
            return cv2.convertScaleAbs(values, alpha=255)  # type: ignore[return-value]
        return (values * np.float32(255)).astype(np.uint8)

    def as_floats(self) -> tuple[FloatPicture, NDArray[np.float32]]:
        """Picture (H, W, 3) float32 BGR 0..1 and mask (H, W) float32 0..1."""
        picture = to_float(self.frame)
        mask = np.zeros(self.frame.shape[:2], np.float32)
        if self.is_changed:
            picture[self.box.slices] = self.picture
            mask[self.box.slices] = self.mask[:, :, 0]
        return picture, mask


def compose(frame: Picture, patches: Sequence[FacePatch], settings: MergeSettings) -> MergedFrame:
    """Lay patches over (H, W, 3) uint8 BGR `frame`, each over those before it; `frame` is not changed.

    settings: of the frame as a whole: what is done to its background, and to all of it at the end.
    """
    rules = settings.rules
    changes_all = settings.changes_background and bool(patches or rules.changes_frames_without_face)
    box = whole(frame) if changes_all else _hull([patch.box for patch in patches])
    picture: Any = to_float(frame[box.slices])
    mask = np.zeros((*picture.shape[:2], 1), np.float32)
    if changes_all and settings.denoise:
        picture = denoise(picture, settings.denoise)
    if changes_all and settings.bicubic:
        picture = coarsen(picture, settings.bicubic)
    for number, patch in enumerate(patches):
        if not patch.box.is_empty:
            here = patch.box.moved(-box.left, -box.top).slices
            over = patch.picture
            if rules.mixes_later_faces_twice and number:
                over = mixed(to_float(frame[patch.box.slices]), over, patch.cover)
            picture[here] = mixed(picture[here], over, patch.cover)
            mask[here] = np.minimum(mask[here] + patch.mask, 1)
    picture = np.clip(picture, 0, 1, out=picture)
    if changes_all and settings.colour_degrade:
        share = np.float32(settings.colour_degrade / 100)
        picture = picture * (1 - share) + reduce_colours(picture) * share
    return MergedFrame(frame, box, picture, np.clip(mask, 0, 1, out=mask), rules)


def compose_raw(patch: FacePatch, settings: MergeSettings) -> MergedFrame:
    """Mode raw-predict: the predicted picture alone, and its mask."""
    canvas = np.zeros(patch.picture.shape, np.uint8)
    return MergedFrame(canvas, patch.box, patch.picture, np.clip(patch.mask, 0, 1), settings.rules)


def _hull(boxes: Sequence[PixelBox]) -> PixelBox:
    """The smallest box that holds all that are not empty."""
    hull = PixelBox(0, 0, 0, 0)
    for box in boxes:
        if not box.is_empty:
            hull = box if hull.is_empty else hull.union(box)
    return hull
