"""Each numeric setting changes the picture in the right place and direction, and its neutral value changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.options import number_or_words
from dfl.faces.face_type import FaceType
from dfl.merging.blending.face_blender import merge_face
from dfl.merging.blending.face_crop import STILL, Motion, crop_face
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.face_measures import measure_face
from dfl.merging.blending.merged_frame import compose
from dfl.merging.blending.temporal_smoothing import smoothed_over_time
from dfl.merging.options import MergeOptions
from dfl.merging.planning.settings import ORIGINAL, MergeSettings
from dfl.merging.planning.tasks import FaceTask
from dfl.merging.running.networks import Networks
from dfl.video.options import EncodingOptions
from tests.merging.conftest import FakeModel, face_at

SIDE = 64
HEIGHT, WIDTH = 300, 400
Made = tuple[NDArray[np.uint8], NDArray[np.uint8]]
Value = Callable[[Made], float]


def task_of(settings: MergeSettings) -> FaceTask:
    return FaceTask(CROP.landmarks, None, "m", settings)


def frame() -> NDArray[np.uint8]:
    """Waves with fine grain, so that sharpness and noise can be measured everywhere."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = np.stack([np.sin(x / 23 + y / 31), np.sin(x / 17 - y / 29), np.cos(x / 41 + y / 13)], axis=2)
    return (128 + 60 * waves + np.random.default_rng(3).normal(0, 12, waves.shape)).clip(0, 255).astype(np.uint8)


FRAME = frame()
CROP = crop_face(FRAME, face_at(200, 150, 110), FaceType.FULL, SIDE)


def prediction() -> FacePrediction:
    """Stripes of both directions, half as bright as the frame, under a soft oval."""
    y, x = np.mgrid[:SIDE, :SIDE]
    stripes = 0.3 + 0.12 * np.sin(x * 1.2) + 0.12 * np.sin(y * 1.2)
    oval = np.clip(12 * (0.62 - np.hypot(x / SIDE - 0.5, y / SIDE - 0.5) * 1.6), 0, 1).astype(np.float32)
    return FacePrediction(np.repeat(stripes[:, :, None], 3, axis=2).astype(np.float32), oval, np.ones_like(oval))


def made(motion: Motion = STILL, **changes: Any) -> Made:
    settings = MergeSettings(**(ORIGINAL | {"colour_transfer": "none"} | changes))
    patch = merge_face(FRAME, CROP, prediction(), settings, motion)
    return compose(FRAME, [patch], settings).as_bytes()


PLAIN = made()
INSIDE = cv2.erode(PLAIN[1], np.ones((25, 25), np.uint8)) > 250
# Nothing of the face reaches so far out, however wide the mask is made here.
OUTSIDE = cv2.dilate(PLAIN[1], np.ones((61, 61), np.uint8)) == 0


def area(one: Made) -> float:
    return float(one[1].sum())


def edge(one: Made) -> float:
    return float(((one[1] > 5) & (one[1] < 250)).sum())


def detail(one: Made, where: NDArray[np.bool_]) -> float:
    return float(np.abs(cv2.Laplacian(one[0].astype(np.float32), cv2.CV_32F))[where].mean())


def inside_detail(one: Made) -> float:
    return detail(one, INSIDE)


def outside_detail(one: Made) -> float:
    return detail(one, OUTSIDE)


def across(one: Made) -> float:
    """Contrast of stripes that a movement to the right wipes out."""
    return float(np.abs(np.diff(one[0].astype(np.float32), axis=1))[:, 1:][INSIDE[:, 2:]].mean())


def brightness(one: Made) -> float:
    return float(one[0][INSIDE].mean())


def colours(one: Made) -> float:
    return float(len(np.unique(one[0].reshape(-1, 3), axis=0)))


def outside_is_kept(one: Made) -> bool:
    return bool(np.array_equal(one[0][OUTSIDE], FRAME[OUTSIDE]))


def face_is_kept(one: Made) -> bool:
    return bool(np.array_equal(one[0][INSIDE], PLAIN[0][INSIDE]))


def anything(one: Made) -> bool:
    return True


