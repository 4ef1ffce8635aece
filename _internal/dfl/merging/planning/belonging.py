"""Whether a face belongs to the picture that it is to be merged into, told by its aligned picture."""

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

# Pictures are compared at this side, without what is wider than _WIDEST: brightness, contrast and grading do not count.
_SIDE = 64
_WIDEST = 4.0
# Correlation of what is left. On footage of 8 frames a second: the same frame 0.95 to 0.99 (denoised, blurred, gamma 2:
# 0.91 to 0.99), the next one 0.39 to 0.94, enlarged by a twentieth at most 0.16 (docs/benchmarks.md).
_MIN_ALIKE = 0.8
_MIN_DETAIL = 1.0  # grey levels: a flat picture tells nothing


@dataclass(frozen=True, eq=False)
class Belonging:
    """What decides whether a face belongs to a frame.

    problem: why it cannot, where that is known before the frame is read. crc: of the frame's file when its faces were
    found, 0 where that is not known; crcs: the frames of that time by theirs. is_noted: the face was found in that
    frame. scale: by which the frame has grown since then.
    """

    file: FaceFile
    problem: str = ""
    crc: int = 0
    crcs: Mapping[int, str] | None = None
    is_noted: bool = False
    scale: float = 1.0

    def refusal(self, picture: Picture, content: bytes = b"") -> str:
        """Why the face does not belong to a frame; empty where it does, or where nothing tells.

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
        alike = likeness(picture, self.file, self.scale)
        return "the frame shows something else there" if alike is not None and alike < _MIN_ALIKE else ""


def likeness(picture: Picture, file: FaceFile, scale: float = 1.0) -> float | None:
    """How like a frame is to an aligned picture, where that was cut out: -1..1; None where nothing tells.

    picture: (H, W, 3) uint8 BGR. scale: of the frame to the one that the face was cut from.
    """
    try:
        content = np.frombuffer(file.read_content(), np.uint8)
        face = cv2.imdecode(content, cv2.IMREAD_REDUCED_GRAYSCALE_2)
    except (UserError, cv2.error):
        return None
    if face is None:
        return None
    wanted = _detail(cv2.resize(face, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
    if wanted.std() < _MIN_DETAIL:
        return None
    to_face = _to_small(file, scale)
    if to_face is None:
        return None
    seen = _detail(_cut(picture, to_face))
    return float((wanted * seen).mean() / max(float(wanted.std() * seen.std()), _MIN_DETAIL**2))


def _detail(grey: NDArray[Any]) -> NDArray[np.float32]:
    values = grey.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), _WIDEST)
    return as_float(values - values.mean())


def _to_small(file: FaceFile, scale: float) -> Matrix | None:
    """From the frame to the aligned picture at the side of comparison, by the two sets of landmarks: whatever face type
    and size it was cut with, and resized to since."""
    metadata = file.metadata
    frame, face = (np.asarray(points, np.float64) for points in (metadata.source_landmarks, metadata.landmarks))
    if frame.shape != face.shape or not (np.isfinite(frame).all() and np.isfinite(face).all()):
        return None
    small = (face + 0.5) * (_SIDE / file.shape[0]) - 0.5
    now = (frame + 0.5) * scale - 0.5
    matrix: Any = cv2.estimateAffinePartial2D(now, small, method=cv2.LMEDS)[0]
    if matrix is None or abs(np.linalg.det(matrix[:, :2])) < 1e-12:
        return None
    return np.asarray(matrix, np.float64)


def _cut(picture: Picture, to_face: Matrix) -> NDArray[Any]:
    """The frame's part that the matrix maps to the square, grey; made smaller first, so that nothing is skipped."""
    box = box_in_frame(PixelBox(0, 0, _SIDE, _SIDE), to_face).grown(2).within(whole(picture))
    if box.is_empty:
        return np.zeros((_SIDE, _SIDE), np.uint8)
    grey: Any = cv2.cvtColor(picture[box.slices], cv2.COLOR_BGR2GRAY)
    matrix = shifted(to_face, box)
    less = max(int(1 / np.sqrt(abs(np.linalg.det(to_face[:, :2])))), 1)
    if less > 1:
        size = (max(grey.shape[1] // less, 1), max(grey.shape[0] // less, 1))
        steps = np.array([grey.shape[1] / size[0], grey.shape[0] / size[1]])
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        matrix[:, 2] += matrix[:, :2] @ (steps / 2 - 0.5)
        matrix[:, :2] = matrix[:, :2] * steps
    return np.asarray(cv2.warpAffine(grey, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR))
