"""The pipeline gives one outcome for each frame, in order, whatever fails; and a frame's neighbours when it asks."""

from collections.abc import Sequence
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.faces.face_type import FaceType
from dfl.merging.blending.face_in_frame import FaceCrop, FaceMeasures
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.planning.settings import MergeSettings
from dfl.merging.planning.tasks import FaceTask, FrameTask, with_neighbours
from dfl.merging.running.frame_processor import CroppedFrame, FileFailed, PredictedFaces, PredictedFrame
from dfl.merging.running.networks import ShownFace
from dfl.merging.running.pipeline import merge_frames

SIDE = 4


def task(place: int, faces: int = 1, reach: int = 0, is_wanted: bool = True, **more: Any) -> FrameTask:
    chosen = MergeSettings(steady_mask=reach, **more)
    face = FaceTask(np.zeros((68, 2), np.float32), "a.jpg", "m", chosen, track=0)
    return FrameTask(Path(f"{place}.png"), place, place, chosen, (face,) * faces, is_wanted)


class Work:
    """Cuts faces that carry their frame's number, and fails where it is told to."""

    def __init__(self, bad_cut: set[int], bad_look: set[int], bad_finish: set[int], pixels: int = 1) -> None:
        self.bad_cut, self.bad_look, self.bad_finish, self.pixels = bad_cut, bad_look, bad_finish, pixels

    def cut(self, task: FrameTask) -> CroppedFrame:
        if task.place in self.bad_cut:
            raise UserError("unreadable", "replace it")
        picture = np.full((SIDE, SIDE, 3), task.place, np.float32)
        crop = FaceCrop(np.zeros((68, 2)), FaceType.FULL, picture, np.eye(2, 3))
        faces = tuple(ShownFace(crop, face.model, face.settings) for face in task.faces)
        return CroppedFrame(task, b"", np.zeros((1, self.pixels, 3), np.uint8), faces)

    def look(self, cut: CroppedFrame, predictions: Sequence[FacePrediction]) -> PredictedFrame:
        place = cut.task.place
        assert len(predictions) == len(cut.faces)
        assert all((prediction.face == place + 0.5).all() for prediction in predictions)
        if place in self.bad_look:
            raise ValueError("cannot measure")
        measures = FaceMeasures(np.full((SIDE, SIDE), place, np.float32))
        return PredictedFrame(
            cut, tuple(predictions), PredictedFaces(place, tuple((face, measures) for face in cut.task.faces))
        )

    def finish(self, frame: PredictedFrame, around: Sequence[PredictedFaces]) -> list[int]:
        if frame.cut.task.place in self.bad_finish:
            raise ValueError("cannot blend")
        return [near.place for near in around]


class Network:
    def predict(self, faces: Sequence[ShownFace]) -> list[FacePrediction]:
        mask = np.ones((SIDE, SIDE), np.float32)
        return [FacePrediction(face.crop.picture + 0.5, mask, mask) for face in faces]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), workers=st.integers(1, 4), pixels=st.sampled_from([1, 10**7]))
def test_every_frame_has_one_outcome_in_order_and_its_neighbours(data: Any, workers: int, pixels: int) -> None:
    faces = data.draw(st.lists(st.sampled_from([0, 1, 1, 2, 11]), max_size=40))
    reaches = data.draw(st.lists(st.sampled_from([0, 0, 1, 5, 12]), min_size=len(faces), max_size=len(faces)))
    numbers = st.sets(st.integers(0, max(len(faces) - 1, 0)))
    bad_cut, bad_look, bad_finish = data.draw(numbers), data.draw(numbers), data.draw(numbers)
    tasks = [task(place, *what) for place, what in enumerate(zip(faces, reaches, strict=True))]
    todo = data.draw(st.sets(st.sampled_from(range(len(tasks))))) if tasks else set()
    work = Work(bad_cut, bad_look, bad_finish, pixels)
    outcomes = list(merge_frames(with_neighbours(tasks, todo), work, Network(), workers))
    assert [outcome.frame.place for outcome in outcomes] == sorted(todo)
    for outcome in outcomes:
        place = outcome.frame.place
        wanted = UserError if place in bad_cut else ValueError if place in bad_look | bad_finish else type(None)
        assert isinstance(outcome.error, wanted)
        if outcome.error is None and faces[place]:
            reach = reaches[place]
            near = set(range(max(place - reach, 0), min(place + reach + 1, len(faces)))) - bad_cut - bad_look - {place}
            assert {one for one in near if faces[one]} <= set(outcome.made) <= near


class Failing:
    def predict(self, faces: Sequence[ShownFace]) -> list[FacePrediction]:
        raise MemoryError


def test_a_failing_model_ends_the_run() -> None:
    with pytest.raises(MemoryError):
        list(merge_frames([task(place) for place in range(50)], Work(set(), set(), set()), Failing(), 2))


def test_a_file_that_cannot_be_written_ends_the_run_with_its_reason() -> None:
    class Full(Work):
        def finish(self, frame: PredictedFrame, around: Sequence[PredictedFaces]) -> list[int]:
            raise FileFailed(UserError("the disk is full", "free some space"))

    with pytest.raises(UserError, match="disk is full"):
        list(merge_frames([task(place) for place in range(50)], Full(set(), set(), set()), Network(), 2))


@pytest.mark.parametrize(("pixels", "reach", "most"), [(1, 0, 60), (30_000_000, 0, 4), (30_000_000, 3, 12)])
def test_frames_are_not_read_long_before_they_are_needed(pixels: int, reach: int, most: int) -> None:
    """The frames between reading and writing stay few, and fewer when they are large."""
    read = 0

    def tasks() -> Any:
        nonlocal read
        for place in range(200):
            read += 1
            yield task(place, reach=reach)

    ahead = 0
    for done, _ in enumerate(merge_frames(tasks(), Work(set(), set(), set(), pixels), Network(), 2), start=1):
        if done > 40:
            ahead = max(ahead, read - done)
    assert ahead <= most


@pytest.mark.parametrize(
    ("pixels", "mode", "most"),
    [
        (1, "overlay", 8),
        (8_000_000, "overlay", 2),
        (8_000_000, "seamless-hist-match", 1),
        (40_000_000, "overlay", 1),
    ],
)
def test_few_large_frames_are_blended_at_once(pixels: int, mode: str, most: int) -> None:
    """Blending takes many times a frame's size: at 3840x2160 eight at once would take four gigabytes."""
    blending, highest, lock = 0, 0, Lock()
    meet = Barrier(most)

    class Counting(Work):
        def finish(self, frame: PredictedFrame, around: Sequence[PredictedFaces]) -> list[int]:
            nonlocal blending, highest
            with lock:
                blending += 1
                highest = max(highest, blending)
            meet.wait(60)  # so many are let in, else this fails
            with lock:
                blending -= 1
            return super().finish(frame, around)

    tasks = [task(place, mode=mode) for place in range(8)]
    assert len(list(merge_frames(tasks, Counting(set(), set(), set(), pixels), Network(), 8))) == 8
    assert highest == most
