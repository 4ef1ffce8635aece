"""A frame of waves, merged by the original's own code with every setting: means and a pixel of each result.

Made up from sines, so these records may lie in the repository; recorded under OpenCV 4.10, where means of another 4.x
may be up to 0.1 grey level apart.
"""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.faces.face_type import FaceType
from dfl.merging.face_in_frame import FaceCrop, Motion, cut_out, merge_face, xseg_input
from dfl.merging.masks import FacePrediction
from dfl.merging.settings import MergeSettings

RECORDS = json.loads((Path(__file__).parents[1] / "data" / "merged_waves.json").read_text(encoding="utf-8"))
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
        brightness(xseg_input(frame, crop)),
    )


@pytest.mark.parametrize("case", RECORDS["cases"], ids=lambda case: str(case["name"]))
def test_equals_what_the_original_makes_of_the_waves(case: dict[str, Any]) -> None:
    frame = waves()
    crop = cut_out(frame, np.array(RECORDS["landmarks"]), FaceType.WHOLE, SIDE)
    settings = MergeSettings(**({"colour_transfer": "none"} | case["settings"]))
    patch = merge_face(frame, crop, predicted(frame, crop), settings, Motion(12, 20))
    if settings.mode == "raw-predict":
        picture, mask, (row, column) = patch.picture, patch.mask, (30, 30)
    else:
        picture, mask, (row, column) = frame / np.float32(255), np.zeros((480, 640, 1), np.float32), (240, 320)
        picture[patch.box.slices], mask[patch.box.slices] = patch.picture, patch.mask
    assert picture.mean(axis=(0, 1)) * 255 == pytest.approx(case["mean"], abs=0.1)
    assert mask.mean() * 255 == pytest.approx(case["mask"], abs=0.1)
    assert picture[row, column] * 255 == pytest.approx(case["pixel"], abs=1)
