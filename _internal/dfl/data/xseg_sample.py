"""One XSeg sample: a strongly augmented face, and the mask of the outline that the user drew.

Random numbers and filters are in the original's order, with three bugs fixed: an applied mask is resized to the
picture's size first; flares are added by screen blending and do not saturate; masks are warped with linear
interpolation, without ringing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import FloatPicture, Picture
from dfl.data.augmentation.random_filters import (
    Mask,
    blend,
    blur_sometimes,
    compress_sometimes,
    motion_blur_sometimes,
    random_circle,
    resize_sometimes,
    sharpen_sometimes,
    shift_hue,
    shift_levels,
)
from dfl.data.augmentation.warp import AugmentRanges, apply_geometry, random_geometry
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.segmentation import decode_mask, draw_polygons

XSEG_SIDE = 256
_TO_UNIT = np.float32(1 / 255)
_FACE = AugmentRanges(rotation=10, scale=0.05, shift=0.05)
_BACKGROUND = AugmentRanges(rotation=180, scale=0.1, shift=0.1)
_CHANCE, _MAX_BLUR, _MAX_SHRINK = 25, 5, 75


@dataclass(frozen=True)
class XsegSettings:
    """Settings of XSeg's samples.

    kind: labelled: picture and mask, augmented. pretraining: the warped picture, and the same in grey as its mask.
    plain: the picture without augmentation, for previews.
    """

    face_type: FaceType
    kind: Literal["labelled", "pretraining", "plain"] = "labelled"
    resolution: int = XSEG_SIDE


@dataclass(frozen=True, eq=False)
class XsegBase:
    """A face at the model's resolution: picture (R, R, 3) uint8 BGR; mask (R, R) uint8, 0..255, all 0 without label."""

    picture: Picture
    mask: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        return self.picture.nbytes + self.mask.nbytes


def has_polygons(metadata: FaceMetadata) -> bool:
    """Whether the user has drawn an outline."""
    return any(len(polygon.points) for polygon in metadata.polygons)


def make_xseg_base(picture: Picture, metadata: FaceMetadata, settings: XsegSettings, name: str = "") -> XsegBase:
    """Align a picture (S, S, 3) uint8 BGR and its label to the model's face type and resolution.

    The label: the polygons, else the applied mask, thresholded at 0.5. UserError for a damaged mask and for pictures
    that are not square; `name`: file in messages.
    """
    size = picture.shape[0]
    if picture.shape[1] != size:
        raise UserError(f"{name} is not square: it is no aligned face.", "Move it out of the faceset.")
    matrix = None
    if metadata.face_type is not settings.face_type:
        matrix = alignment_matrix(metadata.landmarks, settings.resolution, settings.face_type)
    is_pretraining = settings.kind == "pretraining"
    # Outside a picture of a narrower face type: border replicated for pretraining, black for the others.
    how = (cv2.INTER_CUBIC, cv2.BORDER_REPLICATE) if is_pretraining else (cv2.INTER_LANCZOS4, cv2.BORDER_CONSTANT)
    label = np.zeros((size, size), np.uint8) if is_pretraining else _label(size, metadata, name)
    return XsegBase(
        _fitted(picture, matrix, settings.resolution, *how), _fitted(label, matrix, settings.resolution, *how)
    )


def _label(size: int, metadata: FaceMetadata, name: str) -> NDArray[np.uint8]:
    """(S, S) uint8, 0 or 255."""
    if has_polygons(metadata):
        label: Any = draw_polygons((size, size), metadata.polygons)
    elif metadata.xseg_mask is not None:
        label = cv2.resize(decode_mask(metadata.xseg_mask, name), (size, size), interpolation=cv2.INTER_CUBIC)
    else:
        return np.zeros((size, size), np.uint8)
    return np.where(label.reshape(size, size) >= 0.5, np.uint8(255), np.uint8(0))


def _fitted(picture: Any, matrix: Any, resolution: int, interpolation: int, border: int) -> NDArray[np.uint8]:
    square = (resolution, resolution)
    if matrix is not None:
        picture = cv2.warpAffine(picture, matrix, square, flags=interpolation, borderMode=border)
    elif picture.shape[0] != resolution:
        picture = cv2.resize(picture, square, interpolation=interpolation)
    return np.asarray(picture, np.uint8)


