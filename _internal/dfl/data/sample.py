"""One training sample: the network's input and targets, made from one face.

In two steps. The base is deterministic and cached: a face's picture and masks at the model's resolution, in 8 bits, so
that many fit into memory. The sample is the base after random augmentation (colours, geometry), in float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.random import Generator, RandomState
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import FloatPicture, Picture
from dfl.data.augmentation.degradation import Degradations, degrade
from dfl.data.augmentation.warp import AugmentRanges, Geometry, apply_geometry, apply_to_planes, random_geometry
from dfl.faces.align import alignment_matrix
from dfl.faces.face_type import FaceType
from dfl.faces.masks import eyes_and_mouth, hull_mask
from dfl.faceset.aligned_face import FaceMetadata
from dfl.faceset.segmentation import decode_mask_bytes
from dfl.imaging.colour_transfer import ColourStatistics, colours_of, is_formula, recolour, transfer
from dfl.imaging.transfers import TrainingTransfer

_TO_UNIT = np.float32(1 / 255)
_FEW_PIXELS = 3  # from this ratio of the picture's size to the model's resolution on
Mask8 = NDArray[np.uint8]  # (R, R) or (R, R, 2), 0..255
EyesMouth = Literal["none", "joint", "separate"]
Partner = Picture | ColourStatistics


@dataclass(frozen=True)
class SampleSettings:
    """Settings of the samples of one side of a model.

    resolution: size in pixels. warp: warp the input. flip: mirror 40 % of the samples. eyes_mouth: mask of eyes and
    mouth in one channel, in two (eyes, mouth), or none. transfer: colour transfer from a partner's picture. hsv_power:
    0..1, strength of the input's random HSV shift. symmetric_warp, centred_warp: see warp.random_geometry. degrade:
    degradations of the input.
    """

    resolution: int
    face_type: FaceType
    warp: bool = True
    flip: bool = False
    ranges: AugmentRanges = field(default_factory=AugmentRanges)
    eyes_mouth: EyesMouth = "none"
    transfer: TrainingTransfer = "none"
    hsv_power: float = 0.0
    symmetric_warp: bool = True
    centred_warp: bool = False
    degrade: Degradations = field(default_factory=Degradations)

    @property
    def eyes_mouth_channels(self) -> int:
        """Number of channels of the mask of eyes and mouth, 0 to 2."""
        return {"none": 0, "joint": 1, "separate": 2}[self.eyes_mouth]


@dataclass(frozen=True, eq=False)
class Base:
    """A face at the model's resolution, uint8: picture (R, R, 3) BGR; mask (R, R), 0..255; eyes_mouth (R, R), or
    (R, R, 2) with eyes and mouth in separate channels."""

    picture: Picture
    mask: Mask8
    eyes_mouth: Mask8 | None

    @property
    def nbytes(self) -> int:
        return self.picture.nbytes + self.mask.nbytes + (0 if self.eyes_mouth is None else self.eyes_mouth.nbytes)


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample, float32, 0..1, all parts with the same rotation, scale, shift and flip.

    warped: (R, R, 3) BGR, the input. target: (R, R, 3) BGR, not warped. mask: (R, R, 1), the face's area. eyes_mouth:
    (R, R, 1), or (R, R, 2) with separate channels, each with a maximum of 1; or None.
    """

    warped: FloatPicture
    target: FloatPicture
    mask: FloatPicture
    eyes_mouth: FloatPicture | None


@dataclass(frozen=True, eq=False)
class SideBatch:
    """A batch of samples of one side: the arrays of Sample with a first dimension N, float32.

    faces: (N,), index of each sample's face in the list of faces.
    """

    warped: FloatPicture
    target: FloatPicture
    mask: FloatPicture
    eyes_mouth: FloatPicture | None
    faces: NDArray[np.int64]

    def sample(self, index: int) -> Sample:
        """One sample of the batch, as views."""
        eyes_mouth = None if self.eyes_mouth is None else self.eyes_mouth[index]
        return Sample(self.warped[index], self.target[index], self.mask[index], eyes_mouth)


def empty_batch(settings: SampleSettings, count: int) -> SideBatch:
    """Uninitialised arrays of a batch of `count` samples."""
    side, channels = settings.resolution, settings.eyes_mouth_channels
    return SideBatch(
        np.empty((count, side, side, 3), np.float32),
        np.empty((count, side, side, 3), np.float32),
        np.empty((count, side, side, 1), np.float32),
        np.empty((count, side, side, channels), np.float32) if channels else None,
        np.zeros(count, np.int64),
    )


