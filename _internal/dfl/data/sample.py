"""One training sample: a network's input and targets, drawn from one face.

In two steps. The base is what stays the same each time a face is used: its picture and masks at the model's size, in
8 bits, so that many bases fit into memory. The sample is drawn from the base with a seed: colours, geometry, float32.
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
_FEW_PIXELS = 3  # where a picture is this many times as wide as what is made of it
Mask8 = NDArray[np.uint8]  # (R, R) or (R, R, 2), 0..255
EyesMouth = Literal["none", "joint", "separate"]
Partner = Picture | ColourStatistics


@dataclass(frozen=True)
class SampleSettings:
    """What samples of one side of a model are like.

    resolution: side in pixels. warp: bend the input picture. flip: mirror four of ten samples. eyes_mouth: the mask of
    both in one channel, in two (eyes, mouth), or none. transfer: colours of a partner's picture. hsv_power: 0..1, how
    much the input's colour is shifted at random. symmetric_warp: see warp.random_geometry. degrade: faults of real
    footage that the input may have.
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
    degrade: Degradations = field(default_factory=Degradations)

    @property
    def eyes_mouth_channels(self) -> int:
        """How many channels the mask of eyes and mouth has, 0 to 2."""
        return {"none": 0, "joint": 1, "separate": 2}[self.eyes_mouth]


@dataclass(frozen=True, eq=False)
class Base:
    """A face at the model's size: picture (R, R, 3) uint8 BGR; mask (R, R) uint8, 0..255; eyes_mouth (R, R) or, with
    eyes and mouth apart, (R, R, 2)."""

    picture: Picture
    mask: Mask8
    eyes_mouth: Mask8 | None

    @property
    def nbytes(self) -> int:
        return self.picture.nbytes + self.mask.nbytes + (0 if self.eyes_mouth is None else self.eyes_mouth.nbytes)


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample, float32, 0..1, all parts with the same geometry.

    warped: (R, R, 3) BGR, the input. target: (R, R, 3) BGR, not bent. mask: (R, R, 1), the face's area. eyes_mouth:
    (R, R, 1), with eyes and mouth apart (R, R, 2), largest value of a channel 1; or None.
    """

    warped: FloatPicture
    target: FloatPicture
    mask: FloatPicture
    eyes_mouth: FloatPicture | None


@dataclass(frozen=True, eq=False)
class SideBatch:
    """A batch of samples of one side: what Sample has, with N in front, float32.

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
    """Arrays for a batch of `count` samples, not filled."""
    side, channels = settings.resolution, settings.eyes_mouth_channels
    return SideBatch(
        np.empty((count, side, side, 3), np.float32),
        np.empty((count, side, side, 3), np.float32),
        np.empty((count, side, side, 1), np.float32),
        np.empty((count, side, side, channels), np.float32) if channels else None,
        np.zeros(count, np.int64),
    )


class RandomStreams:
    """The random streams of one sample, in the original's order. One object serves many samples: seeding is cheap.

    colours: for the random colour transfers. geometry: for turn, zoom, shift, flip, then the colour shift. grid: for
    the bent grid. The last two start alike. faults: for degraded inputs, which the original does not have.
    """

    def __init__(self) -> None:
        self.colours, self.geometry, self.grid = RandomState(0), RandomState(0), RandomState(0)
        self._seed = 0

    def start(self, seed: int) -> None:
        """Begin a sample; `seed` 0..2**32-1. What the original gives after `numpy.random.seed(seed)`."""
        self._seed = seed
        self.colours.seed(seed)
        sample_seed = int(self.colours.randint(0x80000000))
        self.geometry.seed(sample_seed)
        self.grid.seed(sample_seed)

    def faults(self) -> Generator:
        """A stream of its own: the others go on as if it were not there."""
        return np.random.default_rng((self._seed, 1))


def make_base(picture: Picture, metadata: FaceMetadata, settings: SampleSettings, name: str = "") -> Base:
    """Bring an aligned picture (S, S, 3) uint8 BGR and its masks to the model's face type and size.

    UserError for a mark_only face, for a damaged mask, and for pictures that are not square; `name` is the file.
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
    """(S, S, 1) or (S, S) float32 from 0 as (S, S) uint8, rounded, values above 1 cut."""
    return np.asarray(cv2.convertScaleAbs(mask, alpha=255), np.uint8).reshape(mask.shape[:2])


def _fitted(picture: Any, matrix: Any, resolution: int, interpolation: int, border: int) -> NDArray[np.uint8]:
    """Aligned by the matrix, or made `resolution` pixels wide where the face types are the same."""
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
    # OpenCV has vector code for cubic interpolation of one channel of 16 bits: planes take less time, unless most of
    # it goes into splitting a picture of which few pixels are made.
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
    """A picture as the reference of the settings' colour transfer: its whole crop, whatever its face type, at the
    model's size; of that the colours alone where they suffice."""
    fitted = np.asarray(cv2.resize(picture, (settings.resolution, settings.resolution)), np.uint8)
    return colours_of(settings.transfer, fitted * _TO_UNIT) if is_formula(settings.transfer) else fitted


