"""Operations on pictures: equal to what was recorded from the original."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.merging.blending.face_filters import coarsen, denoise, reduce_colours, sharpen, to_float


@pytest.fixture(scope="module")
def ops(shared: Path) -> Any:
    return np.load(shared / "original" / "ops" / "ops.npz")


def values(stored: Any) -> Any:
    return stored.astype(np.float32) / (65535 if stored.dtype == np.uint16 else 1)


def as_picture(stored: Any) -> Any:
    return stored.astype(np.float32) / 255


@pytest.mark.parametrize(
    ("name", "mode", "amount", "size"),
    [
        ("blursharpen_m1_k3_a2", "box", 2, 3),
        ("blursharpen_m1_k3_a10", "box", 10, 3),
        ("blursharpen_m1_k5_a2", "box", 2, 5),
        ("blursharpen_m1_k5_a10", "box", 10, 5),
        ("blursharpen_m2_k3_a2", "gaussian", 2, 3),
        ("blursharpen_m2_k3_a10", "gaussian", 10, 3),
        ("blursharpen_m2_k5_a2", "gaussian", 2, 5),
        ("blursharpen_m2_k5_a10", "gaussian", 10, 5),
        ("blursharpen_neg_-3", "none", -3, 3),
        ("blursharpen_neg_-10", "none", -10, 3),
        ("blursharpen_neg_-25", "none", -25, 3),
    ],
)
def test_sharpening_and_blurring_equal_the_records(
    ops: Any, name: str, mode: Any, amount: int, size: int, agrees: Any
) -> None:
    made, wanted = sharpen(as_picture(ops["a"]), mode, amount, size), values(ops[name])
    # float16 records: a thousandth of the largest value.
    agrees(f"ops {name}", made, wanted, 0.001 * max(np.abs(wanted).max(), 1))


@pytest.mark.parametrize("count", [256, 64, 8])
def test_reduced_colours_equal_the_record(ops: Any, count: int) -> None:
    picture = as_picture(ops["a"])
    made, wanted = reduce_colours(picture, count), values(ops[f"reduce_colors_{count}"])
    # Versions of Pillow choose slightly different colours; none may be worse at showing the picture.
    assert len(np.unique((made * 255).round().reshape(-1, 3), axis=0)) <= count
    assert np.square(made - picture).mean() <= 1.05 * np.square(wanted - picture).mean()


def test_denoise_takes_noise_and_leaves_flat_parts() -> None:
    random = np.random.default_rng(1)
    flat = np.full((40, 50, 3), 0.5, np.float32)
    noisy = np.clip(flat + random.normal(0, 0.1, flat.shape), 0, 1).astype(np.float32)
    spread = [denoise(noisy, power).std() for power in (0, 10, 50, 150)]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < 0.3 * spread[0]
    assert np.array_equal(denoise(flat, 500), flat)


@pytest.mark.parametrize("power", [1, 50, 100])
def test_coarsening_keeps_the_size_even_of_tiny_pictures(power: int) -> None:
    picture = np.random.default_rng(2).random((7, 9, 3), np.float32)
    assert coarsen(picture, power).shape == picture.shape


def test_every_grey_level_comes_back() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal((to_float(levels) * np.float32(255)).astype(np.uint8), levels)
