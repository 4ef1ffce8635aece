"""The demo's clips: what the later stages need of them is there, and a face finder sees what the script says."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.base.report import Report
from dfl.demo.clips import RATE, SIZE, clip_frames, make_clip
from dfl.demo.expression import EYES, close_eyes
from dfl.demo.head import Head, Pose
from dfl.demo.motion import pose_at
from dfl.demo.people import COLLINS, HOPPER, Person, picture_file, still
from dfl.faces.find import FaceFinder

PEOPLE = pytest.mark.parametrize("person", [COLLINS, HOPPER], ids=["collins", "hopper"])


def every_eighth(person: Person, seconds: float) -> list[tuple[Pose, Picture]]:
    """Frames over a whole turn to and fro, with the poses they were made for."""
    frames = enumerate(clip_frames(person, round(seconds * RATE)))
    return [(pose_at(number / RATE, person.beat), frame) for number, frame in frames if number % 8 == 0]


@PEOPLE
def test_face_is_found_in_every_frame_and_turns_and_talks(person: Person) -> None:
    finder = FaceFinder("fast")
    yaw, nose, opened, mouth = [], [], [], []
    for pose, frame in every_eighth(person, 4.5):
        (face,) = finder.find(frame)
        across = face.landmarks[45] - face.landmarks[36]
        eyes = float(np.linalg.norm(across))
        aside = face.landmarks[30] - (face.landmarks[36] + face.landmarks[45]) / 2
        yaw.append(pose.yaw)
        nose.append(float(aside @ across) / eyes**2)
        opened.append(pose.opened)
        mouth.append(float(np.linalg.norm(face.landmarks[62] - face.landmarks[66])) / eyes)
    # Without depth the nose would stay in the middle between the eyes.
    assert np.corrcoef(yaw, nose)[0, 1] > 0.95
    assert max(nose) - min(nose) > 0.25
    assert max(mouth) - min(mouth) > 0.08
    if person == HOPPER:  # Collins smiles: the older mesh confuses her teeth with an open mouth
        assert np.corrcoef(opened, mouth)[0, 1] > 0.85


@PEOPLE
def test_closed_lids_hide_the_iris(person: Person) -> None:
    picture, mesh = still(person, SIZE)
    shut = picture.copy()
    close_eyes(shut, mesh, 1.0)
    for upper, lower in EYES:
        corners = mesh[list(upper + lower), :2]
        left, top = corners.min(axis=0).astype(int)
        right, bottom = corners.max(axis=0).astype(int) + 1
        rows = slice(top, top + 1 + (bottom - top) * 2 // 3)  # above the lash line of the shut eye

        def dark(image: Picture, rows: slice = rows, columns: slice = slice(left, right)) -> int:
            return int((image[rows, columns].max(axis=2) < 70).sum())

        assert dark(shut) < 0.5 * dark(picture)


def test_opened_mouth_is_dark_and_the_chin_goes_down() -> None:
    head = Head(*still(HOPPER, SIZE))
    closed, opened = head.frame(Pose(), SIZE), head.frame(Pose(opened=0.1), SIZE)
    x, y = head.mesh[14, :2].round().astype(int)
    below = slice(y + 6, y + 12), slice(x - 5, x + 6)
    assert opened[below].mean() < 0.6 * closed[below].mean()
    hat = slice(0, int(head.mesh[10, 1]))
    np.testing.assert_array_equal(opened[hat], closed[hat])


def test_pose_of_rest_gives_the_still_back() -> None:
    picture, mesh = still(COLLINS, SIZE)
    frame = Head(picture, mesh).frame(Pose(), SIZE)
    assert np.abs(frame.astype(int) - picture).max() <= 1


@PEOPLE
def test_no_fold_at_the_largest_turn(person: Person) -> None:
    """Walking through the moved picture, one never goes back in the still."""
    head = Head(*still(person, SIZE))
    for yaw in (-22, 22):
        x, y = head._source(Pose(yaw=np.radians(yaw), pitch=np.radians(8)))
        assert backward_share(x, 1) < 0.001
        assert backward_share(y, 0) < 0.001


def backward_share(field: NDArray[np.float32], axis: int) -> float:
    return float((np.diff(field, axis=axis) < 0).mean())


def test_same_frames_every_time() -> None:
    first, second = (list(clip_frames(COLLINS, 3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@PEOPLE
def test_clip_has_size_rate_sound_and_says_that_it_is_made(person: Person, tmp_path: Path) -> None:
    path = tmp_path / "clip ü.mp4"
    make_clip(person, path, 1.0, Report())
    with av.open(str(path)) as clip:
        video, sound = clip.streams.video[0], clip.streams.audio[0]
        assert (video.width, video.height, video.average_rate) == (SIZE, SIZE, RATE)
        assert "Synthetic" in clip.metadata["comment"]
        assert sum(1 for _ in clip.decode(video)) == RATE
        assert sound.codec_context.name == "aac"
        clip.seek(0)
        loud = [float(np.abs(frame.to_ndarray()).max()) for frame in clip.decode(sound)]
    assert max(loud) > 0.1
    assert [file.name for file in tmp_path.iterdir()] == ["clip ü.mp4"]


def test_missing_package_is_told() -> None:
    person = Person("Nobody", "no_such_package_here", "no-such", "a.png", 0, 0, 1, 1.0, 1.0)
    with pytest.raises(UserError, match=r"a\.png.*no-such"):
        picture_file(person)
