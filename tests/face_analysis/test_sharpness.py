import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.pictures import Picture
from dfl.face_analysis.sharpness import masked, motion_sharpness, sharpness


def _plain_sharpness(picture: Picture) -> float:
    """CPBD pixel by pixel, as the original goes about it."""
    from scipy.ndimage import convolve
    from skimage.feature import canny

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float64)
    height, width = grey.shape
    counted = canny(grey)
    edges = convolve(grey, np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8) ** 2
    edges[edges <= 2 * math.sqrt(edges.mean())] = 0
    padded = np.pad(edges, 1)
    down, across = np.gradient(grey)
    bins, total = [0] * 101, 0
    for top in range(0, height - 63, 64):
        for left in range(0, width - 63, 64):
            block = grey[top : top + 64, left : left + 64]
            if counted[top : top + 64, left : left + 64].sum() <= 0.002 * 64 * 64:
                continue
            noticed = 5 if int(block.max() - block.min()) <= 50 else 3
            for row in range(max(top, 1), min(top + 64, height - 1)):
                for column in range(max(left, 1), min(left + 64, width - 1)):
                    cross = padded[row : row + 3, column : column + 3]
                    own = cross[1, 1]
                    if not (own > max(cross[1, 0], cross[1, 2]) or own > max(cross[0, 1], cross[2, 1])):
                        continue
                    slope = across[row, column]
                    angle = math.degrees(math.atan2(down[row, column], slope)) if slope else 0
                    grows = {0: 1, 180: -1}.get(abs(round(angle / 45) * 45))
                    if grows is None:
                        continue
                    length = 2
                    for direction in (-1, 1):
                        place = column + 2 * direction
                        while (
                            0 <= place < width
                            and (grey[row, place] - grey[row, place - direction]) * direction * grows > 0
                        ):
                            length, place = length + 1, place + direction
                    bins[round(100 * (1 - math.exp(-((length / noticed) ** 3.6))))] += 1
                    total += 1
    return sum(bins[:64]) / total if total else 0.0


@pytest.mark.parametrize("sigma", [0.6, 1.2, 2.5])
def test_sharpness_is_that_of_the_plain_loops(sigma: float) -> None:
    random = np.random.default_rng(5)
    blurred = cv2.GaussianBlur(random.uniform(0, 255, (150, 200, 3)), (0, 0), sigma)
    picture = np.clip((blurred - 127) * 2.5 * sigma + 127, 0, 255).astype(np.uint8)
    picture[:, :70] = 0  # surroundings that were masked
    wanted = _plain_sharpness(picture)
    assert 0 < wanted < 1
    assert sharpness(picture) == pytest.approx(wanted, abs=1e-12)


def test_black_level_and_small_pictures_have_no_sharpness() -> None:
    assert sharpness(np.zeros((128, 128, 3), np.uint8)) == 0
    assert sharpness(np.full((128, 128, 3), 90, np.uint8)) == 0
    assert sharpness(np.random.default_rng(6).integers(0, 256, (50, 50, 3)).astype(np.uint8)) == 0


def test_values_recorded_from_the_original(shared: Path) -> None:
    operations = shared / "original" / "ops"
    wanted = json.loads((operations / "ops.json").read_text())["estimate_sharpness"]
    with np.load(operations / "ops.npz") as arrays:
        a, b, mask = arrays["a"], arrays["b"], arrays["mask"]
    assert sharpness(a) == pytest.approx(wanted["a"], abs=1e-9)
    assert sharpness(b) == pytest.approx(wanted["b"], abs=1e-9)
    assert sharpness(cv2.GaussianBlur(a, (0, 0), 2).astype(np.uint8)) == pytest.approx(wanted["a_blur2"], abs=1e-9)
    inside = (mask.reshape(*a.shape[:2], 1) > 0.5).astype(np.float32)
    assert sharpness(masked(a, inside)) == pytest.approx(wanted["a_masked"], abs=1e-9)


def test_motion_lowers_the_motion_measure() -> None:
    picture = np.random.default_rng(7).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    moved = cv2.blur(picture, (9, 1)).astype(np.uint8)
    assert motion_sharpness(moved) < motion_sharpness(picture) / 2