def fill_sample(
    base: Base, settings: SampleSettings, streams: RandomStreams, partner: Partner | None, into: Sample
) -> None:
    """Draw one sample from `base` into arrays; `streams` was started with the sample's seed.

    partner: of make_partner, needed when the settings transfer colours.
    """
    side, may_flip = settings.resolution, settings.flip
    geometry = random_geometry(
        side, streams.geometry, streams.grid, settings.ranges, may_flip, is_symmetric=settings.symmetric_warp
    )
    shown, target = _recoloured(base, settings, streams, partner)
    target_planes = _float_planes(target)
    shown_planes = target_planes if shown is target else _float_planes(shown)
    if settings.hsv_power > 0:
        shifted = _shifted_colour(cv2.merge(shown_planes), settings.hsv_power, streams.geometry)
        shown_planes = cv2.split(shifted)
    _fill_picture(target_planes, geometry, False, into.target)
    if shown_planes is target_planes and not settings.warp:
        into.warped[...] = into.target
    else:
        _fill_picture(shown_planes, geometry, settings.warp, into.warped)
    if settings.degrade:
        seen = np.asarray(cv2.convertScaleAbs(into.warped, alpha=255), np.uint8)
        spoilt = degrade(seen, settings.degrade, streams.faults())
        if spoilt is not seen:
            np.multiply(spoilt, _TO_UNIT, out=into.warped)
    _fill_mask(base.mask, geometry, into.mask)
    if into.eyes_mouth is not None and base.eyes_mouth is not None:
        _fill_mask(base.eyes_mouth, geometry, into.eyes_mouth)
        largest = into.eyes_mouth.max(axis=(0, 1))
        np.divide(into.eyes_mouth, largest, out=into.eyes_mouth, where=largest > 0)


def _recoloured(
    base: Base, settings: SampleSettings, streams: RandomStreams, partner: Partner | None
) -> tuple[Picture | FloatPicture, Picture | FloatPicture]:
    """Input and target in the partner's colours; one picture where they are the same, the base's without transfer."""
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
    """The channels of a picture, float32 0..1. Plane by plane, as geometry treats them, all stays in the cache."""
    planes = cv2.split(picture)
    return [plane * _TO_UNIT for plane in planes] if picture.dtype == np.uint8 else planes


def _fill_picture(planes: Sequence[Any], geometry: Geometry, warp: bool, into: FloatPicture) -> None:
    moved = apply_to_planes(planes, geometry, warp=warp)
    np.clip(cv2.merge(moved, into), 0, 1, out=into)


def _fill_mask(mask: Mask8, geometry: Geometry, into: FloatPicture) -> None:
    moved = apply_geometry(mask, geometry, warp=False, interpolation=cv2.INTER_LINEAR, border=cv2.BORDER_CONSTANT)
    np.multiply(moved.reshape(into.shape), _TO_UNIT, out=into)


def _shifted_colour(picture: FloatPicture, power: float, random: RandomState) -> FloatPicture:
    """The picture with hue, saturation and value moved at random: at most half of `power` of their range each way."""
    most = max(1, int(360 * power * 0.5))
    hsv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV), np.float32)
    hsv[:, :, 0] = (hsv[:, :, 0] + random.randint(-most, most + 1)) % 360
    for channel in (1, 2):
        hsv[:, :, channel] = np.clip(hsv[:, :, channel] + np.float32((random.random() - 0.5) * power), 0, 1)
    return np.clip(np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.float32), 0, 1)


def make_sample(
    picture: Picture, metadata: FaceMetadata, settings: SampleSettings, seed: int, partner: Picture | None = None
) -> Sample:
    """One sample of an aligned picture (S, S, 3) uint8 BGR; `partner` is another one, needed for a colour transfer.

    Equal seeds give equal samples; those of the original after `numpy.random.seed(seed)`.
    """
    streams = RandomStreams()
    streams.start(seed)
    sample = empty_batch(settings, 1).sample(0)
    base = make_base(picture, metadata, settings)
    fill_sample(base, settings, streams, None if partner is None else make_partner(partner, settings), sample)
    return sample
