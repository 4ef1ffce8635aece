"""Held-out faces: few, far apart, the same each time, and nothing like them in training."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.data.validation_split import validation_split
from dfl.faceset.faceset import FaceFile


@pytest.fixture(scope="session")
def make_files(make_face: Any) -> Any:
    """Makes faces of frames by number, one each; None for an unknown frame."""
    metadata = make_face().metadata

    def make(frames: list[int | None], prefix: str = "") -> list[FaceFile]:
        return [
            FaceFile(
                Path(f"{prefix}{number}.jpg"),
                dataclasses.replace(metadata, source_filename="" if frame is None else f"{frame:05d}.png"),
                (64, 64, 3),
            )
            for number, frame in enumerate(frames)
        ]

    return make


def _frames(faces: list[FaceFile]) -> list[int]:
    return [int(face.metadata.source_filename[:5]) for face in faces]


def test_held_out_frames_are_few_and_far_apart_and_their_neighbours_are_not_trained_on(make_files: Any) -> None:
    training, held = validation_split(make_files(list(range(1000))), 8, seed=1)
    frames = sorted(_frames(held))
    assert len(frames) == 8
    assert min(b - a for a, b in itertools.pairwise(frames)) >= 10
    near = {frame + step for frame in frames for step in (-2, -1, 0, 1, 2)}
    assert set(_frames(training)) == set(range(1000)) - near
    assert len(training) >= 950


def test_names_and_order_of_files_do_not_matter_the_seed_does(make_files: Any) -> None:
    frames = list(range(500))
    first = _frames(validation_split(make_files(frames), 4, seed=1)[1])
    assert _frames(validation_split(make_files(frames, "renamed_"), 4, seed=1)[1]) == first
    assert sorted(_frames(validation_split(make_files(frames[::-1]), 4, seed=1)[1])) == first
    assert _frames(validation_split(make_files(frames), 4, seed=2)[1]) != first


def test_deleting_other_faces_leaves_the_held_out_ones(make_files: Any) -> None:
    first = _frames(validation_split(make_files(list(range(500))), 4, seed=1)[1])
    kept = [frame for frame in range(500) if frame % 7 or frame in first]
    assert _frames(validation_split(make_files(kept), 4, seed=1)[1]) == first


def test_all_faces_of_a_frame_go_together(make_files: Any) -> None:
    training, held = validation_split(make_files([frame // 2 for frame in range(1000)]), 4, seed=1)
    assert len(held) == 4
    assert len(set(_frames(held))) == 2
    assert not set(_frames(held)) & set(_frames(training))


@pytest.mark.parametrize("count", [0, 1, 4, 19, 59])
def test_small_sets_hold_out_none(make_files: Any, count: int) -> None:
    files = make_files(list(range(count)))
    assert validation_split(files, 8, seed=1) == (files, [])


def test_faces_without_a_frame_stand_for_themselves(make_files: Any) -> None:
    training, held = validation_split(make_files([None] * 400), 4, seed=1)
    assert (len(training), len(held)) == (380, 4)


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(st.integers(0, 300), max_size=300), count=st.integers(0, 20), seed=st.integers(0, 9))
def test_never_more_than_one_of_twenty_is_kept_from_training(
    make_files: Any, frames: list[int], count: int, seed: int
) -> None:
    files = make_files(frames)
    training, held = validation_split(files, count, seed)
    assert len(held) <= count
    assert len(files) - len(training) <= len(files) // 20
    assert not {id(face) for face in held} & {id(face) for face in training}
