"""The metadata of an aligned picture, and the dict in which the original stores them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Matrix, Points
from dfl.faces.align import rect_from_landmarks, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.segmentation import Polygon, include_first, polygons_to_dict

# No picture is so large that a landmark of it lies further out.
_MAX_COORDINATE = 1e6
# Key of the face type that a picture really shows, where `resize` gave it a wider one.
SHOWN_TYPE = "shown_face_type"
# More than any face's data unfold to: 65,533 bytes of a JPEG's segment, a mask, outlines.
MAX_METADATA_BYTES = 2**21


@dataclass(frozen=True, eq=False)
class FaceMetadata:
    """The metadata of an aligned picture: its face and where it came from.

    landmarks: (68, 2) float32, pixels of the aligned picture. source_filename: the frame's file name, no folder.
    source_rect: (4,) whole numbers, left, top, right, bottom of the face in the frame. source_landmarks: (68, 2)
    float32, frame pixels. image_to_face_mat: (2, 3) frame to aligned picture; None for mark_only and in foreign files.
    xseg_mask: PNG or JPEG bytes, see segmentation.decode_mask. polygons: drawn by the user, include first.
    eyebrows_expand_mod: see masks.hull_mask. other: keys that are not known here, stored as they are.
    """

    face_type: FaceType
    landmarks: Points
    source_filename: str
    source_rect: NDArray[np.integer[Any]]
    source_landmarks: Points
    image_to_face_mat: Matrix | None
    xseg_mask: bytes | None = None
    polygons: tuple[Polygon, ...] = ()
    eyebrows_expand_mod: float = 1.0
    other: dict[str, Any] = field(default_factory=dict)

    @property
    def shown_type(self) -> FaceType:
        """How much of the head the picture really shows: less than its face type where it was widened with black."""
        name = self.other.get(SHOWN_TYPE)
        shown = next((kind for kind in FaceType if kind.file_name == name), self.face_type) if name else self.face_type
        return min(shown, self.face_type)


def metadata_to_dict(metadata: FaceMetadata) -> dict[str, Any]:
    """The metadata in the original's form: as pickled in aligned pictures and in meta.dat."""
    values: dict[str, Any] = {
        "face_type": metadata.face_type.file_name,
        "landmarks": metadata.landmarks.tolist(),
        "source_filename": metadata.source_filename,
        "source_rect": metadata.source_rect,
        "source_landmarks": metadata.source_landmarks.tolist(),
    }
    if metadata.image_to_face_mat is not None:
        values["image_to_face_mat"] = metadata.image_to_face_mat
    if metadata.xseg_mask is not None:
        values["xseg_mask"] = np.frombuffer(metadata.xseg_mask, np.uint8)
    if metadata.polygons:
        values["seg_ie_polys"] = polygons_to_dict(metadata.polygons)
    if metadata.eyebrows_expand_mod != 1.0:
        values["eyebrows_expand_mod"] = metadata.eyebrows_expand_mod
    return values | metadata.other


def metadata_from_dict(values: Any, name: str) -> FaceMetadata:
    """The metadata of a dict in the original's form, older forms too. UserError names the file when a part is wrong.

    `values`: what the closed pickle reader made of an aligned picture's segment, or of an entry of meta.dat.
    """
    try:
        return _metadata({key: value for key, value in values.items() if value is not None})
    except KeyError as error:
        reason = f"{error.args[0]} is missing"
    except UserError as error:
        reason = error.what
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        reason = str(error)
    raise UserError(f"The face data in {name} are damaged: {reason}.", "Extract this face again, or delete the file.")


def _metadata(values: dict[str, Any]) -> FaceMetadata:
    """Take the known keys out of `values`; what is left goes to `other`."""
    landmarks = _landmarks(values.pop("landmarks"))
    face_type = FaceType.from_name(str(values.pop("face_type", FaceType.FULL.file_name)))
    matrix = _matrix(values.pop("image_to_face_mat", None))
    source_landmarks = _source_landmarks(values, face_type, landmarks, matrix)
    older_polygons = values.pop("ie_polys", None)  # before March 2020
    mask = values.pop("xseg_mask", None)
    expand = float(values.pop("eyebrows_expand_mod", 1.0))
    if not 0 <= expand <= 10:
        raise ValueError(f"eyebrows_expand_mod is {expand}")
    return FaceMetadata(
        face_type=face_type,
        landmarks=landmarks,
        # Only the name: a path from a foreign file is never followed.
        source_filename=str(values.pop("source_filename", "")).replace("\\", "/").rpartition("/")[2],
        source_rect=_rect(values.pop("source_rect", None), source_landmarks),
        source_landmarks=source_landmarks,
        image_to_face_mat=matrix,
        xseg_mask=None if mask is None else _bytes(mask),
        polygons=_polygons(values.pop("seg_ie_polys", None) or older_polygons),
        eyebrows_expand_mod=expand,
        other=values,
    )


def _points(value: Any) -> Points:
    points = np.array(value, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.all(np.abs(points) < _MAX_COORDINATE):
        raise ValueError("points are not pairs of numbers within a picture")
    return points.astype(np.float32)


def _landmarks(value: Any) -> Points:
    points = _points(value)
    if len(points) != 68:
        raise ValueError(f"a face has 68 landmarks, not {len(points)}")
    return points


def _source_landmarks(values: dict[str, Any], face_type: FaceType, landmarks: Points, matrix: Matrix | None) -> Points:
    """As stored; files from before 2019 may lack them, but they follow from the matrix."""
    stored = values.pop("source_landmarks", None)
    if stored is not None:
        return _landmarks(stored)
    if matrix is not None:
        return _landmarks(transform_points(landmarks, matrix, inverse=True))
    if face_type is FaceType.MARK_ONLY:  # the picture is the frame
        return landmarks
    raise KeyError("source_landmarks")


def _rect(value: Any, source_landmarks: Points) -> NDArray[np.integer[Any]]:
    rect = np.asarray(rect_from_landmarks(source_landmarks) if value is None else value)
    if rect.shape != (4,) or rect.dtype.kind not in "iuf" or not np.all(np.abs(rect) < _MAX_COORDINATE):
        raise ValueError("source_rect is not four numbers within a picture")
    return rect.astype(np.int64) if rect.dtype.kind == "f" else rect


def _matrix(value: Any) -> Matrix | None:
    if value is None:
        return None
    matrix = np.array(value, np.float64)
    if matrix.shape != (2, 3) or not np.all(np.isfinite(matrix)):
        raise ValueError("image_to_face_mat is not 2 x 3 numbers")
    return matrix


def _bytes(value: Any) -> bytes:
    """An encoded mask: a row of bytes, a column in files of older OpenCV."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        raise ValueError("xseg_mask is not a row of bytes")
    return value.tobytes()


def _polygons(value: Any) -> tuple[Polygon, ...]:
    """Polygons of any age: {"polys": [{"type", "pts"}]}, or a list of (type, points)."""
    if not value:
        return ()
    rows = value["polys"] if isinstance(value, dict) else value
    pairs = [(row["type"], row["pts"]) if isinstance(row, dict) else row for row in rows]
    return include_first(Polygon(int(kind) == 1, _points(points)) for kind, points in pairs if len(points))
