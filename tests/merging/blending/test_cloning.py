"""Poisson cloning: the equation's solution, and what OpenCV's own gives but for its rounding."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfl.merging.blending.cloning import cloned


def smooth(random: np.random.Generator, height: int, width: int, low: float, high: float) -> NDArray[np.float32]:
    """A picture of soft blobs and fine grain."""
    blobs = cv2.resize(random.random((5, 5, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = random.normal(0, 0.02, blobs.shape)
    return (low + (high - low) * np.clip(blobs + grain, 0, 1)).astype(np.float32)


def oval(height: int, width: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.hypot((x - width * 0.52) / (0.41 * width), (y - height * 0.47) / (0.38 * height)) < 1)


@pytest.mark.parametrize(("height", "width"), [(120, 160), (97, 61), (40, 41)])
def test_equals_opencv_but_for_cut_off_values(height: int, width: int) -> None:
    random = np.random.default_rng(height)
    # Levels that 8 bits hold exactly; none near 0 and 1, where results are cut off.
    pasted, frame = (
        (smooth(random, height, width, *levels) * 255).round().astype(np.uint8) for levels in ((0.5, 0.7), (0.3, 0.6))
    )
    inside = oval(height, width)
    x, y, w, h = cv2.boundingRect(inside.astype(np.uint8))
    mask = inside.astype(np.uint8) * 255
    wanted = cv2.seamlessClone(pasted, frame, mask, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE).astype(np.float32)
    made = cloned(pasted.astype(np.float32) / 255, frame.astype(np.float32) / 255, inside) * 255
    assert np.abs(pasted.astype(float) - frame)[inside].mean() > 20
    # OpenCV cuts off where rounding would be right: its values lie up to one below.
    assert (made - wanted).max() < 1.1
    assert (made - wanted).min() > -0.1


@given(st.integers(0, 10**6), st.integers(8, 14), st.integers(8, 14))
def test_solves_the_equation_that_it_is_named_after(seed: int, height: int, width: int) -> None:
    """The system written out, for every pixel of the box but its rim: four times the pixel less its neighbours."""
    random = np.random.default_rng(seed)
    pasted, frame = (smooth(random, height, width, 0.4, 0.6) for _ in range(2))
    inside = np.ones((height, width), bool)
    core = np.zeros((height, width))
    core[3:-3, 3:-3] = 1
    places = [(y, x) for y in range(1, height - 1) for x in range(1, width - 1)]
    number = {place: index for index, place in enumerate(places)}
    system, right = np.zeros((len(places), len(places))), np.zeros((len(places), 3))
    change = pasted.astype(float) - frame
    for (y, x), row in number.items():
        for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            system[row, row] += 1
            # A gradient belongs to the upper or left one of its two pixels.
            right[row] += core[min((y, x), near)] * (change[y, x] - change[near])
            if near in number:
                system[row, number[near]] -= 1
    wanted = frame.astype(float)
    solution = np.linalg.solve(system, right)
    for (y, x), row in number.items():
        wanted[y, x] += solution[row]
    assert np.abs(cloned(pasted, frame, inside) - np.clip(wanted, 0, 1)).max() < 1e-4


def test_a_face_that_is_only_darker_becomes_the_frame_again() -> None:
    frame = smooth(np.random.default_rng(3), 80, 90, 0.4, 0.7)
    assert np.abs(cloned(frame - np.float32(0.2), frame, oval(80, 90)) - frame).max() < 1e-5


@pytest.mark.parametrize("size", [0, 1, 2])
def test_next_to_no_mask_leaves_the_frame(size: int) -> None:
    frame = smooth(np.random.default_rng(4), 20, 20, 0, 1)
    inside = np.zeros((20, 20), bool)
    inside[5 : 5 + size, 5 : 5 + size] = True
    assert np.array_equal(cloned(1 - frame, frame, inside), frame)


def test_single_precision_is_enough_for_large_faces() -> None:
    """Against the same in double precision, by the transform of scipy's own."""
    from scipy.fft import dstn, idstn

    random = np.random.default_rng(5)
    side = 701
    pasted, frame = smooth(random, side, side, 0, 0.5), smooth(random, side, side, 0.4, 1)
    made = cloned(pasted, frame, np.ones((side, side), bool))
    change, core = pasted.astype(float) - frame, np.zeros((side, side, 1))
    core[3:-3, 3:-3] = 1
    across, down = core[:, :-1] * np.diff(change, axis=1), core[:-1] * np.diff(change, axis=0)
    laplacian = np.diff(across, axis=1)[1:-1] + np.diff(down, axis=0)[:, 1:-1]
    eigen = 2 * np.cos(np.pi * np.arange(1, side - 1) / (side - 1)) - 2
    waves = dstn(laplacian, type=1, axes=(0, 1)) / (eigen[:, None] + eigen)[:, :, None]
    wanted = frame.astype(float)
    wanted[1:-1, 1:-1] += idstn(waves, type=1, axes=(0, 1))
    assert np.abs(made - np.clip(wanted, 0, 1)).max() < 0.1 / 255
