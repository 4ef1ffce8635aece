"""A faceset of drawn faces: of two colours, mouths open and light grows from face to face."""

from pathlib import Path

import cv2
import numpy as np

from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, write_face

# A frontal face of 68 points in a 256 pixel picture, in the order everybody uses.
JAW = [(48 + 10 * i, 120 + 110 * np.sin(np.pi * i / 16)) for i in range(17)]
BROWS = [(60 + 12 * i, 95.0) for i in range(5)] + [(148 + 12 * i, 95.0) for i in range(5)]
NOSE = [(128, 110 + 12 * i) for i in range(4)] + [(112 + 8 * i, 155.0) for i in range(5)]
EYES = [(x0 + dx, 115 + dy) for x0 in (70, 155) for dx, dy in ((0, 0), (8, -5), (18, -5), (26, 0), (18, 5), (8, 5))]
LIPS = [(128 + 30 * np.cos(t), 190 + 12 * np.sin(t)) for t in np.linspace(np.pi, 3 * np.pi, 13)[:-1]]
INNER = [(128 + 20 * np.cos(t), 190 + 5 * np.sin(t)) for t in np.linspace(np.pi, 3 * np.pi, 9)[:-1]]
FRAME_LANDMARKS = np.array(JAW + BROWS + NOSE + EYES + LIPS + INNER, np.float32)


def make_faceset(
    folder: Path, colour: tuple[int, int, int], count: int = 6, kind: FaceType = FaceType.WHOLE, first: int = 0
) -> None:
    """Drawn faces of one colour."""
    for index in range(first, first + count):
        frame = np.full((256, 256, 3), 60 + 5 * (index % 30), np.uint8)
        cv2.ellipse(frame, (128, 150), (85, 105), 0, 0, 360, colour, -1)
        for x, y in ((83, 115), (168, 115)):
            cv2.circle(frame, (x, y), 8, (20, 20, 20), -1)
        cv2.ellipse(frame, (128, 190), (30, 4 + 2 * (index % 30)), 0, 0, 360, (40, 40, 160), -1)
        matrix = alignment_matrix(FRAME_LANDMARKS, 128, kind)
        face = cv2.warpAffine(frame, matrix, (128, 128))
        metadata = FaceMetadata(
            face_type=kind,
            landmarks=transform_points(FRAME_LANDMARKS, matrix),
            source_filename=f"{index:05d}.png",
            source_rect=np.array([40, 60, 215, 250]),
            source_landmarks=FRAME_LANDMARKS,
            image_to_face_mat=matrix,
        )
        write_face(folder / f"{index:05d}_0.jpg", face, metadata)
