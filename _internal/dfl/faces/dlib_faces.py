"""Faces by dlib: its HOG or CNN detector and its 68-point predictor. An alternative to the mesh, for frontal faces.

N. Dalal and B. Triggs, Histograms of oriented gradients, 2005; D. E. King, Max-margin object detection, 2015;
V. Kazemi and J. Sullivan, One millisecond face alignment with an ensemble of regression trees, 2014. The predictor was
trained on iBUG 300-W, whose pictures are not for commercial use. Landmarks are whole pixels.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture, Points
from dfl.faces.find import FoundFace
from dfl.faces.identity import dlib_file

_Detected = tuple[NDArray[np.float32], Points, float]  # box, landmarks, score
# The detector's window is 80 pixels: small frames are doubled, large ones are made smaller.
_SEARCHED_SIZE = 1920
_LARGEST_ZOOM = 2.0
# Upside-down faces are found too, with scores up to 0.5 and landmarks the wrong way up.
_SURE_SCORE = 1.0
_SURE_CNN_SCORE = 0.9
# Confidence is 0.5 at score 0, where the detectors begin, and 0.9 at 0.55, which few mistakes reach.
_STEEPNESS = 4.0
# Quarter turns clockwise, in the original's order.
_TURNS = (0, 1, 3, 2)
_ROTATIONS = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}


class DlibFaces:
    """Finds faces in frames. with_cnn: by the slower network. UserError when a model's file is missing."""

    def __init__(self, with_cnn: bool = False) -> None:
        import dlib

        self._cnn: Any = (
            dlib.cnn_face_detection_model_v1(str(dlib_file("mmod_human_face_detector.dat"))) if with_cnn else None
        )
        self._hog: Any = dlib.get_frontal_face_detector()
        self._predictor: Any = dlib.shape_predictor(str(dlib_file("shape_predictor_68_face_landmarks.dat")))

    def find(self, frame: Picture) -> list[FoundFace]:
        """All faces of a (H, W, 3) uint8 BGR frame, the largest first; turned frames are tried when none is sure."""
        best: list[_Detected] = []
        for turns in _TURNS:
            found = self._find_upright(cv2.rotate(frame, _ROTATIONS[turns]) if turns else frame)
            if _top_score(found) > _top_score(best):
                best = [_turned_back(face, turns, frame.shape[1], frame.shape[0]) for face in found]
            if _top_score(best) >= (_SURE_CNN_SCORE if self._cnn else _SURE_SCORE):
                break
        faces = [FoundFace(box, points, 1 / (1 + math.exp(-_STEEPNESS * score))) for box, points, score in best]
        return sorted(faces, key=lambda face: -face.area)

    def _find_upright(self, frame: Any) -> list[_Detected]:
        import dlib

        zoom = min(_LARGEST_ZOOM, _SEARCHED_SIZE / max(frame.shape[:2]))
        size = (max(1, round(frame.shape[1] * zoom)), max(1, round(frame.shape[0] * zoom)))
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        searched = cv2.resize(frame if self._cnn else grey, size, interpolation=_interpolation(zoom))
        if self._cnn:
            boxes, scores = self._boxes_of_cnn(np.ascontiguousarray(searched[:, :, ::-1]))
        else:
            boxes, scores, _ = self._hog.run(searched, 0, 0.0)
        faces: list[_Detected] = []
        for box, score in zip(boxes, scores, strict=True):
            edges = np.array([box.left(), box.top(), box.right(), box.bottom()], np.float32) / np.float32(zoom)
            shape = self._predictor(grey, dlib.rectangle(*(round(float(edge)) for edge in edges)))
            points = np.array([(part.x, part.y) for part in shape.parts()], np.float32)
            faces.append((edges, points, float(score)))
        return faces

    def _boxes_of_cnn(self, rgb: Any) -> tuple[list[Any], list[float]]:
        found = self._cnn(rgb, 0)
        return [one.rect for one in found], [float(one.confidence) for one in found]


def _interpolation(zoom: float) -> int:
    return cv2.INTER_LINEAR if zoom > 1 else cv2.INTER_AREA


def _top_score(faces: list[_Detected]) -> float:
    return max((score for _, _, score in faces), default=-1.0)


def _turned_back(face: _Detected, turns: int, width: int, height: int) -> _Detected:
    """A face of the frame after quarter turns clockwise, in the pixels of the upright frame of that size."""
    box, points, score = face
    corners = _points_back(box.reshape(2, 2), turns, width, height)
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)]), _points_back(points, turns, width, height), score


def _points_back(points: Points, turns: int, width: int, height: int) -> Points:
    x, y = points[:, 0], points[:, 1]
    columns = {
        0: (x, y),
        1: (y, height - 1 - x),
        2: (width - 1 - x, height - 1 - y),
        3: (width - 1 - y, x),
    }[turns]
    return np.stack(columns, axis=1).astype(np.float32)