class RandomStreams:
    """The random generators of one sample, used in the original's order; reseeded for each sample, which is cheap.

    colours: for the random colour transfers. geometry: for rotation, scale, shift, flip, then the HSV shift. grid: for
    the warp. The last two start with the same seed. faults: for degradations, which the original does not have.
    """

    def __init__(self) -> None:
        self.colours, self.geometry, self.grid = RandomState(0), RandomState(0), RandomState(0)
        self._seed = 0

    def start(self, seed: int) -> None:
        """Seed for a sample, 0..2**32-1; equal to the original after `numpy.random.seed(seed)`."""
        self._seed = seed
        self.colours.seed(seed)
        sample_seed = int(self.colours.randint(0x80000000))
        self.geometry.seed(sample_seed)
        self.grid.seed(sample_seed)

    def faults(self) -> Generator:
        """A generator of its own, so that the other streams do not depend on degradations."""
        return np.random.default_rng((self._seed, 1))


def make_base(picture: Picture, metadata: FaceMetadata, settings: SampleSettings, name: str = "") -> Base:
    """Align a picture (S, S, 3) uint8 BGR and its masks to the model's face type and resolution.

    UserError for a mark_only face, for a damaged mask, and for pictures that are not square; `name`: file in messages.
    """
    size = picture.shape[0]
    if picture.shape[1] != size:
        raise UserError(f"{name} is not square: it is no aligned face.", "Move it out of the faceset.")
    if metadata.face_type is FaceType.MARK_ONLY:
        raise UserError(f"{name} is of face type mark_only.", "Extract it again as whole_face, full_face or head.")
    matrix = None
    if metadata.face_type is not settings.face_type:
        matrix = alignment_matrix(metadata.landmarks, settings.resolution, settings.face_type)
    mask = _face_mask(size, metadata, name)
    eyes_mouth = None
    if settings.eyes_mouth != "none":
        drawn = _eyes_mouth(mask, metadata, settings.eyes_mouth)
        eyes_mouth = _fitted(drawn, matrix, settings.resolution, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    return Base(
        _fitted_picture(picture, matrix, settings.resolution),
        _fitted(mask, matrix, settings.resolution, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT),
        eyes_mouth,
    )


def _face_mask(size: int, metadata: FaceMetadata, name: str) -> Mask8:
    """The face's area at the picture's size, (S, S) uint8: the XSeg mask if there is one, else the landmarks' hull."""
    if metadata.xseg_mask is None:
        return _to_bytes(hull_mask((size, size), metadata.landmarks, metadata.eyebrows_expand_mod))
    mask = decode_mask_bytes(metadata.xseg_mask, name)
    return np.asarray(cv2.resize(mask, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


def _eyes_mouth(mask: Mask8, metadata: FaceMetadata, kind: EyesMouth) -> Mask8:
    """Eyes and mouth within the face's area `mask`, at the picture's size: (S, S) with both, or (S, S, 2)."""
    eyes, mouth = eyes_and_mouth(mask.shape, metadata.landmarks)
    drawn = cv2.add(eyes, mouth) if kind == "joint" else cv2.merge([eyes, mouth])
    return np.asarray(cv2.copyTo(drawn, mask), np.uint8)


def _to_bytes(mask: Any) -> Mask8:
    """(S, S, 1) or (S, S) float32 >= 0 as (S, S) uint8, 255 for 1: rounded, values above 1 clipped."""
    return np.asarray(cv2.convertScaleAbs(mask, alpha=255), np.uint8).reshape(mask.shape[:2])


def _fitted(picture: Any, matrix: Any, resolution: int, interpolation: int, border: int) -> NDArray[np.uint8]:
    """Aligned by the matrix, or resized to `resolution` where the face types are the same."""
    if matrix is not None:
        fitted = cv2.warpAffine(picture, matrix, (resolution, resolution), flags=interpolation, borderMode=border)
    elif picture.shape[0] != resolution:
        fitted = cv2.resize(picture, (resolution, resolution), interpolation=interpolation)
    else:
        fitted = picture
    return np.asarray(fitted, np.uint8)


def _fitted_picture(picture: Picture, matrix: Any, resolution: int) -> Picture:
    if matrix is None or len(picture) >= _FEW_PIXELS * resolution:
        return _fitted(picture, matrix, resolution, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    # OpenCV has SIMD code for cubic interpolation of one 16-bit channel: single planes take less time, unless the
    # picture is much larger than the result and splitting it takes most of the time.
    planes = [
        cv2.warpAffine(
            plane.astype(np.uint16),
            matrix,
            (resolution, resolution),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for plane in cv2.split(picture)
    ]
    return np.asarray(cv2.convertScaleAbs(cv2.merge(planes)), np.uint8)


def make_partner(picture: Picture, settings: SampleSettings) -> Partner:
    """The reference of the settings' colour transfer: the whole picture, whatever its face type, at the model's
    resolution; only its colour statistics where the transfer needs no more."""
    fitted = np.asarray(cv2.resize(picture, (settings.resolution, settings.resolution)), np.uint8)
    return colours_of(settings.transfer, fitted * _TO_UNIT) if is_formula(settings.transfer) else fitted


def fill_sample(
    base: Base, settings: SampleSettings, streams: RandomStreams, partner: Partner | None, into: Sample
) -> None:
    """Augment `base` into one sample's arrays `into`; `streams` was started with the sample's seed.

    partner: result of make_partner, needed for a colour transfer.
    """
    side, may_flip = settings.resolution, settings.flip
    geometry = random_geometry(
        side,
        streams.geometry,
        streams.grid,
        settings.ranges,
        may_flip,
        settings.symmetric_warp,
        settings.centred_warp,
    )
    source, target = _recoloured(base, settings, streams, partner)
    target_planes = _float_planes(target)
    input_planes = target_planes if source is target else _float_planes(source)
    if settings.hsv_power > 0:
        shifted = _shifted_colour(cv2.merge(input_planes), settings.hsv_power, streams.geometry)
        input_planes = cv2.split(shifted)
    _fill_picture(target_planes, geometry, False, into.target)
    if input_planes is target_planes and not settings.warp:
        into.warped[...] = into.target
    else:
        _fill_picture(input_planes, geometry, settings.warp, into.warped)
    if settings.degrade:
        clean = np.asarray(cv2.convertScaleAbs(into.warped, alpha=255), np.uint8)
        degraded = degrade(clean, settings.degrade, streams.faults())
        if degraded is not clean:
            np.multiply(degraded, _TO_UNIT, out=into.warped)
    _fill_mask(base.mask, geometry, into.mask)
    if into.eyes_mouth is not None and base.eyes_mouth is not None:
        _fill_mask(base.eyes_mouth, geometry, into.eyes_mouth)
        largest = into.eyes_mouth.max(axis=(0, 1))
        np.divide(into.eyes_mouth, largest, out=into.eyes_mouth, where=largest > 0)


def _recoloured(
    base: Base, settings: SampleSettings, streams: RandomStreams, partner: Partner | None
) -> tuple[Picture | FloatPicture, Picture | FloatPicture]:
    """Input and target after colour transfer; the same object where they are equal, the base's without transfer."""
    mode = settings.transfer
    if mode == "none":
        return base.picture, base.picture
    plain: FloatPicture = base.picture * _TO_UNIT
    if partner is None:
        raise ValueError("a colour transfer needs a partner's picture")
    if is_formula(mode):
        assert isinstance(partner, ColourStatistics)
        changed = recolour(mode, plain, partner)
        return changed, changed
    assert isinstance(partner, np.ndarray)
    reference = partner * _TO_UNIT
    # The original draws again for the target, so that input and target differ a little in colour.
    return transfer(mode, plain, reference, streams.colours), transfer(mode, plain, reference, streams.colours)


def _float_planes(picture: Picture | FloatPicture) -> Sequence[Any]:
    """The channels of a picture, float32 0..1; apply_to_planes works on single planes, which fit the CPU's cache."""
    planes = cv2.split(picture)
    return [plane * _TO_UNIT for plane in planes] if picture.dtype == np.uint8 else planes


def _fill_picture(planes: Sequence[Any], geometry: Geometry, warp: bool, into: FloatPicture) -> None:
    moved = apply_to_planes(planes, geometry, warp=warp)
    np.clip(cv2.merge(moved, into), 0, 1, out=into)


def _fill_mask(mask: Mask8, geometry: Geometry, into: FloatPicture) -> None:
    moved = apply_geometry(mask, geometry, warp=False, interpolation=cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT)
    np.multiply(moved.reshape(into.shape), _TO_UNIT, out=into)


def _shifted_colour(picture: FloatPicture, power: float, random: RandomState) -> FloatPicture:
    """Random HSV shift: hue, saturation and value by at most half of `power` of their range either way."""
    most = max(1, int(360 * power * 0.5))
    hsv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV), np.float32)
    hsv[:, :, 0] = (hsv[:, :, 0] + random.randint(-most, most + 1)) % 360
    for channel in (1, 2):
        hsv[:, :, channel] = np.clip(hsv[:, :, channel] + np.float32((random.random() - 0.5) * power), 0, 1)
    return np.clip(np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.float32), 0, 1)


def make_sample(
    picture: Picture, metadata: FaceMetadata, settings: SampleSettings, seed: int, partner: Picture | None = None
) -> Sample:
    """One sample of an aligned picture (S, S, 3) uint8 BGR; `partner`: another one, needed for a colour transfer.

    Equal seeds give equal samples, those of the original after `numpy.random.seed(seed)`.
    """
    streams = RandomStreams()
    streams.start(seed)
    sample = empty_batch(settings, 1).sample(0)
    base = make_base(picture, metadata, settings)
    fill_sample(base, settings, streams, None if partner is None else make_partner(partner, settings), sample)
    return sample
