"""Check that a face was cut from the frame it is to be merged into, by comparing its aligned picture with the frame."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Matrix, Picture
from dfl.faceset.faceset import FaceFile
from dfl.merging.blending.box import PixelBox, as_float, box_in_frame, shifted, whole

# Pictures are compared at this size, high-pass filtered with a Gaussian of this sigma, for invariance to brightness,
# contrast and grading.
_SIZE = 64
_HIGH_PASS_SIGMA = 4.0
# Pearson correlation of the result. On footage of 8 frames a second: the same frame 0.95 to 0.99 (denoised,
# blurred, gamma 2: 0.91 to 0.99), the next one 0.39 to 0.94, enlarged by a twentieth at most 0.16 (docs/benchmarks.md).
_MIN_CORRELATION = 0.8
_MIN_DETAIL = 1.0  # grey levels: a flat picture cannot be compared


@dataclass(frozen=True, eq=False)
class FrameCheck:
    """Checks that a face is from a frame.

    problem: why it is not, where that is known without reading the frame. crc: CRC-32 of the frame's file when its
    faces were found, 0 where unknown; crcs: names of all frames at that time by their CRC-32. is_noted: the face was
    found in that frame. scale: the frame's size now divided by its size then.
    """

    file: FaceFile
    problem: str = ""
    crc: int = 0
    crcs: Mapping[int, str] | None = None
    is_noted: bool = False
    scale: float = 1.0

    def mismatch(self, picture: Picture, content: bytes = b"") -> str:
        """Why the face is not from a frame; empty where it is, or where that cannot be decided.

        picture: (H, W, 3) uint8 BGR. content: the frame's file, if it comes from one.
        """
        if self.problem:
            return self.problem
        if content and self.crc:
            crc = zlib.crc32(content)
            if crc == self.crc and self.is_noted:
                return ""
            former = (self.crcs or {}).get(crc)
            if crc != self.crc and former:
                return f"the frame is what was {former} when its faces were found"
        found = correlation(picture, self.file, self.scale)
        return "the frame shows something else there" if found is not None and found < _MIN_CORRELATION else ""


def correlation(picture: Picture, file: FaceFile, scale: float = 1.0) -> float | None:
    """Correlation -1..1 of an aligned picture with the part of a frame that it was cut from; None if undecidable.

    picture: (H, W, 3) uint8 BGR. scale: the frame's size divided by that of the frame that the face was cut from.
    """
    try:
        content = np.frombuffer(file.read_content(), np.uint8)
        face = cv2.imdecode(content, cv2.IMREAD_REDUCED_GRAYSCALE_2)
    except (UserError, cv2.error):
        return None
    if face is None:
        return None
    wanted = _detail(cv2.resize(face, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA))
    if wanted.std() < _MIN_DETAIL:
        return None
    to_face = _to_comparison(file, scale)
    if to_face is None:
        return None
    found = _detail(_warped_grey(picture, to_face))
    return float((wanted * found).mean() / max(float(wanted.std() * found.std()), _MIN_DETAIL**2))


def _detail(grey: NDArray[Any]) -> NDArray[np.float32]:
    values = grey.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), _HIGH_PASS_SIGMA)
    return as_float(values - values.mean())


def _to_comparison(file: FaceFile, scale: float) -> Matrix | None:
    """(2, 3) similarity transform from the frame to the aligned picture at _SIZE, estimated from both landmarks:
    independent of the face type and size it was cut with or resized to."""
    metadata = file.metadata
    frame, face = (np.asarray(points, np.float64) for points in (metadata.source_landmarks, metadata.landmarks))
    if frame.shape != face.shape or not (np.isfinite(frame).all() and np.isfinite(face).all()):
        return None
    small = (face + 0.5) * (_SIZE / file.shape[0]) - 0.5
    now = (frame + 0.5) * scale - 0.5
    matrix: Any = cv2.estimateAffinePartial2D(now, small, method=cv2.LMEDS)[0]
    if matrix is None or abs(np.linalg.det(matrix[:, :2])) < 1e-12:
        return None
    return np.asarray(matrix, np.float64)


def _warped_grey(picture: Picture, to_face: Matrix) -> NDArray[Any]:
    """The frame's part that the matrix maps to the square, grey; area-averaged first, against aliasing."""
    box = box_in_frame(PixelBox(0, 0, _SIZE, _SIZE), to_face).grown(2).within(whole(picture))
    if box.is_empty:
        return np.zeros((_SIZE, _SIZE), np.uint8)
    grey: Any = cv2.cvtColor(picture[box.slices], cv2.COLOR_BGR2GRAY)
    matrix = shifted(to_face, box)
    less = max(int(1 / np.sqrt(abs(np.linalg.det(to_face[:, :2])))), 1)
    if less > 1:
        size = (max(grey.shape[1] // less, 1), max(grey.shape[0] // less, 1))
        steps = np.array([grey.shape[1] / size[0], grey.shape[0] / size[1]])
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        matrix[:, 2] += matrix[:, :2] @ (steps / 2 - 0.5)
        matrix[:, :2] = matrix[:, :2] * steps
    return np.asarray(cv2.warpAffine(grey, matrix, (_SIZE, _SIZE), flags=cv2.INTER_LINEAR))
