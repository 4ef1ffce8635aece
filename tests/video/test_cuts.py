"""Scene cuts, on clips with known ones."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.video.cuts import CutFinder
from dfl.video.read import read_frames
from dfl.video.read_clip import read_clip


def cuts(pictures: list[Picture]) -> list[int]:
    finder = CutFinder()
    return [number for number, picture in enumerate(pictures) if finder.is_cut(picture)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("scene_cuts.mp4", [25, 50, 75, 95]),
        ("many_people.mp4", [12, 24, 36, 48]),
        ("two_people_joined.mp4", []),
        ("glasses_motion.mp4", []),  # blurred by motion
        ("tilt_sweep_0_180.mp4", []),
        ("portrait.mp4", []),
        ("vfr.mp4", []),  # gaps of half a second
        ("dark.mp4", []),
        ("edge_cut.mp4", []),
    ],
)
def test_recorded_clips(shared: Path, name: str, wanted: list[int]) -> None:
    frames = read_frames(read_clip(shared / "hard" / name), pytest.fail)
    assert cuts([frame.picture for frame in frames]) == wanted


def scene(seed: int, *, size: tuple[int, int] = (360, 640)) -> Picture:
    """A made scene: large soft shapes."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def scaled(factor: float) -> Callable[[Picture], Picture]:
    return lambda picture: np.clip(picture * factor, 0, 255).astype(np.uint8)


def test_cuts_are_found_in_the_dark_and_between_sizes() -> None:
    dark = scaled(0.1)
    assert cuts([scene(1), scene(1), scene(2), scene(2), scene(3, size=(100, 60))]) == [2, 4]
    assert cuts([dark(scene(1)), dark(scene(1)), dark(scene(2))]) == [2]


def test_flashes_fades_and_moves_are_no_cuts() -> None:
    picture = scene(4)
    assert cuts([picture, scaled(1.6)(picture), picture, scaled(0.5)(picture), picture]) == []
    assert cuts([scaled(1 - step / 10)(picture) for step in range(10)]) == []
    assert cuts([np.roll(picture, 40 * step, axis=1)[:, 160:480] for step in range(3)]) == []


def test_black_and_tiny_frames() -> None:
    black = np.zeros((360, 640, 3), np.uint8)
    noisy = np.random.default_rng(0).integers(0, 3, (360, 640, 3), np.uint8)
    assert cuts([black, noisy, black, noisy]) == []
    assert cuts([black, scene(5)]) == [1]
    assert cuts([np.zeros((1, 1, 3), np.uint8), np.full((2, 2, 3), 9, np.uint8)]) in ([], [1])
