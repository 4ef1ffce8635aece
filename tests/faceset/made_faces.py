"""Made aligned faces: a soft pattern in place of a face, with landmarks that are a face's."""

import json
from pathlib import Path

import cv2
import numpy as np

from dfl.faces.align import alignment_matrix, rect_from_landmarks, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import AlignedFace, write_face
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.segmentation import Polygon, encode_mask
from tests.recorded import RECORDS

_RECORDED = RECORDS / "alignment.json"
FRAME_LANDMARKS = np.array(json.loads(_RECORDED.read_text())["sets"][0]["landmarks"], np.float32)
_NOISE = np.random.default_rng(5).integers(0, 256, (20, 30, 3), np.uint8)
FRAME = cv2.resize(_NOISE, (960, 640), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def aligned_face(size: int, kind: FaceType = FaceType.WHOLE) -> AlignedFace:
    """A face of one frame, cut out as extraction does, with polygons, a mask and all other data."""
    matrix = alignment_matrix(FRAME_LANDMARKS, size, kind)
    landmarks = transform_points(FRAME_LANDMARKS, matrix)
    centre, radius = landmarks.mean(axis=0), np.abs(landmarks - landmarks.mean(axis=0)).max()
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = (centre + 0.8 * radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.float32)
    mask = np.zeros((256, 256), np.float32)
    cv2.circle(mask, (128, 128), 80, 1.0, -1)
    metadata = FaceMetadata(
        face_type=kind,
        landmarks=landmarks,
        source_filename="00001.png",
        source_rect=np.round(rect_from_landmarks(FRAME_LANDMARKS)).astype(np.int32),
        source_landmarks=FRAME_LANDMARKS,
        image_to_face_mat=matrix,
        xseg_mask=encode_mask(mask),
        polygons=(Polygon(True, outline),),
        eyebrows_expand_mod=1.5,
        other={"confidence": 0.75},
    )
    picture = cv2.warpAffine(FRAME, matrix, (size, size), flags=cv2.INTER_LINEAR).astype(np.uint8)
    return AlignedFace(picture, metadata)


def write_faces(folder: Path, count: int, size: int = 200) -> None:
    """Aligned pictures 00001_0.jpg, 00002_0.jpg ... of that size."""
    face = aligned_face(size)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        write_face(folder / f"{number:05d}_0.jpg", face.picture, face.metadata)
