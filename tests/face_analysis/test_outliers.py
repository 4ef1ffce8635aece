import numpy as np
import pytest

from dfl.face_analysis.outliers import confidence_of, find_outliers, outside_share, shape_errors
from dfl.faceset.faceset import FaceFile
from tests.faceset.mean_head_faces import FRAME, made_face, made_metadata

SIZES = {"00001.png": FRAME}


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (60, 0), (-60, 30), (0, -40)])
def test_a_turned_head_has_the_shape_of_a_face(yaw: float, pitch: float) -> None:
    face = made_face(yaw=yaw, pitch=pitch)
    assert shape_errors([face])[0] < 0.01
    assert find_outliers([face], SIZES) == []


def test_landmarks_in_disorder_are_doubtful() -> None:
    metadata = made_metadata()
    metadata.landmarks[:] = np.random.default_rng(0).permutation(metadata.landmarks)
    wild = FaceFile(made_face("wild.jpg").path, metadata, (160, 160, 3))
    (outlier,) = find_outliers([made_face("good.jpg"), wild], SIZES)
    assert outlier.face is wild
    assert outlier.reasons == ("its landmarks do not have the shape of a face",)


def test_landmarks_in_one_point_are_no_error() -> None:
    metadata = made_metadata()
    metadata.landmarks[:] = 5
    face = FaceFile(made_face().path, metadata, (160, 160, 3))
    assert np.isfinite(shape_errors([face])).all()
    find_outliers([face], SIZES)


@pytest.mark.parametrize(
    ("confidence", "known"),
    [(0.4, 0.4), (1, 1.0), ("high", 1.0), (7.0, 1.0), (float("nan"), 1.0), (None, 1.0), (np.float32(0.5), 0.5)],
)
def test_confidence_is_kept_only_where_it_is_a_share(confidence: object, known: float) -> None:
    assert confidence_of(made_face(confidence=confidence)) == known


def test_a_face_that_was_found_with_little_confidence_is_doubtful() -> None:
    (outlier,) = find_outliers([made_face("a.jpg", confidence=0.7), made_face("b.jpg", confidence=0.32)], SIZES)
    assert outlier.face.name == "b.jpg"
    assert outlier.reasons == ("its landmarks are right with a probability of 0.32 only",)


def test_a_face_beyond_the_frames_edge_is_doubtful_where_the_frame_is_known() -> None:
    cut = made_face(left=-60)
    inside = (cut.metadata.source_landmarks[:, 0] >= -0.5).sum()
    assert outside_share(cut, FRAME) == pytest.approx(1 - inside / 68)
    (outlier,) = find_outliers([cut], SIZES)
    assert outlier.reasons == (f"{68 - inside} of its 68 landmarks lie outside the frame",)
    assert find_outliers([cut], {}) == []


def test_one_small_face_among_large_ones_is_doubtful_but_not_all_of_small_footage() -> None:
    large = [made_face(f"{number}.jpg", enlarged=1.5) for number in range(9)]
    (outlier,) = find_outliers([*large, made_face("small.jpg", enlarged=8)], SIZES)
    assert outlier.reasons == ("enlarged 8.0 times",)
    assert find_outliers([made_face(f"{number}.jpg", enlarged=6) for number in range(9)], SIZES) == []


def test_the_worst_come_first() -> None:
    faces = [
        made_face("a.jpg", confidence=0.4),
        made_face("b.jpg", confidence=0.2),
        made_face("c.jpg", confidence=0.2, left=-80),
    ]
    assert [outlier.face.name for outlier in find_outliers(faces, SIZES)] == ["c.jpg", "b.jpg", "a.jpg"]


def test_no_faces_no_doubts() -> None:
    assert find_outliers([], {}) == []
