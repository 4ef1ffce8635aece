from typing import Any

import numpy as np
import pytest

from dfl.extraction.crop_plan import FramePlan, plan_frames
from dfl.extraction.face_tracks import link
from dfl.extraction.options import ExtractFacesOptions
from dfl.faceset.found_faces import Face, FoundFrame, FrameFacts

SHAPE = np.random.default_rng(5).uniform(0, 1, (68, 2)).astype(np.float32)


def _face(x: float, side: float = 100, confidence: float = 0.99) -> Face:
    return Face(np.array([x, 0, x + side, side], np.float32), SHAPE * np.float32(side), confidence)


def _frame(*faces: Face, crc: int = 0) -> FoundFrame:
    return FoundFrame("00001.png", FrameFacts(1, 2, crc), faces)


def _plan(frames: list[FoundFrame], wanted: dict[int, bool] | None = None, **given: Any) -> list[FramePlan | None]:
    return plan_frames(frames, link(frames), wanted, ExtractFacesOptions(side="src", **given))


def _files(plan: FramePlan | None) -> dict[str, float]:
    """File names of the faces, and where they lie."""
    assert plan
    return {face.file_name("00001.png", ".jpg"): float(face.face.box[0]) for face in plan.faces}


def test_all_faces_are_taken_the_largest_first() -> None:
    (plan,) = _plan([_frame(_face(0, 120), _face(300, 60))])
    assert _files(plan) == {"00001_0.jpg": 0, "00001_1.jpg": 300}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"max_faces": 1}, [0]),  # the largest
        ({"min_face": 61}, [0]),  # smaller ones are left out
        ({"min_face": 60}, [0, 300]),
        ({"max_faces": 5}, [0, 300]),
    ],
)
def test_faces_are_chosen_by_size_and_number(given: dict[str, int], left: list[float]) -> None:
    (plan,) = _plan([_frame(_face(0, 120), _face(300, 60))], **given)
    assert list(_files(plan).values()) == left


def test_a_face_that_is_never_sure_is_rejected_and_takes_nobodys_place() -> None:
    frames = [_frame(_face(0, 120, 0.3), _face(300, 60)), _frame(_face(0, 120, 0.4), _face(300, 60))]
    for plan in _plan(frames, max_faces=1):
        assert plan
        assert [(face.face.box[0], face.is_rejected) for face in plan.faces] == [(300, False), (0, True)]


def test_a_face_that_is_sure_once_on_its_way_is_kept() -> None:
    for plan in _plan([_frame(_face(0, 120, 0.3)), _frame(_face(0, 120, 0.95))]):
        assert plan
        assert [face.is_rejected for face in plan.faces] == [False]


def test_only_the_wanted_people_are_taken() -> None:
    (plan,) = _plan([_frame(_face(0, 120), _face(300, 60))], {0: False, 1: True})
    assert _files(plan) == {"00001_0.jpg": 300}


def test_the_digest_changes_with_the_picture_and_the_choice_only() -> None:
    def digest(frame: FoundFrame, **given: Any) -> str:
        frames = [frame, frame, frame, frame]
        plan = _plan(frames, **given)[1]
        assert plan
        return plan.digest(frame)

    frame = _frame(_face(0, 120), _face(300, 60))
    assert digest(frame) == digest(_frame(_face(0, 120), _face(300, 60)))
    assert digest(frame) == digest(frame, smooth=True)
    assert digest(frame) != digest(_frame(_face(0, 120), _face(300, 60), crc=1))
    assert digest(frame) != digest(frame, max_faces=1)
