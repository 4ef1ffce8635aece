"""The pipeline gives one outcome for each frame, whatever fails."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.faces.face_type import FaceType
from dfl.merging.face_in_frame import FaceCrop
from dfl.merging.faces_of_clip import ClipFrame
from dfl.merging.frame import CutFrame
from dfl.merging.masks import FacePrediction
from dfl.merging.pipeline import FACES_PER_BATCH, merge_frames
from dfl.models.prediction import Prediction

SIDE = 4


class Work:
    """Cuts faces that carry their frame's number, and fails where it is told to."""

    def __init__(self, faces: Sequence[int], bad_cut: set[int], bad_finish: set[int], pixels: int = 1) -> None:
        self.faces, self.bad_cut, self.bad_finish, self.pixels = faces, bad_cut, bad_finish, pixels

    def cut(self, frame: ClipFrame) -> CutFrame:
        number = int(frame.stem)
        if number in self.bad_cut:
            raise UserError("unreadable", "replace it")
        picture = np.full((SIDE, SIDE, 3), number, np.float32)
        crop = FaceCrop(np.zeros((68, 2)), FaceType.FULL, picture, np.eye(2, 3))
        return CutFrame(frame, b"", np.zeros((1, self.pixels, 3), np.uint8), (crop,) * self.faces[number])

    def finish(self, cut: CutFrame, predictions: Sequence[FacePrediction]) -> None:
        number = int(cut.frame.stem)
        assert len(predictions) == self.faces[number]
        assert all((prediction.face == number + 0.5).all() for prediction in predictions)
        if number in self.bad_finish:
            raise ValueError("cannot blend")


def predict(faces: NDArray[np.float32]) -> Prediction:
    assert len(faces) <= FACES_PER_BATCH
    mask = np.ones((len(faces), SIDE, SIDE, 1), np.float32)
    return Prediction(faces + 0.5, mask, mask)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), workers=st.integers(1, 4), pixels=st.sampled_from([1, 10**7]))
def test_every_frame_has_one_outcome_and_its_own_predictions(data: Any, workers: int, pixels: int) -> None:
    faces = data.draw(st.lists(st.sampled_from([0, 1, 1, 2, 11]), max_size=40))
    numbers = st.sets(st.integers(0, max(len(faces) - 1, 0)))
    bad_cut, bad_finish = data.draw(numbers), data.draw(numbers)
    work: Any = Work(faces, bad_cut, bad_finish, pixels)
    frames = [ClipFrame(Path(f"{number}.png")) for number in range(len(faces))]
    outcomes = {int(outcome.frame.stem): outcome for outcome in merge_frames(frames, work, predict, workers)}
    assert sorted(outcomes) == list(range(len(faces)))
    for number, outcome in outcomes.items():
        wanted = UserError if number in bad_cut else ValueError if number in bad_finish else type(None)
        assert isinstance(outcome.error, wanted)


def test_a_failing_model_ends_the_run() -> None:
    def out_of_memory(faces: NDArray[np.float32]) -> Prediction:
        raise MemoryError

    work: Any = Work([1] * 50, set(), set())
    with pytest.raises(MemoryError):
        list(merge_frames([ClipFrame(Path(f"{number}.png")) for number in range(50)], work, out_of_memory, 2))


def test_frames_are_not_read_long_before_they_are_needed() -> None:
    """The frames between reading and writing stay few, and fewer when they are large."""
    for pixels, most in ((1, 60), (30_000_000, 4)):
        read = 0

        def frames() -> Any:
            nonlocal read
            for number in range(200):
                read += 1
                yield ClipFrame(Path(f"{number}.png"))

        ahead = 0
        work: Any = Work([1] * 200, set(), set(), 1)
        work.pixels = pixels
        for done, _ in enumerate(merge_frames(frames(), work, predict, 2), start=1):
            if done > 40:
                ahead = max(ahead, read - done)
        assert ahead <= most
