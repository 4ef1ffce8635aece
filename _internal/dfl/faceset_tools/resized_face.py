"""An aligned picture in another size or of another face type, with everything that is known of its face."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Matrix
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import AlignedFace
from dfl.faceset.face_metadata import SHOWN_TYPE, FaceMetadata
from dfl.faceset.segmentation import decode_mask, encode_mask


def resized_face(face: AlignedFace, size: int, face_type: FaceType | None = None) -> AlignedFace:
    """The face as a picture of `size` x `size` pixels; `face_type`: another one, None keeps it.

    As in the original: Lanczos, and of a wider face type what the picture does not show is black. Landmarks, polygons,
    mask and matrix go along; a mask keeps its own size. The picture must be square. UserError when its mask is damaged.
    """
    if face_type is None or face_type is face.metadata.face_type:
        return _scaled(face, size)
    return _recut(face, size, face_type)


def _scaled(face: AlignedFace, size: int) -> AlignedFace:
    old = face.picture.shape[0]
    picture: Any = cv2.resize(face.picture, (size, size), interpolation=cv2.INTER_LANCZOS4)
    return AlignedFace(picture, scaled_metadata(face.metadata, old, size))


def scaled_metadata(metadata: FaceMetadata, old: int, size: int) -> FaceMetadata:
    """What is known of a face whose picture was `old` pixels wide and is `size` pixels now, of the same aspect."""
    scale = np.diag([size / old, size / old])
    matrix = metadata.image_to_face_mat
    if matrix is not None:
        matrix = scale @ matrix
    elif metadata.face_type is not FaceType.MARK_ONLY:
        matrix = alignment_matrix(metadata.source_landmarks, size, metadata.face_type)
    return replace(_moved(metadata, np.hstack([scale, np.zeros((2, 1))])), image_to_face_mat=matrix)


def _recut(face: AlignedFace, size: int, face_type: FaceType) -> AlignedFace:
    old = face.picture.shape[0]
    to_new = alignment_matrix(face.metadata.landmarks, size, face_type)
    picture: Any = cv2.warpAffine(face.picture, to_new, (size, size), flags=cv2.INTER_LANCZOS4)
    mask, shown = face.metadata.xseg_mask, face.metadata.shown_type
    other = {key: value for key, value in face.metadata.other.items() if key != SHOWN_TYPE}
    return AlignedFace(
        picture,
        replace(
            _moved(face.metadata, to_new),
            face_type=face_type,
            image_to_face_mat=alignment_matrix(face.metadata.source_landmarks, size, face_type),
            other=other | ({SHOWN_TYPE: shown.file_name} if shown < face_type else {}),
            xseg_mask=None if mask is None else _recut_mask(mask, to_new, old, size),
        ),
    )


def _moved(metadata: FaceMetadata, matrix: Matrix) -> FaceMetadata:
    """Landmarks and polygons moved by a map of the picture's pixels, (2, 3)."""
    polygons = (replace(one, points=transform_points(one.points, matrix)) for one in metadata.polygons)
    return replace(
        metadata,
        landmarks=transform_points(metadata.landmarks, matrix),
        polygons=tuple(polygons),
    )


def _recut_mask(content: bytes, to_new: Matrix, old_size: int, new_size: int) -> bytes:
    """A mask of any size, square or not, moved as its picture is: `to_new` maps old to new picture pixels."""
    mask = decode_mask(content, "an aligned picture")
    height, width = mask.shape[:2]
    to_picture = _scaling(old_size / width, old_size / height)
    to_mask = _scaling(width / new_size, height / new_size)
    matrix = (to_mask @ np.vstack([to_new, (0, 0, 1)]) @ to_picture)[:2]
    warped: Any = cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_LANCZOS4)
    return encode_mask((warped >= 0.5).astype(np.float32))


def _scaling(x: float, y: float) -> NDArray[np.float64]:
    return np.diag([x, y, 1.0])
