import math

import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.faces.blaze import Detector, anchors
from dfl.faces.square import Square, whole_frame
from dfl.faces.weights import package_file


@pytest.fixture(scope="module")
def back() -> Detector:
    return Detector(package_file("face_detection_back.tflite"))


def test_anchors() -> None:
    assert anchors().shape == (896, 2)
    assert anchors()[0] == pytest.approx([0.5 / 16, 0.5 / 16])
    assert anchors()[2] == pytest.approx([1.5 / 16, 0.5 / 16])  # two in a cell, rows first
    assert anchors()[511] == pytest.approx([15.5 / 16, 15.5 / 16])
    assert anchors()[512] == pytest.approx([0.5 / 8, 0.5 / 8])
    assert anchors()[512 + 6] == pytest.approx([1.5 / 8, 0.5 / 8])


def test_eyes_nose_and_mouth_lie_where_they_are(back: Detector, astronaut: Picture) -> None:
    (found,) = back.find(astronaut, whole_frame(astronaut), 0.5)
    eye, other_eye, nose, mouth = found.keypoints[:4]
    assert eye == pytest.approx((203, 101), abs=4)
    assert other_eye == pytest.approx((247, 103), abs=4)
    assert nose == pytest.approx((223, 127), abs=5)
    assert mouth == pytest.approx((223, 146), abs=6)
    assert found.score > 0.8
    assert 70 < found.square.size < 140


def test_a_turned_window_gives_the_same_face_in_frame_pixels(back: Detector, astronaut: Picture) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut, 2))
    (found,) = back.find(turned, whole_frame(turned, math.pi), 0.5)
    assert 511 - found.keypoints[0] == pytest.approx((203, 101), abs=4)
    assert abs(found.square.roll) > 3


def test_only_the_face_in_the_middle_is_asked_about(back: Detector, astronaut: Picture) -> None:
    assert back.find_central(astronaut, Square(225, 128, 300), 0.5)
    assert back.find_central(astronaut, Square(310, 128, 300), 0.5) is None


def test_no_face_in_noise(back: Detector) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (200, 300, 3)).astype(np.uint8)
    assert back.find(noise, whole_frame(noise), 0.5) == []