RIGHT = Motion(12, 0)
# option, other settings, values that make the measure rise, the measure, what must stay as it is
TABLE: list[tuple[str, dict[str, Any], list[int], Value, Callable[[Made], bool]]] = [
    ("erode", {}, [60, 20, 5, 0, -5, -20, -60], area, outside_is_kept),
    ("blur", {}, [0, 10, 30, 60], edge, outside_is_kept),
    ("face_scale", {}, [50, 10, 0, -10, -20], area, outside_is_kept),
    ("motion_blur", {"motion": RIGHT}, [100, 70, 40, 0], across, outside_is_kept),
    ("sharpen_amount", {"sharpen_mode": "box"}, [-30, -10, 0, 3, 10], inside_detail, outside_is_kept),
    ("sharpen_amount", {"sharpen_mode": "gaussian"}, [-30, -10, 0, 3, 10], inside_detail, outside_is_kept),
    ("denoise", {}, [300, 50, 10, 0], outside_detail, face_is_kept),
    ("bicubic", {}, [90, 50, 20, 0], outside_detail, face_is_kept),
    ("colour_degrade", {}, [100, 99, 0], colours, anything),
    *(
        ("hist_match_threshold", others, [60, 150, 255], brightness, outside_is_kept)
        for others in (
            {"mode": "hist-match", "masked_hist_match": False},
            {"mode": "hist-match"},
            {"mode": "seamless-hist-match"},
        )
    ),
]
NEUTRAL: list[tuple[str, int, dict[str, Any]]] = [
    ("erode", 0, {}),
    ("blur", 0, {}),
    ("face_scale", 0, {}),
    ("motion_blur", 0, {"motion": RIGHT}),
    ("motion_blur", 100, {}),
    ("sharpen_amount", 0, {"sharpen_mode": "box"}),
    ("sharpen_amount", 20, {"sharpen_mode": "none"}),
    ("denoise", 0, {}),
    ("bicubic", 0, {}),
    ("colour_degrade", 0, {}),
    ("super_resolution", 0, {}),
    ("hist_match_threshold", 3, {}),
    ("steady_mask", 5, {}),
    ("steady_colours", 5, {}),
]
# Options that cannot be shown on a single frame without a network, and the file of the tests that show them.
ELSEWHERE = {
    "super_resolution": Path(__file__),
    "steady_mask": Path(__file__),
    "steady_colours": Path(__file__),
    "morph_factor": Path(__file__).parents[1] / "models" / "test_amp.py",
    "workers": Path(__file__).with_name("test_merge.py"),
}


def test_no_numeric_option_is_left_out() -> None:
    """A new one fails here until it has a row above, or a test of its own."""
    own = MergeOptions.model_fields.keys() - EncodingOptions.model_fields.keys()
    kinds = {name: MergeOptions.model_fields[name].annotation for name in own}
    numeric = {name for name, kind in kinds.items() if kind in (int, float) or number_or_words(kind)}
    assert numeric >= {"erode", "steady_mask", "morph_factor"}
    assert {name for name, *_ in TABLE} | ELSEWHERE.keys() == numeric
    assert {name for name, *_ in NEUTRAL} | {"morph_factor", "workers"} == numeric
    for name, path in ELSEWHERE.items():
        assert name in path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "others", "values", "measure", "stays"), TABLE, ids=lambda one: str(one)[:20])
def test_the_picture_changes_in_the_right_place_and_direction(
    name: str, others: dict[str, Any], values: list[int], measure: Value, stays: Callable[[Made], bool]
) -> None:
    pictures = [made(**others, **{name: value}) for value in values]
    measured = [measure(one) for one in pictures]
    assert measured == sorted(measured)
    assert len(set(measured)) == len(measured)
    assert all(stays(one) for one in pictures)


@pytest.mark.parametrize(("name", "neutral", "others"), NEUTRAL)
def test_a_neutral_value_changes_nothing(name: str, neutral: int, others: dict[str, Any]) -> None:
    """Neither does one that has nothing to work on: a blur of movement without movement, neighbours without any."""
    without = made(**{key: value for key, value in others.items() if key == "motion"})
    one = made(**others, **{name: neutral})
    settings = {key: value for key, value in others.items() if key != "motion"}
    assert np.array_equal(one[0], without[0])
    assert np.array_equal(one[1], without[1])
    is_idle = name in ("hist_match_threshold",) or settings.get("sharpen_mode") == "none"
    settings = {"colour_transfer": "rct"} | settings
    assert (name not in MergeSettings(**settings, **{name: neutral}).deciding()) == is_idle


