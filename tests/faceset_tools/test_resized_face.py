"""A resized face: picture and face data still belong together."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import AlignedFace
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset.segmentation import Polygon, decode_mask, draw_polygons, encode_mask
from dfl.faceset_tools.resized_face import resized_face
from tests.faceset.made_faces import FRAME_LANDMARKS, aligned_face


def test_the_same_face_type_scales_everything() -> None:
    old = aligned_face(300)
    new = resized_face(old, 450)
    assert new.picture.shape == (450, 450, 3)
    assert np.array_equal(new.picture, cv2.resize(old.picture, (450, 450), interpolation=cv2.INTER_LANCZOS4))
    assert np.allclose(new.metadata.landmarks, old.metadata.landmarks * 1.5, atol=1e-3)
    assert np.allclose(new.metadata.polygons[0].points, old.metadata.polygons[0].points * 1.5, atol=1e-3)
    # The original computes it anew from the frame's landmarks; the picture's own matrix gives the same.
    recomputed = alignment_matrix(FRAME_LANDMARKS, 450, FaceType.WHOLE)
    assert np.allclose(new.metadata.image_to_face_mat, recomputed, rtol=1e-6, atol=1e-4)
    assert new.metadata.xseg_mask == old.metadata.xseg_mask
    kept = ("face_type", "source_filename", "eyebrows_expand_mod", "other")
    assert all(getattr(new.metadata, name) == getattr(old.metadata, name) for name in kept)
    assert np.array_equal(new.metadata.source_landmarks, old.metadata.source_landmarks)
    assert np.array_equal(new.metadata.source_rect, old.metadata.source_rect)


@pytest.mark.parametrize("kind", [FaceType.HALF, FaceType.MIDFULL, FaceType.FULL, FaceType.HEAD])
def test_another_face_type_looks_as_if_cut_from_the_frame(kind: FaceType) -> None:
    old, new = aligned_face(300), resized_face(aligned_face(300), 200, kind)
    wanted = aligned_face(200, kind)
    assert new.metadata.face_type is kind
    assert np.allclose(new.metadata.landmarks, wanted.metadata.landmarks, atol=0.02)
    assert np.allclose(new.metadata.image_to_face_mat, wanted.metadata.image_to_face_mat, atol=1e-6)
    assert np.allclose(
        transform_points(FRAME_LANDMARKS, new.metadata.image_to_face_mat), new.metadata.landmarks, atol=0.02
    )
    inside = draw_polygons((200, 200), [Polygon(True, _square_of(old, new))])[:, :, 0] > 0
    inside = cv2.erode(inside.astype(np.uint8), np.ones((9, 9))) > 0
    difference = np.abs(new.picture.astype(int) - wanted.picture)[inside]
    assert difference.mean() < 1
    assert kind is not FaceType.HEAD or new.picture[0, 0].max() == 0  # not shown before


def _square_of(old: AlignedFace, new: AlignedFace) -> np.ndarray:
    """The old picture's corners in the new one."""
    size = old.picture.shape[0] - 1
    corners = np.array([(0, 0), (size, 0), (size, size), (0, size)], np.float32)
    assert old.metadata.image_to_face_mat is not None
    assert new.metadata.image_to_face_mat is not None
    in_frame = transform_points(corners, old.metadata.image_to_face_mat, inverse=True)
    return transform_points(in_frame, new.metadata.image_to_face_mat)


@pytest.mark.parametrize("shape", [(256, 256), (64, 64), (300, 300), (200, 100)])
def test_a_mask_of_any_size_stays_on_its_face(shape: tuple[int, int]) -> None:
    old = aligned_face(300)
    hull = draw_polygons((300, 300), old.metadata.polygons)
    mask = cv2.resize(hull, shape[::-1], interpolation=cv2.INTER_AREA)
    old = AlignedFace(old.picture, replace(old.metadata, xseg_mask=encode_mask(mask)))
    new = resized_face(old, 240, FaceType.FULL)
    assert new.metadata.xseg_mask is not None
    moved = decode_mask(new.metadata.xseg_mask, "")
    assert moved.shape == (*shape, 1)
    assert set(np.unique(moved)) <= {0.0, 1.0}
    wanted = cv2.resize(draw_polygons((240, 240), new.metadata.polygons), shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(moved[:, :, 0] - wanted).mean() < 0.02


def test_old_files_without_a_matrix_get_one() -> None:
    old = aligned_face(300)
    new = resized_face(AlignedFace(old.picture, replace(old.metadata, image_to_face_mat=None)), 150)
    assert np.allclose(new.metadata.image_to_face_mat, alignment_matrix(FRAME_LANDMARKS, 150, FaceType.WHOLE))


def test_a_damaged_mask_is_told() -> None:
    old = aligned_face(300)
    with pytest.raises(UserError, match="mask"):
        resized_face(AlignedFace(old.picture, replace(old.metadata, xseg_mask=b"no")), 150, FaceType.FULL)


@settings(max_examples=20, deadline=None)
@given(st.integers(128, 600), st.integers(128, 600))
def test_there_and_back_moves_no_landmark(one: int, other: int) -> None:
    old = aligned_face(one)
    metadata: FaceMetadata = resized_face(resized_face(old, other), one).metadata
    assert np.allclose(metadata.landmarks, old.metadata.landmarks, atol=1e-3)
