"""Find faces as the original does: boxes by S3FD, landmarks by FAN in two passes. Needs the original's weights.

Runs in one process, the one with the engine, not in data workers.
"""

from collections.abc import Callable, Sequence
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture, Points
from dfl.base.report import Report
from dfl.extraction.fan_points import MAP_SIDE, SIDE, FanCrop, crop_for_fan, peaks
from dfl.extraction.s3fd_boxes import boxes_in_frame, boxes_of_maps, reduced
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faces.find import FoundFace

# A network as a function of one batch of pictures; its outputs as float32 arrays.
Network = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]
_STRIDES = (4, 8, 16, 32, 64, 128)
_MIN_FRAME = 128
# Clockwise quarter turns of the frame, tried in this order until a face is found.
_TURNS = (0, 1, 3, 2)
_CV2_TURNS = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}
# Test-time augmentation of the second pass: mean over five crops, centres shifted by these pixels.
_SHIFTS = ((0, 0), (-1, -1), (1, -1), (1, 1), (-1, 1))
_BATCH = 8


def open_s3fd(
    report: Report, face_type: FaceType = FaceType.WHOLE, max_faces: int = 0, engine: str | None = None
) -> "S3fdFan":
    """The original's finder with the weights that were imported; starts the engine.

    Heads get the landmarks of 3DFAN, other face types those of 2DFAN. max_faces: as for S3fdFan. UserError, with the
    way to get them, when weights are missing.
    """
    from dfl.models.engine import start_engine
    from dfl.models.face_weights import FaceNetwork, face_network_file, open_face_network

    fan_name: FaceNetwork = "3DFAN" if face_type >= FaceType.HEAD else "2DFAN"
    for name in ("S3FD", fan_name):
        face_network_file(name)  # before the engine, which takes seconds to start
    report.line(str(start_engine(engine)))
    from dfl.models.compiled import compiled

    fan = open_face_network(fan_name)
    return S3fdFan(compiled(open_face_network("S3FD")), compiled(lambda pictures: (fan(pictures),)), max_faces)


