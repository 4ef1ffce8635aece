from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfl.base.pictures import read_picture
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faces.masks import expand_eyebrows, eyes_and_mouth, eyes_mask, hull_mask, mouth_mask


def _recorded_masks(alignment: Any) -> Any:
    """(file name, our mask, recorded sum) of every recorded mask."""
    for face in alignment["sets"]:
        points = np.array(face["landmarks"])
        for name, facts in (face.get("masks") or {}).items():
            kind = FaceType.WHOLE if "whole_face" in name else FaceType.FULL
            aligned = transform_points(points, alignment_matrix(points, 256, kind))
            draw = eyes_mask if name.endswith("_eye.png") else mouth_mask if name.endswith("_mouth.png") else None
            expand = float(name.removesuffix(".png").rpartition("_b")[2]) if "_b" in name else 1.0
            mask = draw((256, 256), aligned) if draw else hull_mask((256, 256), aligned, expand)
            yield name, mask, facts["sum"]


def test_mask_sums_are_those_of_the_original(alignment: Any, agrees: Any) -> None:
    for name, mask, total in _recorded_masks(alignment):
        assert mask.shape == (256, 256, 1)
        assert mask.dtype == np.float32
        kind = name.removesuffix(".png").rpartition("face_")[2]
        agrees(f"mask {kind}, sum relative", mask.sum(dtype=np.float64) / total, 1, 1e-5)


def test_mask_pixels_are_those_of_the_original(alignment: Any, shared: Path, agrees: Any) -> None:
    for name, mask, _ in _recorded_masks(alignment):
        recorded = read_picture(shared / "original" / "alignment_masks" / name)[:, :, 0]
        kind = name.removesuffix(".png").rpartition("face_")[2]
        agrees(f"mask {kind} (grey levels)", np.round(255 * np.clip(mask[:, :, 0], 0, 1)), recorded, 1)


def test_expanded_brows_are_those_of_the_original(alignment: Any) -> None:
    for face in alignment["sets"]:
        points = np.array(face["landmarks"])
        for kind in (FaceType.FULL, FaceType.WHOLE):
            aligned = transform_points(points, alignment_matrix(points, 256, kind))
            recorded = face.get(f"expand_eyebrows_1.0/{kind.file_name}")
            if recorded is not None:
                assert expand_eyebrows(aligned)[17:27].tolist() == recorded


def _drawn_on_the_whole_frame(shape: tuple[int, int], points: NDArray[Any], parts: list[Any], soft: bool) -> Any:
    mask: Any = np.zeros(shape, np.float32)
    for part in parts:
        cv2.fillConvexPoly(mask, cv2.convexHull(points[part].astype(np.int32)), 1.0)
    if soft:
        side, blur = max(shape[0] // 32, 1), shape[0] // 16 | 1
        mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
        mask = cv2.GaussianBlur(mask, (blur, blur), 0)
    return mask[:, :, None]


@given(
    shape=st.tuples(st.integers(8, 500), st.integers(8, 500)),
    place=st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5)),
    scale=st.floats(0.05, 3),
)
@settings(max_examples=60, deadline=None)
def test_drawing_in_the_box_equals_drawing_on_the_whole_frame(
    landmarks: NDArray[np.float64], shape: tuple[int, int], place: tuple[float, float], scale: float
) -> None:
    points = (landmarks - landmarks.mean(axis=0)) * scale + np.array(place) * (shape[1], shape[0])
    eyes = [list(range(36, 42)), list(range(42, 48))]
    assert np.array_equal(eyes_mask(shape, points), _drawn_on_the_whole_frame(shape, points, eyes, True))
    lips = [list(range(60, 68))]
    assert np.array_equal(mouth_mask(shape, points), _drawn_on_the_whole_frame(shape, points, lips, True))
    hulls = [[*range(9), 17], [*range(8, 17), 26], [17, 18, 19, 8], [24, 25, 26, 8], [*range(19, 25), 8]]
    hulls += [[*range(17, 22), 27, *range(31, 36), 8], [*range(22, 27), 27, *range(31, 36), 8], list(range(27, 36))]
    expected = _drawn_on_the_whole_frame(shape, expand_eyebrows(points, 1.0), hulls, False)
    assert np.array_equal(hull_mask(shape, points), expected)


@pytest.mark.parametrize("draw", [hull_mask, eyes_mask, mouth_mask])
def test_a_face_outside_the_frame_leaves_the_mask_empty(draw: Any, landmarks: NDArray[np.float64]) -> None:
    for away in ((-5000, 0), (0, -5000), (5000, 5000), (1e6, -1e6)):
        assert not draw((240, 320), landmarks + away).any()


def test_more_expansion_shows_more_forehead(landmarks: NDArray[np.float64]) -> None:
    areas = [hull_mask((480, 480), landmarks, amount).sum() for amount in (0.0, 1.0, 2.0)]
    assert areas == sorted(areas)
    assert areas[0] < areas[2]


@settings(max_examples=30, deadline=None)
@given(side=st.integers(16, 400), seed=st.integers(0, 99), spread=st.floats(0.1, 2.0))
def test_eyes_and_mouth_in_bytes_are_the_soft_masks(side: int, seed: int, spread: float) -> None:
    points = side / 2 + spread * side * (np.random.default_rng(seed).random((68, 2)) - 0.5)
    for small, draw in zip(eyes_and_mouth((side, side), points), (eyes_mask, mouth_mask), strict=True):
        expected = np.rint(np.clip(draw((side, side), points)[:, :, 0], 0, 1) * 255)
        assert small.dtype == np.uint8
        assert np.abs(small - expected).max() <= 1