def fill_xseg_sample(
    base: XsegBase,
    settings: XsegSettings,
    other: Callable[[], XsegBase],
    random: RandomState,
    picture: FloatPicture,
    mask: Mask,
) -> None:
    """Augment `base` into `picture` (R, R, 3) and `mask` (R, R, 1), float32 0..1.

    other: returns a second face; half of the samples get its background mixed into their own.
    """
    face: FloatPicture = base.picture * _TO_UNIT
    label: Mask = (base.mask * _TO_UNIT)[:, :, None]
    if settings.kind == "labelled":
        if random.randint(2) == 0:
            face = _with_background(face, label, other(), random)
        face, label = _warped(face, label, random)
        face = _filtered(_flared(face, label, random), random)
    elif settings.kind == "pretraining":
        face = _warped(face, label, random)[0]
        label = np.asarray(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), np.float32)[:, :, None]
    picture[...] = face
    mask[...] = label if settings.kind == "pretraining" else label >= 0.5


def _with_background(face: FloatPicture, label: Mask, other: XsegBase, random: RandomState) -> FloatPicture:
    """Mix the background of another face, rotated at random and with shifted colours, into this face's background."""
    geometry = random_geometry(len(face), random, random, _BACKGROUND, may_flip=True)
    ground = apply_geometry(other.picture * _TO_UNIT, geometry, warp=False)
    other_label = (other.mask * _TO_UNIT)[:, :, None]
    other_label = apply_geometry(
        other_label, geometry, warp=False, interpolation=cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT
    )
    ground = np.clip(ground * (1 - other_label), 0, 1)
    ground = shift_hue(ground, random) if random.randint(2) == 0 else shift_levels(ground, random)
    foreground = 1 - (1 - other_label) * (1 - label)
    share = np.float32(0.15 + 0.85 * random.uniform())
    weight = foreground + (1 - foreground) * share
    return np.asarray(face * weight + ground * (1 - weight), np.float32)


def _warped(face: FloatPicture, label: Mask, random: RandomState) -> tuple[FloatPicture, Mask]:
    geometry = random_geometry(len(face), random, random, _FACE, may_flip=True)
    mask = apply_geometry(label, geometry, interpolation=cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT)
    return np.clip(apply_geometry(face, geometry), 0, 1), (mask >= 0.5).astype(np.float32)


def _flared(face: FloatPicture, label: Mask, random: RandomState) -> FloatPicture:
    """Add glare: widely blurred light of the face, and of the background, each with a probability of 0.5."""
    side = len(face)
    for area in (label, 1 - label):
        if random.randint(2) == 0:
            size = random.randint(side // 4, side)
            light = _widely_blurred(face * area, size - size % 2 + 1)
            # Screen blending; plain addition, as in the original, saturates many faces to white.
            face = face + light * (1 - face)
    return face


def _widely_blurred(picture: FloatPicture, size: int) -> FloatPicture:
    """Gaussian blur with an odd kernel size of at least a quarter of the picture, computed at a quarter of the
    resolution: within 0.01 of the exact result in a tenth of the time."""
    height, width = picture.shape[:2]
    # OpenCV's default sigma for a kernel of this size.
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    small = cv2.resize(picture, (max(width // 4, 1), max(height // 4, 1)), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (size // 4 | 1, size // 4 | 1), sigma / 4, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _filtered(face: FloatPicture, random: RandomState) -> FloatPicture:
    """Random filters of colour, sharpness, resolution and JPEG, each within its own random soft circle."""

    def within_circle(change: Callable[[FloatPicture], FloatPicture]) -> FloatPicture:
        circle = random_circle(face.shape[0], face.shape[1], random)
        return blend(face, change(face), circle)

    if random.randint(2) == 0:
        face = within_circle(lambda x: shift_hue(x, random))
    else:
        face = within_circle(lambda x: shift_levels(x, random))
    if random.randint(2) == 0:
        face = within_circle(lambda x: sharpen_sometimes(x, random, _CHANCE, _MAX_BLUR))
    else:
        face = within_circle(lambda x: motion_blur_sometimes(x, random, _CHANCE, _MAX_BLUR))
        face = within_circle(lambda x: blur_sometimes(x, random, _CHANCE, _MAX_BLUR))
    interpolation = cv2.INTER_NEAREST if random.randint(2) == 0 else cv2.INTER_LINEAR
    face = within_circle(lambda x: resize_sometimes(x, random, _CHANCE, _MAX_SHRINK, interpolation))
    face = np.clip(face, 0, 1)
    return within_circle(lambda x: compress_sometimes(x, random, _CHANCE))
