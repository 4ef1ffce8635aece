"""Face detection: MediaPipe's single-shot detectors (BlazeFace), a box and six points for each face.

`back` (256 px) is for whole frames, `short_range` (128 px) for one face and its surroundings. V. Bazarevsky et al.,
BlazeFace: sub-millisecond neural face detection on mobile GPUs, 2019.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture, Points
from dfl.faces.interpreter import TfliteNetwork
from dfl.faces.square import Square, iou, roll_between

# Cells along one edge of a grid, and anchors in each cell. Both detectors have these 896 anchors.
_GRIDS = ((16, 2), (8, 6))
_SAME_FACE_OVERLAP = 0.3
_KEYPOINTS = 6
# Maximum offset of a face's centre from the window's centre, as a share of the window's size (find_central).
_OFF_CENTRE = 0.22


@dataclass(frozen=True)
class Detection:
    """One detected face.

    square: turned upright with the face, as large as the longer edge of the detector's box, in frame pixels.
    keypoints: (6, 2) float32 frame pixels: the eye at the picture's left, the one at its right, nose, mouth, ears.
    score: 0..1.
    """

    square: Square
    keypoints: Points
    score: float


@cache
def anchors() -> NDArray[np.float32]:
    """Centres of the detectors' anchors in a unit square: (896, 2) float32."""
    centres = []
    for cells, repeats in _GRIDS:
        line = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) / np.float32(cells)
        x, y = np.meshgrid(line, line)
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(centres)


class Detector:
    """A detector with its network loaded."""

    def __init__(self, file: Path) -> None:
        self._network = TfliteNetwork(file, ("regressors", "classificators"))

    def find(self, frame: Picture, window: Square, least_score: float) -> list[Detection]:
        """Faces inside `window` of a frame (H, W, 3) uint8 BGR, best first; the window's roll counts as upright."""
        size = self._network.size
        picture = cv2.cvtColor(window.cut(frame, size), cv2.COLOR_BGR2RGB).astype(np.float32)
        picture *= np.float32(1 / 127.5)
        picture -= np.float32(1)
        raw, logits = self._network(picture)
        scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -80, 80)))
        best = np.argsort(-scores, kind="stable")
        best = best[scores[best] >= least_score]
        values = raw.reshape(-1, 4 + 2 * _KEYPOINTS)[best] / np.float32(size)
        centres = values[:, :2] + anchors()[best]
        sides = np.abs(values[:, 2:4])
        boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
        kept: list[int] = []
        for index in range(len(best)):
            if all(iou(boxes[index], boxes[other]) <= _SAME_FACE_OVERLAP for other in kept):
                kept.append(index)
        found = []
        for index in kept:
            points = values[index, 4:].reshape(_KEYPOINTS, 2) + anchors()[best[index]]
            found.append(_detection(window, centres[index], float(sides[index].max()), points, scores[best[index]]))
        return found

    def find_central(self, frame: Picture, window: Square, least_score: float) -> Detection | None:
        """The best face in the middle of `window`; others nearby do not count. None when there is none."""
        for found in self.find(frame, window, least_score):
            off = max(abs(found.square.x - window.x), abs(found.square.y - window.y))
            if off <= _OFF_CENTRE * window.size:
                return found
        return None


def _detection(
    window: Square, centre: NDArray[np.float32], size: float, points: NDArray[np.float32], score: float
) -> Detection:
    """From the window's unit square to the frame."""
    keypoints = window.to_frame(points)
    x, y = window.to_frame(centre[None])[0]
    square = Square(float(x), float(y), size * window.size, roll_between(keypoints[0], keypoints[1]))
    return Detection(square, keypoints, float(score))
