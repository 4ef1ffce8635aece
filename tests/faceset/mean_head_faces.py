"""Faces without people: the mean head, turned, and a picture of its outline."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import write_face
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.faceset import FaceFile

SIDE = 160
FRAME = (360, 640)  # height, width


def turned_landmarks(yaw: float = 0, pitch: float = 0) -> NDArray[np.float32]:
    """The mean head's landmarks in a picture of SIDE pixels; degrees, to the picture's left and up."""
    head = np.array(json.loads(files("dfl.faces").joinpath("mean_face.json").read_text(encoding="utf-8"))["model3d"])
    head = head - head.mean(axis=0)
    across, up = np.radians(yaw), np.radians(pitch)
    around_y = np.array([[np.cos(across), 0, np.sin(across)], [0, 1, 0], [-np.sin(across), 0, np.cos(across)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(up), np.sin(up)], [0, -np.sin(up), np.cos(up)]])
    seen = (head @ around_y.T @ around_x.T)[:, :2]
    return (seen / np.ptp(head[:, 1]) * SIDE * 0.55 + SIDE / 2).astype(np.float32)


def made_metadata(
    yaw: float = 0, pitch: float = 0, enlarged: float = 1.0, left: float = 200, **other: Any
) -> FaceMetadata:
    """Face data of a head that was cut out of FRAME at `left`, `enlarged` so many times."""
    points = turned_landmarks(yaw, pitch)
    inside = points / np.float32(enlarged) + np.array([left, 90], np.float32)
    matrix = np.array([[enlarged, 0, -left * enlarged], [0, enlarged, -90 * enlarged]])
    low, high = inside.min(axis=0), inside.max(axis=0)
    return FaceMetadata(
        face_type=FaceType.WHOLE,
        landmarks=points,
        source_filename="00001.png",
        source_rect=np.concatenate([low, high]).round().astype(np.int64),
        source_landmarks=inside,
        image_to_face_mat=matrix,
        other=other,
    )


def made_face(name: str = "00001_0.jpg", yaw: float = 0, pitch: float = 0, **facts: Any) -> FaceFile:
    """A face that is no file."""
    return FaceFile(Path(name), made_metadata(yaw, pitch, **facts), (SIDE, SIDE, 3))


def made_picture(points: NDArray[np.float32], tint: int = 150) -> Picture:
    """The head's outline, eyes and mouth."""
    picture = np.full((SIDE, SIDE, 3), tint // 2, np.uint8)
    hull = cv2.convexHull(points.astype(np.int32))
    cv2.fillConvexPoly(picture, hull, (tint, tint, min(tint + 40, 255)))
    for part in (points[36:42], points[42:48], points[48:60]):
        cv2.fillPoly(picture, [part.astype(np.int32)], (30, 30, 60))
    return picture


def write_made_face(path: Path, yaw: float = 0, pitch: float = 0, tint: int = 150, **facts: Any) -> None:
    """Write an aligned picture of a made head."""
    metadata = made_metadata(yaw, pitch, **facts)
    write_face(path, made_picture(metadata.landmarks, tint), metadata)
