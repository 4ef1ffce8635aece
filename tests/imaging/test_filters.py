"""Filters equal to what was recorded from the original; sharpening is tested where merging uses it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.imaging.filters import line_kernel, motion_blur


@pytest.mark.parametrize(("size", "degrees"), [(2, 0), (5, 30), (11, -77.5), (24, 135)])
def test_motion_blur_equals_the_record(shared: Path, size: int, degrees: float, agrees: Any) -> None:
    recorded = np.load(shared / "original/ops/ops.npz")
    made = motion_blur(recorded["a"].astype(np.float32) / 255, size, degrees)
    agrees("ops motion blur", made, recorded[f"motion_s{size}_deg{degrees:g}"] / 65535, 0.001)


def test_a_line_of_5_at_30_degrees_has_the_original_s_weights() -> None:
    expected = [
        [0, 0, 0, 0, 0.0157],
        [0, 0, 0.0249, 0.1244, 0.1360],
        [0, 0.0995, 0.1990, 0.0995, 0],
        [0.1360, 0.1244, 0.0249, 0, 0],
        [0.0157, 0, 0, 0, 0],
    ]
    np.testing.assert_allclose(line_kernel(5, 30), expected, atol=1e-4)