def test_motion_blur_is_as_long_as_the_way_of_one_frame_in_the_faces_own_pixels() -> None:
    """Half the motion over two frames; a stripe pattern of that period vanishes."""
    scale = float(np.sqrt(np.linalg.det(CROP.to_face[:, :2])))
    period = 2 * np.pi / 1.2  # of the stripes, face pixels
    vanishing = Motion(2 * period / scale, 0)
    shorter, longer = Motion(vanishing.power / 4, 0), vanishing
    assert across(made(shorter, motion_blur=100)) > 1.3 * across(made(longer, motion_blur=100))
    assert across(made(vanishing, motion_blur=100)) < 0.75 * across(PLAIN)
    up = Motion(vanishing.power, 90)
    assert across(made(up, motion_blur=100)) > 1.3 * across(made(vanishing, motion_blur=100))


@pytest.mark.parametrize("power", [6, 9, 12, 20, 31])
def test_motion_blur_leaves_the_face_where_it_is(power: int) -> None:
    dot = np.zeros((SIDE, SIDE, 3), np.float32)
    dot[30:34, 30:34] = 1
    one = replace(prediction(), face=cv2.GaussianBlur(dot, (0, 0), 2))

    def middle(motion_blur: int, degrees: float) -> Any:
        settings = MergeSettings(colour_transfer="none", mask_mode="full", motion_blur=motion_blur)
        patch = merge_face(FRAME, CROP, one, settings, Motion(power, degrees))
        rows, columns = np.mgrid[patch.box.top : patch.box.bottom, patch.box.left : patch.box.right]
        weights = patch.picture[:, :, 0] * (np.hypot(columns - 201, rows - 145) < 45)
        return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()

    for degrees in (0, 35, 90, 200):
        assert np.abs(middle(100, degrees) - middle(0, degrees)).max() < 0.15


