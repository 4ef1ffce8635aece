"""A frame of waves, merged by the original's own code with every setting: means and a pixel of each result.

Made up from sines, so these records may lie in the repository; recorded under OpenCV 4.10, where means of another 4.x
may be up to 0.1 grey level apart.
"""

import json
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.faces.face_type import FaceType
from dfl.merging.blending.face_blender import merge_face
from dfl.merging.blending.face_crop import FaceCrop, Motion, crop_face, xseg_input
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.merged_frame import compose, compose_raw
from dfl.merging.blending.original_rules import ORIGINAL_RULES
from dfl.merging.planning.settings import MergeSettings
from tests.recorded import RECORDS

WAVES = json.loads((RECORDS / "merged_waves.json").read_text(encoding="utf-8"))
SIDE = 64


def waves() -> NDArray[np.uint8]:
    y, x = np.mgrid[:480, :640].astype(np.float64)
    channels = [np.sin(x / 23 + y / 31), np.sin(x / 17 - y / 29 + 1), np.cos(x / 41 + y / 13)]
    return (128 + 100 * np.stack(channels, axis=2)).astype(np.uint8)


def oval(x0: float, width: float, y0: float, height: float) -> NDArray[np.float32]:
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.clip(4 * (1 - np.hypot((x - x0) / width, (y - y0) / height)), 0, 1).astype(np.float32)


def brightness(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """What stood for XSeg."""
    return np.clip(1.5 * picture.mean(axis=2), 0, 1)


def predicted(frame: NDArray[np.uint8], crop: FaceCrop) -> FacePrediction:
    face = (0.1 + 0.8 * (1 - crop.picture)).astype(np.float32)
    return FacePrediction(
        face,
        oval(31.5, 28, 34, 30),
        oval(33, 26, 31.5, 29),
        brightness(cv2.resize(face, (256, 256), interpolation=cv2.INTER_CUBIC)),
        brightness(xseg_input(frame, crop, crop.face_type)),
    )


@pytest.mark.parametrize("case", WAVES["cases"], ids=lambda case: str(case["name"]))
def test_equals_what_the_original_makes_of_the_waves(case: dict[str, Any]) -> None:
    frame = waves()
    crop = crop_face(frame, np.array(WAVES["landmarks"]), FaceType.WHOLE, SIDE, rules=ORIGINAL_RULES)
    settings = MergeSettings(**({"colour_transfer": "none", "like_original": True} | case["settings"]))
    patch = merge_face(frame, crop, predicted(frame, crop), settings, Motion(12, 20))
    is_raw = settings.mode == "raw-predict"
    made = compose_raw(patch, settings) if is_raw else compose(frame, [patch], settings)
    picture, mask = made.as_floats()
    row, column = (30, 30) if is_raw else (240, 320)
    assert picture.mean(axis=(0, 1)) * 255 == pytest.approx(case["mean"], abs=0.1)
    assert mask.mean() * 255 == pytest.approx(case["mask"], abs=0.1)
    assert picture[row, column] * 255 == pytest.approx(case["pixel"], abs=1)


# A predictor that gives back what it is shown must leave the frame as it was.

FACE_TYPES = (FaceType.HALF, FaceType.MIDFULL, FaceType.FULL, FaceType.WHOLE, FaceType.HEAD)
FRAME_HW = (360, 480)
# side of the landmarks' unit square in frame pixels, its centre as a share of the frame, turn in degrees
PLACES = {
    "in the middle": (70, (0.5, 0.5), 0),
    "turned": (60, (0.45, 0.55), 130),
    "at the left edge": (70, (0.08, 0.5), 10),
    "at the corner": (70, (0.97, 0.96), -20),
    "half outside": (110, (0.5, 0.0), 5),
    "wholly outside": (40, (-1.5, 0.5), 0),
    "tiny": (9, (0.3, 0.3), 15),
    "huge": (900, (0.5, 0.5), 7),
}


def placed(side: float, centre: tuple[float, float], degrees: float) -> NDArray[np.float64]:
    """The check face's landmarks moved to a place in the frame."""
    points = np.array(WAVES["landmarks"])
    unit = (points - points[17:].mean(axis=0)) / np.ptp(points[17:, 1])
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return unit @ rotation.T * side + np.array(centre) * FRAME_HW[::-1]


def slow_waves(side: float) -> NDArray[np.uint8]:
    """A frame whose waves are long beside the pixels of a face of that side."""
    y, x = np.mgrid[: FRAME_HW[0], : FRAME_HW[1]] / max(side, 30)
    channels = [np.sin(x + 0.7 * y), np.sin(x - y + 1), np.cos(0.5 * x + y)]
    return np.round(128 + 90 * np.stack(channels, axis=2)).astype(np.uint8)


@pytest.mark.parametrize("face_type", FACE_TYPES, ids=lambda kind: str(kind.file_name))
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", [{}, {"erode": 24, "blur": 40}, {"mode": "seamless"}], ids=str)
def test_giving_back_what_was_shown_leaves_the_frame_as_it_was(
    face_type: FaceType, place: str, shape: dict[str, Any]
) -> None:
    frame, resolution = slow_waves(PLACES[place][0]), 128
    crop = crop_face(frame, placed(*PLACES[place]), face_type, resolution)
    ones = np.ones((resolution, resolution), np.float32)
    prediction = FacePrediction(crop.picture, ones, ones)
    settings = MergeSettings(colour_transfer="none", **shape)
    picture, mask = compose(frame, [merge_face(frame, crop, prediction, settings)], settings).as_bytes()
    apart = np.abs(picture.astype(int) - frame)
    assert not apart[mask == 0].any()
    assert mask.any() == (place != "wholly outside")
    assert apart.max() <= 1


def test_landmarks_on_one_spot_are_refused() -> None:
    with pytest.raises(UserError, match="one spot"):
        crop_face(waves(), np.full((68, 2), 100.0), FaceType.FULL, SIDE)
