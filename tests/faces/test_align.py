from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.faces.align import (
    ALIGNMENT_LANDMARKS,
    alignment_matrix,
    mean_face,
    mirror_landmarks,
    rect_from_landmarks,
    similarity,
    transform_points,
)
from dfl.faces.face_type import FaceType

TURNED = [FaceType.HALF, FaceType.MIDFULL, FaceType.FULL, FaceType.WHOLE, FaceType.HEAD]


# float64 is how the record was made; the extractor hands on float32.
@pytest.mark.parametrize(("kind", "entries", "shift"), [(np.float64, 1e-5, 2e-3), (np.float32, 1e-4, 0.01)])
def test_matrices_are_those_of_the_original(
    alignment: Any, agrees: Any, kind: Any, entries: float, shift: float
) -> None:
    for face in alignment["sets"]:
        points = np.array(face["landmarks"], kind)
        for key, recorded in face["mats"].items():
            name, size, *scale = key.split("/")
            factor = float(scale[0].removeprefix("scale")) if scale else 1.0
            matrix = alignment_matrix(points, int(size), FaceType.from_name(name), factor)
            wanted = np.array(recorded)
            record = f"alignment matrix {name} from {kind.__name__}"
            agrees(f"{record}, 2x2", matrix[:, :2], wanted[:, :2], entries)
            agrees(f"{record}, shift (px)", matrix[:, 2], wanted[:, 2], shift)


def test_rectangles_points_and_mirrored_landmarks_are_those_of_the_original(alignment: Any, agrees: Any) -> None:
    for face in alignment["sets"]:
        points = np.array(face["landmarks"])
        agrees("rect_from_landmarks (px)", rect_from_landmarks(points), face["rect_from_landmarks"], 1e-3)
        agrees("mirrored landmarks (px)", mirror_landmarks(points, 640), face["mirrored_640"], 1e-3)
        for name in ("full_face", "whole_face"):
            moved = transform_points(points, alignment_matrix(points, 256, FaceType.from_name(name)))
            agrees("aligned landmarks (px)", moved, face[f"aligned_landmarks/{name}"], 1e-3)
    moved = alignment["transform_points"]
    points, matrix = np.array(moved["points"]), np.array(moved["mat"])
    agrees("transform_points (px)", transform_points(points, matrix), moved["out"], 1e-3)
    agrees("transform_points back (px)", transform_points(points, matrix, inverse=True), moved["inverse_out"], 1e-3)


def test_whole_number_landmarks_give_the_matrix_of_the_same_floats(landmarks: NDArray[np.float64]) -> None:
    whole = np.rint(landmarks).astype(np.int32)
    for kind in FaceType:
        if kind is not FaceType.MARK_ONLY:
            expected = alignment_matrix(whole.astype(np.float32), 256, kind)
            assert np.array_equal(alignment_matrix(whole, 256, kind), expected)


@pytest.mark.parametrize("kind", TURNED)
def test_a_turned_scaled_moved_face_gives_the_same_picture(kind: FaceType, landmarks: NDArray[np.float64]) -> None:
    turn = np.array([[0.6, -0.8], [0.8, 0.6]]) * 1.7
    moved = landmarks @ turn.T + (31, -12)
    before = transform_points(landmarks, alignment_matrix(landmarks, 256, kind))
    after = transform_points(moved, alignment_matrix(moved, 256, kind))
    assert np.abs(before - after).max() < 0.05


@pytest.mark.parametrize("kind", [FaceType.FULL_NO_ALIGN, FaceType.HEAD_NO_ALIGN])
def test_no_align_types_stay_parallel_to_the_frame(kind: FaceType, landmarks: NDArray[np.float64]) -> None:
    matrix = alignment_matrix(landmarks, 256, kind)
    assert matrix[0, 1] == pytest.approx(0, abs=1e-6)
    assert matrix[0, 0] == pytest.approx(matrix[1, 1])


@pytest.mark.parametrize("kind", TURNED)
def test_scale_shrinks_the_square_around_its_centre(kind: FaceType, landmarks: NDArray[np.float64]) -> None:
    near, far = (alignment_matrix(landmarks, 256, kind, scale) for scale in (2.0, 1.0))
    assert np.allclose(near[:, :2], far[:, :2] * 2, atol=1e-3)
    centre = np.array([[128, 128]], np.float32)
    back = [transform_points(centre, matrix, inverse=True) for matrix in (near, far)]
    assert np.abs(back[0] - back[1]).max() < 0.01


def test_mark_only_has_no_matrix(landmarks: NDArray[np.float64]) -> None:
    with pytest.raises(UserError, match="mark_only"):
        alignment_matrix(landmarks, 256, FaceType.MARK_ONLY)


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 40),
    shift=st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
)
def test_similarity_finds_a_known_one(angle: float, scale: float, shift: tuple[float, float]) -> None:
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    face = mean_face().astype(np.float64)
    found = similarity(face, face @ rotation.T + shift)
    assert np.allclose(found[:, :2], rotation, atol=1e-9 * scale + 1e-9)
    assert np.allclose(found[:, 2], shift, atol=1e-7)


def test_similarity_never_mirrors() -> None:
    face = mean_face().astype(np.float64)
    assert np.linalg.det(similarity(face, face * (-1, 1))[:, :2]) > 0


def test_similarity_of_points_on_a_line_and_in_one_place() -> None:
    line = np.stack([np.arange(33.0), np.zeros(33)], axis=1)
    assert np.allclose(similarity(line, line * 2 + 1), [[2, 0, 1], [0, 2, 1]])
    assert np.isnan(similarity(np.ones((33, 2)), mean_face())).all()


def test_mirroring_twice_is_nothing(landmarks: NDArray[np.float64]) -> None:
    assert np.allclose(mirror_landmarks(mirror_landmarks(landmarks, 640), 640), landmarks)


def test_a_mirrored_face_gives_the_mirrored_picture(landmarks: NDArray[np.float64]) -> None:
    mirrored = mirror_landmarks(landmarks, 640)
    before = transform_points(landmarks, alignment_matrix(landmarks, 256, FaceType.WHOLE))
    after = transform_points(mirrored, alignment_matrix(mirrored, 256, FaceType.WHOLE))
    # The square runs from 0 to 256, a mirrored picture from 255 to 0. The mean face is even to 0.02 of its side.
    assert np.abs(mirror_landmarks(before, 257) - after)[list(ALIGNMENT_LANDMARKS)].max() < 3