class S3fdFan:
    """Finds faces with the original's networks and rules. The same frame gives the same faces.

    s3fd: RGB pictures (N, H, W, 3) float32 0..255 -> twelve maps, see nets.s3fd. fan: RGB faces (N, 256, 256, 3)
    float32 0..1 -> heat maps (N, 64, 64, 68). max_faces: only so many of a frame's largest boxes get landmarks, 0 all.

    Two errors of the original are fixed: a shift by a pixel in rotated frames, and the order of a rotated box's edges.
    """

    def __init__(self, s3fd: Network, fan: Network, max_faces: int = 0) -> None:
        self._s3fd, self._fan = s3fd, fan
        self._max_faces = max_faces

    def find(self, frame: Picture, before: Sequence[FoundFace] = ()) -> list[FoundFace]:
        """All faces of a frame (H, W, 3) uint8 BGR, largest box first; none in frames below 128 pixels.

        before: not used, the original searches every frame alone. The last row or column of an odd side is left out.
        """
        del before
        height, width = (side - side % 2 for side in frame.shape[:2])
        if min(height, width) < _MIN_FRAME:
            return []
        frame = frame[:height, :width]
        for turn in _TURNS:
            turned = cv2.rotate(frame, _CV2_TURNS[turn]).astype(np.uint8, copy=False) if turn else frame
            boxes, scores = self._boxes([turned])[0]
            if len(boxes):
                break
        else:
            return []
        if self._max_faces:
            boxes, scores = boxes[: self._max_faces], scores[: self._max_faces]
        found = []
        for box, score, landmarks in zip(boxes, scores, self._landmarks(turned, boxes), strict=True):
            if landmarks is not None:
                upright = turned_back(landmarks, turn, width, height)
                corners = turned_back(box.reshape(2, 2), turn, width, height)
                box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
                found.append(FoundFace(box, upright, float(score)))
        return found

    def _boxes(self, pictures: list[Picture]) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Boxes (N, 4) and scores of each of several BGR pictures of one size."""
        results = []
        for start in range(0, len(pictures), _BATCH):
            small = [reduced(picture) for picture in pictures[start : start + _BATCH]]
            maps = self._s3fd(_rgb([picture for picture, _ in small]))
            for number, (_, scale) in enumerate(small):
                results.append(boxes_in_frame(*boxes_of_maps([part[number] for part in maps], _STRIDES), scale))
        return results

    def _landmarks(self, picture: Picture, boxes: NDArray[np.int64]) -> list[Points | None]:
        """Landmarks (68, 2) of the faces in boxes, in the picture's pixels; None where the box has no size."""
        crops = [(picture, FanCrop.of_box(box)) for box in boxes]
        landmarks = [None if points is None else points.astype(np.float32) for points in self._points(crops)]
        matrices = {
            number: matrix
            for number, points in enumerate(landmarks)
            if points is not None and (matrix := _full_face(points)) is not None
        }
        aligned = [cv2.warpAffine(picture, matrix, (SIDE, SIDE)).astype(np.uint8) for matrix in matrices.values()]
        for (number, matrix), better in zip(matrices.items(), self._second_pass(aligned), strict=True):
            if better is not None:
                landmarks[number] = transform_points(better, matrix, inverse=True)
        return landmarks

    def _second_pass(self, aligned: list[Picture]) -> list[NDArray[np.float64] | None]:
        """Landmarks (68, 2) in the pixels of upright faces; None where not exactly one face is found."""
        boxes = [boxes for boxes, _ in self._boxes(aligned)]
        crops = [
            (face, FanCrop.of_box(found[0], shift))
            for face, found in zip(aligned, boxes, strict=True)
            if len(found) == 1
            for shift in _SHIFTS
        ]
        points_of_crops = iter(self._points(crops))
        means: list[NDArray[np.float64] | None] = []
        for found in boxes:
            of_face = list(islice(points_of_crops, len(_SHIFTS))) if len(found) == 1 else []
            whole = [points for points in of_face if points is not None]
            means.append(np.mean(whole, axis=0) if len(whole) == len(_SHIFTS) else None)
        return means

    def _points(self, crops: list[tuple[Picture, FanCrop]]) -> list[NDArray[np.float64] | None]:
        """FAN's landmarks of each crop: (68, 2) in the pixels of its picture; None for an empty crop."""
        faces = [crop_for_fan(picture, crop) for picture, crop in crops]
        results: list[NDArray[np.float64] | None] = [None] * len(crops)
        known = [number for number, face in enumerate(faces) if face is not None]
        for start in range(0, len(known), _BATCH):
            batch = known[start : start + _BATCH]
            shown = _rgb([face for number in batch if (face := faces[number]) is not None])
            (maps,) = self._fan(shown / np.float32(255))
            for number, heat in zip(batch, maps, strict=True):
                results[number] = crops[number][1].to_picture(peaks(heat), MAP_SIDE)
        return results


def _rgb(pictures: list[Picture]) -> NDArray[np.float32]:
    return np.stack(pictures)[..., ::-1].astype(np.float32)


def _full_face(landmarks: Points) -> NDArray[np.float64] | None:
    """The matrix to the upright full face of 256 pixels; None for landmarks that lie in one point."""
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            matrix = alignment_matrix(landmarks, SIDE, FaceType.FULL)
    except (ZeroDivisionError, np.linalg.LinAlgError, cv2.error):
        return None
    return matrix if np.isfinite(matrix).all() and np.linalg.det(matrix[:, :2]) != 0 else None


def turned_back(points: NDArray[np.generic], turn: int, width: int, height: int) -> Points:
    """Points (N, 2) of a picture that was turned by so many quarters clockwise, in the upright one's pixels.

    width, height: of the upright picture.
    """
    x, y = np.asarray(points, np.float32).T
    if turn == 1:
        x, y = y, height - 1 - x
    elif turn == 2:
        x, y = width - 1 - x, height - 1 - y
    elif turn == 3:
        x, y = width - 1 - y, x
    return np.stack([x, y], axis=-1)
