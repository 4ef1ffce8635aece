from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.faces.find import FaceFinder, FoundFace
from dfl.faces.follow import FrameFaces, find_in_frames


class CountingFinder(FaceFinder):
    """The real finder, which counts its careful looks."""

    looks = 0

    def find(self, frame: Picture, known: Iterable[FoundFace] = ()) -> list[FoundFace]:
        self.looks += 1
        return super().find(frame, tuple(known))


@pytest.fixture
def finder(mesh_v2: Path) -> CountingFinder:
    return CountingFinder("fast")


@pytest.fixture(scope="module")
def moving(officer: Picture) -> list[Picture]:
    """Twenty frames of 400 x 384 in which a face wanders to the right."""
    frames = []
    for number in range(20):
        frame = np.full((400, 400, 3), 60, np.uint8)
        frame[:, 2 * number : 2 * number + 300] = officer[60:460, 100:400]
        frames.append(frame)
    return frames


def _numbers(found: list[FrameFaces]) -> list[int]:
    return [len(frame.faces) for frame in found]


def test_a_moving_face_is_followed_with_few_looks(finder: CountingFinder, moving: list[Picture]) -> None:
    found = list(find_in_frames(finder, moving, 8))
    assert _numbers(found) == [1] * 20
    assert finder.looks == 4  # the first, two on the way, the last
    for frame, faces in zip(moving, found, strict=True):
        (careful,) = finder.find(frame)
        side = careful.box[2] - careful.box[0]
        assert np.abs(careful.landmarks - faces.faces[0].landmarks).mean() < 0.01 * side


def test_with_a_look_at_every_frame_nothing_is_left_to_following(finder: CountingFinder, moving: list[Picture]) -> None:
    assert _numbers(list(find_in_frames(finder, moving[:5], 1))) == [1] * 5
    assert finder.looks == 5


def test_a_face_that_turns_up_between_two_looks_has_its_first_frames(
    finder: CountingFinder, moving: list[Picture]
) -> None:
    empty = np.full_like(moving[0], 60)
    # The same scene for the cut finder: a corner that stays, and a face that fades in is none; so a cut is found.
    frames = [empty, empty, *moving[:3], *moving[3:9]]
    assert _numbers(list(find_in_frames(finder, frames, 8))) == [0, 0] + [1] * 9


def test_a_face_that_leaves_is_not_seen_any_more(finder: CountingFinder, moving: list[Picture]) -> None:
    empty = np.full_like(moving[0], 60)
    assert _numbers(list(find_in_frames(finder, [*moving[:4], empty, empty], 8))) == [1, 1, 1, 1, 0, 0]


def test_a_cut_between_two_people_is_told(finder: CountingFinder, moving: list[Picture], astronaut: Picture) -> None:
    other = np.ascontiguousarray(astronaut[:400, 60:460])
    found = list(find_in_frames(finder, [*moving[:3], other, other], 8))
    assert [frame.is_cut for frame in found] == [False, False, False, True, False]
    assert _numbers(found) == [1] * 5


def test_frames_that_cannot_be_read_have_no_faces_and_end_the_way(
    finder: CountingFinder, moving: list[Picture]
) -> None:
    assert list(find_in_frames(finder, [], 8)) == []
    assert _numbers(list(find_in_frames(finder, [None, None], 8))) == [0, 0]
    found = list(find_in_frames(finder, [None, moving[0], moving[1], None, moving[2]], 8))
    assert _numbers(found) == [0, 1, 1, 0, 1]
    assert found[3].is_cut