class Brightening:
    """Stands for the enhancer: four times as large, and brighter by a tenth of 0..1."""

    calls = 0

    def enlarge(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        self.calls += 1
        assert picture.min() < -0.2, "values are handed in as -1..1"
        return np.repeat(np.repeat(picture, 4, axis=0), 4, axis=1) + np.float32(0.2)


def test_super_resolution_adds_as_much_of_the_enhancer_as_asked_for() -> None:
    enhancer = Brightening()
    model = FakeModel(resolution=SIDE, face_type=FaceType.FULL)
    shown = {}
    for power in (0, 40, 100):
        settings = MergeSettings(super_resolution=power, colour_transfer="none")
        (answer,) = Networks({"m": model}, enhancer=enhancer).predict([task_of(settings)], [CROP])
        assert answer.face.shape[0] == (4 * SIDE if power else SIDE)
        patch = merge_face(FRAME, CROP, replace(answer, face_mask=PLAIN_OVAL, dst_mask=PLAIN_OVAL), settings)
        shown[power] = compose(FRAME, [patch], settings).as_bytes()
    assert enhancer.calls == 2
    rise = {power: brightness(shown[power]) - brightness(shown[0]) for power in (40, 100)}
    assert rise[40] == pytest.approx(0.04 * 255, abs=2)
    assert rise[100] == pytest.approx(0.1 * 255, abs=2)
    assert all(outside_is_kept(one) for one in shown.values())


PLAIN_OVAL = prediction().face_mask


class Enlarging:
    """An enhancer that adds nothing."""

    def enlarge(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        large = cv2.resize(picture, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
        return np.asarray(large, np.float32)


def test_super_resolution_leaves_face_and_mask_where_they_are() -> None:
    shown = {}
    for power in (0, 100):
        settings = MergeSettings(colour_transfer="none", super_resolution=power)
        model = FakeModel(resolution=SIDE, face_type=FaceType.FULL)
        (answer,) = Networks({"m": model}, enhancer=Enlarging()).predict([task_of(settings)], [CROP])
        patch = merge_face(FRAME, CROP, replace(answer, face_mask=PLAIN_OVAL, dst_mask=PLAIN_OVAL), settings)
        shown[power] = compose(FRAME, [patch], settings).as_bytes()
    assert np.array_equal(shown[0][1], shown[100][1])

    def apart(right: int) -> float:
        moved = np.roll(shown[100][0].astype(float), right, axis=1)
        return float(
            np.abs(cv2.GaussianBlur(moved, (0, 0), 3) - cv2.GaussianBlur(shown[0][0], (0, 0), 3))[INSIDE].mean()
        )

    # A shift by one pixel either way makes it worse, both alike.
    assert 3 * apart(0) < min(apart(1), apart(-1))
    assert apart(1) == pytest.approx(apart(-1), rel=0.2)


def test_two_passes_show_the_model_its_own_face_in_the_place_of_the_first() -> None:
    seen = []

    class Watching(FakeModel):
        def predict(self, faces: Any) -> Any:
            seen.append(faces.copy())
            return super().predict(faces)

    networks = Networks({"m": Watching(resolution=SIDE, face_type=FaceType.FULL)})
    settings = MergeSettings(two_pass=True)
    (answer,) = networks.predict([task_of(settings)], [CROP])
    first, second = seen[0][0], seen[1][0]
    assert np.array_equal(first, CROP.picture)
    middle, corner = (SIDE // 2, SIDE // 2), (0, 0)
    assert second[middle] == pytest.approx(1 - first[middle], abs=1e-6)
    assert second[corner] == pytest.approx(first[corner], abs=1e-6)
    assert answer.face[middle] == pytest.approx(first[middle], abs=1e-6)


def steady_clip(**changes: Any) -> list[Made]:
    """Nine times the same frame, while the predicted mask trembles in width; smoothed as `changes` say."""
    settings = MergeSettings(**(ORIGINAL | {"colour_transfer": "none", "steady_mask": 0} | changes))
    random = np.random.default_rng(8)
    y, x = np.mgrid[:SIDE, :SIDE]
    predictions = []
    for _ in range(9):
        oval = np.clip(12 * (0.62 + random.normal(0, 0.004) - np.hypot(x / SIDE - 0.5, y / SIDE - 0.5) * 1.6), 0, 1)
        predictions.append(replace(prediction(), face_mask=oval.astype(np.float32)))
    measured = [measure_face(FRAME, CROP, one, settings, index, 0) for index, one in enumerate(predictions)]
    shown = []
    for one, own in zip(predictions, measured, strict=True):
        neighbours = [other for other in measured if other is not own]
        patch = merge_face(FRAME, CROP, one, settings, measures=smoothed_over_time(own, neighbours, settings))
        shown.append(compose(FRAME, [patch], settings).as_bytes())
    return shown


def tremble(shown: list[Made], part: int, where: NDArray[np.bool_]) -> float:
    """Mean standard deviation over time."""
    return float(np.stack([one[part][where].astype(float) for one in shown]).std(axis=0).mean())


def test_masks_that_tremble_are_smoothed_the_more_the_more_neighbours_count() -> None:
    rim = (PLAIN[1] > 0) & ~INSIDE
    measured = [tremble(steady_clip(steady_mask=reach), 1, rim) for reach in (0, 1, 2, 4)]
    assert measured == sorted(measured, reverse=True)
    assert measured[-1] < 0.6 * measured[0]
    for one in steady_clip(steady_mask=4):
        assert outside_is_kept(one)
        assert face_is_kept(one)


def test_colours_that_tremble_are_smoothed_the_more_the_more_neighbours_count() -> None:
    """What rct measures depends on the mask, which trembles here."""
    measured = [tremble(steady_clip(colour_transfer="rct", steady_colours=reach), 0, INSIDE) for reach in (0, 1, 3, 8)]
    assert measured == sorted(measured, reverse=True)
    assert measured[-1] < 0.5 * measured[0]
    assert all(outside_is_kept(one) for one in steady_clip(colour_transfer="rct", steady_colours=8))


def test_a_trace_of_a_neighbours_mask_is_none() -> None:
    """Else the colours of rct, which look at all that lies under any mask, would tremble with the smoothed mask."""
    settings = MergeSettings(colour_transfer="none", steady_mask=4)
    own = measure_face(FRAME, CROP, prediction(), settings, 4, 0)
    wider = replace(own, mask=np.clip(own.mask + 0.02, 0, 1))
    mask = smoothed_over_time(own, [replace(wider, index=index) for index in (0, 8)], settings).mask
    assert not np.array_equal(mask, own.mask)
    assert not ((mask > 0) & (mask < 1 / 255)).any()
