"""A training sample made the plain way, in float32 throughout: what `dfl bench samples` compares with.

The same mathematics as dfl.samples, in the order that the original program computes it: the whole picture becomes
float32, every output reads and draws all it needs for itself, masks are drawn on the full square, and the transfer is
computed for the input and again for the target. For measuring alone.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.random import RandomState

from dfl.base.pictures import FloatPicture
from dfl.bench.cpu_time import cpu_of
from dfl.data.sample import Sample, SampleSettings
from dfl.faces.align import alignment_matrix
from dfl.faceset.faceset import FaceFile
from dfl.imaging.transfers import TrainingTransfer
from tests.reference.plain_transfers import plain_idt, plain_rct, plain_sot

PLAIN_MODES: tuple[TrainingTransfer, ...] = ("none", "rct", "idt", "sot")
_EYES, _MOUTH = (range(36, 42), range(42, 48)), (range(60, 68),)
_Maps = tuple[Any, Any, Any, bool]  # map_x, map_y, matrix, is_flipped


def plain_sample(face: FaceFile, settings: SampleSettings, seed: int, partner: FaceFile | None) -> Sample:
    """The sample that `fill_sample` draws with this seed, for sides from 64; the face has an XSeg mask.

    With colour transfers of PLAIN_MODES, without a colour shift, eyes and mouth in one mask. These are made
    even where the settings want none.
    """
    colours = RandomState(seed)
    sample_seed = int(colours.randint(0x80000000))
    picture = _read(face)
    reference = None if partner is None else _read(partner)

    def shown(warp: bool) -> FloatPicture:
        maps = _random_maps(settings, RandomState(sample_seed), RandomState(sample_seed))
        fitted = _fitted(picture, face, settings, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
        if reference is not None:
            small: Any = cv2.resize(reference, (settings.resolution, settings.resolution))
            fitted = _transferred(settings.transfer, fitted, small, colours)
        moved = _moved(fitted, maps, warp, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
        return np.asarray(np.clip(moved, 0, 1), np.float32)

    def mask(area: FloatPicture) -> FloatPicture:
        maps = _random_maps(settings, RandomState(sample_seed), RandomState(sample_seed))
        fitted = _fitted(area, face, settings, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        moved = _moved(fitted, maps, False, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        return np.asarray(moved[..., None], np.float32)

    warped, target = shown(settings.warp), shown(False)
    size = picture.shape[0]
    full = mask(_face_mask(face, size))
    parts = _soft_mask(face, size, _EYES) + _soft_mask(face, size, _MOUTH)
    eyes_mouth = mask(np.clip(parts, 0, 1) * (_face_mask(face, size) != 0))
    largest = eyes_mouth.max()
    return Sample(warped, target, full, eyes_mouth / largest if largest else eyes_mouth)


def plain_cpu(faces: Sequence[FaceFile], settings: SampleSettings) -> float:
    """CPU seconds of one sample of every face, the next face being its partner."""

    def work() -> None:
        for number, face in enumerate(faces):
            partner = None if settings.transfer == "none" else faces[(number + 1) % len(faces)]
            plain_sample(face, settings, number, partner)

    return cpu_of(work)


def _read(face: FaceFile) -> FloatPicture:
    picture: Any = cv2.imdecode(np.frombuffer(face.read_content(), np.uint8), cv2.IMREAD_UNCHANGED)
    unit: FloatPicture = picture.astype(np.float32) / np.float32(255)
    return unit


def _face_mask(face: FaceFile, size: int) -> FloatPicture:
    assert face.metadata.xseg_mask is not None
    mask: Any = cv2.imdecode(np.frombuffer(face.metadata.xseg_mask, np.uint8), cv2.IMREAD_UNCHANGED)
    large: Any = cv2.resize(mask.astype(np.float32) / np.float32(255), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large, 0, 1), np.float32)


def _soft_mask(face: FaceFile, size: int, parts: tuple[range, ...]) -> FloatPicture:
    mask: Any = np.zeros((size, size), np.float32)
    points = face.metadata.landmarks.astype(np.int32)
    for part in parts:
        cv2.fillConvexPoly(mask, cv2.convexHull(points[list(part)]), 1.0)
    mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size // 32, size // 32)))
    return np.asarray(cv2.GaussianBlur(mask, (size // 16 | 1, size // 16 | 1), 0), np.float32)


def _fitted(picture: Any, face: FaceFile, settings: SampleSettings, interpolation: int, border: int) -> Any:
    side = settings.resolution
    if face.metadata.face_type is settings.face_type:
        return cv2.resize(picture, (side, side), interpolation=interpolation)
    matrix = alignment_matrix(face.metadata.landmarks, side, settings.face_type)
    return cv2.warpAffine(picture, matrix, (side, side), flags=interpolation, borderMode=border)


def _random_maps(settings: SampleSettings, random: RandomState, grid_random: RandomState) -> _Maps:
    side, ranges = settings.resolution, settings.ranges
    rotation = random.uniform(-ranges.rotation, ranges.rotation)
    scale = random.uniform(1 / (1 + ranges.scale), 1 + ranges.scale)
    shift = np.array([random.uniform(-ranges.shift, ranges.shift) for _ in range(2)])
    is_flipped = settings.flip and random.randint(10) < 4
    cell = side // (2, 4, 8)[grid_random.randint(3)]
    count, margin = side // cell + 1, cell // 2
    grid = np.tile(np.linspace(0, side, count), (count, 1))
    for noisy in (grid, grid.T):
        noise = [_cut_normal(grid_random) for _ in range((count - 2) ** 2)]
        noisy[1:-1, 1:-1] += 0.24 * cell * np.array(noise).reshape(count - 2, count - 2)
    maps = [
        cv2.resize(one, (side + cell, side + cell))[margin : margin + side, margin : margin + side].astype(np.float32)
        for one in (grid, grid.T.copy())
    ]
    matrix: Any = cv2.getRotationMatrix2D((side // 2, side // 2), rotation, scale)
    matrix[:, 2] += shift * side
    return maps[0], maps[1], matrix, is_flipped


def _cut_normal(random: RandomState) -> float:
    while abs(drawn := random.normal()) > 2.5:
        pass
    return drawn / 2.5


def _moved(picture: Any, maps: _Maps, warp: bool, interpolation: int, border: int) -> Any:
    map_x, map_y, matrix, is_flipped = maps
    if warp:
        picture = cv2.remap(picture, map_x, map_y, interpolation)
    picture = cv2.warpAffine(picture, matrix, picture.shape[:2], flags=interpolation, borderMode=border)
    return picture[:, ::-1] if is_flipped else picture


def _transferred(mode: TrainingTransfer, target: Any, reference: Any, random: RandomState) -> Any:
    if mode == "rct":
        return plain_rct(target, reference)
    return (plain_idt if mode == "idt" else plain_sot)(target, reference, random)
