"""Landmarks of a made face that keeps still, moves, blinks; with noise as the networks' landmarks have it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.faces import smoothing
from dfl.faces.align import ALIGNMENT_LANDMARKS, similarity, transform_points
from dfl.faces.smoothing import smooth_track

FRAMES = 60
EYE_DISTANCE = 100.0


@pytest.fixture
def face(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """(68, 2), the outer corners of the eyes 100 pixels apart."""
    size: float = np.linalg.norm(landmarks[36] - landmarks[45])
    return (landmarks - landmarks.mean(axis=0)) * (EYE_DISTANCE / size) + 300


def noise(frames: int, strength: float = 0.3, lasting: float = 0.0) -> NDArray[np.float64]:
    """(frames, 68, 2) pixels: new in every frame, and a share that stays for some ten frames, as compression makes.

    As with the network, jaw and mouth have it more, eyes, brows and nose less.
    """
    rng = np.random.default_rng(1)
    fresh = rng.normal(0, strength, (frames, 68, 2))
    slow = np.zeros_like(fresh)
    for index in range(1, frames):
        slow[index] = 0.9 * slow[index - 1] + rng.normal(0, strength * lasting * 0.44, (68, 2))
    shares = np.ones(68)
    shares[:17], shares[17:48] = 1.3, 0.55
    made: NDArray[np.float64] = (fresh + slow) * shares[:, None]
    return made


def movement(track: NDArray[Any]) -> float:
    """Mean way of a landmark from frame to frame, pixels."""
    return float(np.linalg.norm(np.diff(track, axis=0), axis=2).mean())


def moving(face: NDArray[np.float64], x: NDArray[Any], angle: NDArray[Any] | float = 0.0) -> NDArray[np.float64]:
    """The face shifted by x and turned about its middle by angle radians, in each frame: (T, 68, 2)."""
    points = (face - 300) @ np.array([1, 1j])
    moved = points * np.exp(1j * np.broadcast_to(angle, x.shape))[:, None] + x[:, None] + 300 + 300j
    return np.stack([moved.real, moved.imag], axis=2)


@pytest.mark.parametrize("lasting", [0.0, 1.0])
def test_a_still_face_trembles_three_times_less(face: NDArray[np.float64], lasting: float) -> None:
    raw = (face + noise(FRAMES, lasting=lasting)).astype(np.float32)
    smooth = smooth_track(raw)
    assert smooth.dtype == np.float32
    assert smooth.shape == raw.shape
    assert movement(smooth) < movement(raw) / 3
    assert np.sqrt(((smooth - face) ** 2).mean()) < np.sqrt(((raw - face) ** 2).mean())


TIMES = np.arange(FRAMES)
WAYS = {
    "constant speed": TIMES * 5.0,
    "to and fro": 30 * np.sin(2 * np.pi * TIMES / 25),
    "quickly to and fro": 15 * np.sin(2 * np.pi * TIMES / 10),
    "sudden stop": np.minimum(TIMES, 30) * 5.0,
    "turning point": np.abs(TIMES - 30) * 5.0,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_turning", [False, True])
def test_a_moving_face_is_followed_without_lag_and_cut_corners(
    face: NDArray[np.float64], way: str, is_turning: bool
) -> None:
    x = np.zeros(FRAMES) if is_turning else WAYS[way]
    true = moving(face, x, WAYS[way] / EYE_DISTANCE if is_turning else 0.0)
    raw = true + noise(FRAMES)
    smooth = smooth_track(raw.astype(np.float32))
    assert np.sqrt(((smooth - true) ** 2).mean()) < np.sqrt(((raw - true) ** 2).mean())
    # No frame is off by more than a noisy landmark is: nothing lags by a tenth of a frame, no turn is cut.
    assert np.sqrt(((smooth - true) ** 2).mean(axis=(1, 2))).max() < 0.6


def test_without_noise_movements_come_out_as_they_are(face: NDArray[np.float64]) -> None:
    line = moving(face, TIMES * 3.0)
    assert smooth_track(line.astype(np.float32)) == pytest.approx(line, abs=0.01)
    turn = moving(face, 20 * np.sin(TIMES / 5), 0.2 * np.sin(TIMES / 4))
    assert np.abs(smooth_track(turn.astype(np.float32)) - turn).max() < 0.6


@pytest.mark.parametrize(
    ("moving_points", "resting_points", "depth"),
    [((37, 38, 43, 44), (36, 39, 42, 45), 8.0), ((65, 66, 67, 56, 57, 58), (62, 51), 6.0)],
    ids=["blink", "word"],
)
def test_a_blink_and_a_word_keep_their_strength(
    face: NDArray[np.float64], moving_points: tuple[int, ...], resting_points: tuple[int, ...], depth: float
) -> None:
    def opening(track: NDArray[Any]) -> NDArray[np.float64]:
        heights: NDArray[np.float64] = track[:, list(moving_points), 1].mean(axis=1)
        return heights - track[:, list(resting_points), 1].mean(axis=1)

    true = np.repeat(face[None], FRAMES, axis=0)
    for frame, share in ((28, 0.4), (29, 0.9), (30, 1.0), (31, 0.7), (32, 0.2)):
        true[frame, list(moving_points), 1] += share * depth
    smooth = smooth_track(true + noise(FRAMES))
    change = opening(smooth) - opening(face[None])
    assert change[30] > 0.85 * depth
    assert change[29] > 0.75 * depth
    assert abs(change[25]) < 0.05 * depth
    # The rest of the face keeps its wide windows.
    assert movement(smooth[:, 0:17]) < 0.5


def test_the_aligned_square_stands_still(face: NDArray[np.float64]) -> None:
    """What the smoothing is for: the similarity of the steady points moves less."""
    raw = face + noise(FRAMES)

    def corner(track: NDArray[Any]) -> NDArray[np.float32]:
        steady = list(ALIGNMENT_LANDMARKS)
        maps = [similarity(one[steady], face[steady]) for one in track]
        return np.array([transform_points(face[:1] - 100, one)[0] for one in maps])

    assert movement(corner(smooth_track(raw))[:, None]) < movement(corner(raw)[:, None]) / 5


def test_missing_frames_do_not_bend_a_movement(face: NDArray[np.float64]) -> None:
    times = np.array([frame for frame in range(FRAMES) if frame % 7 not in (2, 3) and not 40 < frame < 50])
    true = moving(face, times * 4.0)
    smooth = smooth_track(true + noise(len(times)), times)
    assert np.sqrt(((smooth - true) ** 2).mean()) < 0.3


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 6])
def test_short_tracks(face: NDArray[np.float64], frames: int) -> None:
    raw = moving(face, np.arange(frames) * 10.0) + noise(frames)
    smooth = smooth_track(raw)
    assert np.isfinite(smooth).all()
    assert np.abs(smooth - raw).max() < 1.5


def test_an_empty_track() -> None:
    assert smooth_track(np.empty((0, 68, 2), np.float32)).shape == (0, 68, 2)


def test_a_face_turning_over_is_no_jump(face: NDArray[np.float64]) -> None:
    """Angles beyond half a turn must not spring back by a whole one."""
    true = moving(face, np.zeros(FRAMES), np.linspace(2.5, 4.0, FRAMES))
    assert np.abs(smooth_track(true + noise(FRAMES)) - true).max() < 1.5


def test_long_tracks_are_worked_off_in_pieces(face: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch) -> None:
    raw = moving(face, 20 * np.sin(TIMES / 4)) + noise(FRAMES)
    whole = smooth_track(raw)
    monkeypatch.setattr(smoothing, "_CHUNK", 13)
    assert smooth_track(raw) == pytest.approx(whole, abs=1e-3)
