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
from dfl.merging.blending.face_crop import FaceCrop
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.blending.face_measures import FaceMeasures
from dfl.merging.planning.settings import MergeSettings
from dfl.merging.planning.tasks import FaceTask, FrameTask, with_neighbours
from dfl.merging.running.frame_processor import CroppedFrame, FileFailed, PredictedFrame
from dfl.merging.running.pipeline import merge_frames

SIDE = 4


def task(index: int, faces: int = 1, reach: int = 0, is_wanted: bool = True, **more: Any) -> FrameTask:
    chosen = MergeSettings(steady_mask=reach, **more)
    face = FaceTask(np.zeros((68, 2), np.float32), None, "m", chosen, track=0)
    return FrameTask(Path(f"{index}.png"), index, index, chosen, (face,) * faces, is_wanted)


class Steps:
    """In a FrameProcessor's place: crops carry their frame's number, and it fails where it is told to."""

    def __init__(self, bad_crop: set[int], bad_measure: set[int], bad_finish: set[int], pixels: int = 1) -> None:
        self.bad_crop, self.bad_measure, self.bad_finish, self.pixels = bad_crop, bad_measure, bad_finish, pixels

    def crop(self, task: FrameTask) -> CroppedFrame:
        if task.index in self.bad_crop:
            raise UserError("unreadable", "replace it")
        picture = np.full((SIDE, SIDE, 3), task.index, np.float32)
        crop = FaceCrop(np.zeros((68, 2)), FaceType.FULL, picture, np.eye(2, 3), picture)
        return CroppedFrame(task, b"", np.zeros((1, self.pixels, 3), np.uint8), (crop,) * len(task.faces))

    def predict(self, frames: Sequence[CroppedFrame]) -> list[list[FacePrediction]]:
        mask = np.ones((SIDE, SIDE), np.float32)
        return [[FacePrediction(crop.picture + 0.5, mask, mask) for crop in frame.crops] for frame in frames]

    def measure(self, cropped: CroppedFrame, predictions: Sequence[FacePrediction]) -> PredictedFrame:
        index = cropped.task.index
        assert len(predictions) == len(cropped.crops)
        assert all((prediction.face == index + 0.5).all() for prediction in predictions)
        if index in self.bad_measure:
            raise ValueError("cannot measure")
        measures = FaceMeasures(np.full((SIDE, SIDE), index, np.float32), index=index)
        return PredictedFrame(cropped, tuple(predictions), (measures,) * len(cropped.crops))

    def finish(self, frame: PredictedFrame, neighbours: Sequence[FaceMeasures]) -> list[int]:
        if frame.cropped.task.index in self.bad_finish:
            raise ValueError("cannot blend")
        return [near.index for near in neighbours]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), workers=st.integers(1, 4), pixels=st.sampled_from([1, 10**7]))
def test_every_frame_has_one_outcome_in_order_and_its_neighbours(data: Any, workers: int, pixels: int) -> None:
    faces = data.draw(st.lists(st.sampled_from([0, 1, 1, 2, 11]), max_size=40))
    reaches = data.draw(st.lists(st.sampled_from([0, 0, 1, 5, 12]), min_size=len(faces), max_size=len(faces)))
    numbers = st.sets(st.integers(0, max(len(faces) - 1, 0)))
    bad_crop, bad_measure, bad_finish = data.draw(numbers), data.draw(numbers), data.draw(numbers)
    tasks = [task(index, *what) for index, what in enumerate(zip(faces, reaches, strict=True))]
    todo = data.draw(st.sets(st.sampled_from(range(len(tasks))))) if tasks else set()
    steps = Steps(bad_crop, bad_measure, bad_finish, pixels)
    results = list(merge_frames(with_neighbours(tasks, todo), steps, workers))
    assert [result.task.index for result in results] == sorted(todo)
    for result in results:
        index = result.task.index
        wanted = UserError if index in bad_crop else ValueError if index in bad_measure | bad_finish else type(None)
        assert isinstance(result.error, wanted)
        if result.error is None and faces[index]:
            reach = reaches[index]
            near = set(range(max(index - reach, 0), min(index + reach + 1, len(faces))))
            near -= bad_crop | bad_measure | {index}
            assert {one for one in near if faces[one]} <= set(result.output) <= near


class Failing(Steps):
    def predict(self, frames: Sequence[CroppedFrame]) -> list[list[FacePrediction]]:
        raise MemoryError


def test_a_failing_model_ends_the_run() -> None:
    with pytest.raises(MemoryError):
        list(merge_frames([task(index) for index in range(50)], Failing(set(), set(), set()), 2))


def test_a_file_that_cannot_be_written_ends_the_run_with_its_reason() -> None:
    class Full(Steps):
        def finish(self, frame: PredictedFrame, neighbours: Sequence[FaceMeasures]) -> list[int]:
            raise FileFailed(UserError("the disk is full", "free some space"))

    with pytest.raises(UserError, match="disk is full"):
        list(merge_frames([task(index) for index in range(50)], Full(set(), set(), set()), 2))


@pytest.mark.parametrize(("pixels", "reach", "most"), [(1, 0, 60), (30_000_000, 0, 4), (30_000_000, 3, 12)])
def test_frames_are_not_read_long_before_they_are_needed(pixels: int, reach: int, most: int) -> None:
    """The frames between reading and writing stay few, and fewer when they are large."""
    read = 0

    def tasks() -> Any:
        nonlocal read
        for index in range(200):
            read += 1
            yield task(index, reach=reach)

    ahead = 0
    for done, _ in enumerate(merge_frames(tasks(), Steps(set(), set(), set(), pixels), 2), start=1):
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

    class Counting(Steps):
        def finish(self, frame: PredictedFrame, neighbours: Sequence[FaceMeasures]) -> list[int]:
            nonlocal blending, highest
            with lock:
                blending += 1
                highest = max(highest, blending)
            meet.wait(60)  # so many are let in, else this fails
            with lock:
                blending -= 1
            return super().finish(frame, neighbours)

    tasks = [task(index, mode=mode) for index in range(8)]
    assert len(list(merge_frames(tasks, Counting(set(), set(), set(), pixels), 8))) == 8
    assert highest == most
