"""Every operation of merging against another program's, or a textbook formula written out, on random pictures."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfl.imaging.filters import motion_blur
from dfl.merging.blending.face_colours import match_histogram, recolour
from dfl.merging.blending.face_filters import blur_along, coarsen, denoise, mixed, sharpen
from dfl.merging.blending.face_masks import shape_mask

Picture = NDArray[np.float32]
SEEDS = st.integers(0, 10**6)


def picture(seed: int, height: int = 24, width: int = 31) -> Picture:
    """Blobs of random colours with grain, within 0..1."""
    random = np.random.default_rng(seed)
    blobs = cv2.resize(random.random((4, 4, 3)), (width, height), interpolation=cv2.INTER_LINEAR)
    tint = random.uniform(0.3, 1, 3)
    return np.clip(blobs * tint + random.normal(0, 0.05, blobs.shape), 0.01, 0.99).astype(np.float32)


def transferred(name: Any, face: Picture, seen: Picture) -> Picture:
    area = np.ones((*face.shape[:2], 1), np.float32)
    return recolour(name, face, seen, area, np.random.default_rng(0))


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
@settings(max_examples=20)
@given(SEEDS)
def test_rct_is_reinhards_formula_in_scikit_images_lab(seed: int) -> None:
    from skimage.color import lab2rgb, rgb2lab

    face, seen = picture(seed), picture(seed + 1)
    own, wanted = (rgb2lab(one[:, :, ::-1].astype(float)) for one in (face, seen))
    lab = (own - own.mean((0, 1))) * (wanted.std((0, 1)) / own.std((0, 1))) + wanted.mean((0, 1))
    lab[:, :, 0] = lab[:, :, 0].clip(0, 100)
    made, there = transferred("rct", face, seen).clip(0, 1), lab2rgb(lab)[:, :, ::-1]
    # OpenCV's Lab has another white point in the fourth digit, and a table for the curve.
    assert np.abs(made - there).mean() < 0.003


def powers(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The square root of a covariance and its inverse, by scipy."""
    from scipy.linalg import inv, sqrtm

    root = np.real(sqrtm(matrix))
    return root, inv(root)


@settings(max_examples=20)
@given(SEEDS)
def test_mkl_is_the_monge_kantorovich_map(seed: int) -> None:
    face, seen = picture(seed), picture(seed + 1)
    own, wanted = (np.cov(one.reshape(-1, 3).T.astype(float)) for one in (face, seen))
    root, inverse = powers(own)
    matrix = inverse @ powers(root @ wanted @ root)[0] @ inverse
    there = (face - face.mean((0, 1))) @ matrix.T + seen.mean((0, 1))
    assert np.abs(transferred("mkl", face, seen) - there.clip(0, 1)).max() < 1e-3
    # It carries the one covariance over to the other: that is what the map is for.
    assert np.abs(matrix @ own @ matrix.T - wanted).max() < 1e-6


@settings(max_examples=20)
@given(SEEDS)
def test_lct_gives_the_mean_and_covariance_of_the_other(seed: int) -> None:
    face, seen = picture(seed), picture(seed + 1)
    own, wanted = (np.cov(one.reshape(-1, 3).T.astype(float), bias=True) + 1e-5 * np.eye(3) for one in (face, seen))
    matrix = powers(wanted)[0] @ powers(own)[1]
    there = (face - face.mean((0, 1))) @ matrix.T + seen.mean((0, 1))
    assert np.abs(transferred("lct", face, seen) - there.clip(0, 1)).max() < 1e-3


@pytest.mark.parametrize("name", ["mkl", "idt", "sot"])
def test_masked_transfers_are_those_of_the_masked_pictures(name: str) -> None:
    face, seen = picture(1), picture(2)
    area = (np.random.default_rng(3).random((*face.shape[:2], 1)) > 0.4).astype(np.float32)
    made = recolour(f"{name}-m", face, seen, area, np.random.default_rng(5))  # type: ignore[arg-type]
    if name != "sot":
        whole: Any = recolour(name, face * area, seen * area, area, np.random.default_rng(5))  # type: ignore[arg-type]
        assert np.array_equal(made, whole)
    # What lies outside does not count.
    other = recolour(f"{name}-m", face, np.where(area > 0, seen, 1), area, np.random.default_rng(5))  # type: ignore[arg-type]
    assert np.array_equal(made, other)


def apart_along_lines(one: Picture, other: Picture) -> float:
    """Mean distance of the two colour distributions along 64 random lines (sliced Wasserstein), by scipy."""
    from scipy.stats import wasserstein_distance

    random = np.random.default_rng(9)
    lines = random.normal(size=(64, 3))
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    flat = [part.reshape(-1, 3) for part in (one, other)]
    return float(np.mean([wasserstein_distance(flat[0] @ line, flat[1] @ line) for line in lines]))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "left"), [("idt", 0.5), ("sot-m", 0.35), ("mix-m", 0.8), ("rct", 0.7), ("mkl", 0.6)])
def test_transfers_bring_the_colours_near_the_other_picture(name: str, left: float) -> None:
    for seed in range(5):
        face, seen = picture(seed, 64, 64), picture(seed + 100, 64, 64)
        before = apart_along_lines(face, seen)
        assert apart_along_lines(transferred(name, face, seen), seen) < left * before


@settings(max_examples=20)
@given(SEEDS)
def test_hist_match_is_scikit_images(seed: int) -> None:
    from skimage.exposure import match_histograms

    face, seen = picture(seed), picture(seed + 1)
    there = match_histograms(face, seen, channel_axis=2)
    assert np.abs(match_histogram(face, seen, None, 255) - there).max() < 1e-5


@settings(max_examples=30)
@given(SEEDS, st.sampled_from([3, 7, 13, 21, 27, 45]))
def test_erosion_and_dilation_are_scipys_under_the_same_ellipse(seed: int, side: int) -> None:
    from scipy.ndimage import grey_dilation, grey_erosion

    small = np.pad(np.random.default_rng(seed).random((6, 7)).astype(np.float32), 5)[:16, :16]
    large = cv2.resize(small, (64, 64), interpolation=cv2.INTER_CUBIC)
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)) > 0
    y, x = np.mgrid[:side, :side] - side // 2
    assert (ellipse <= (np.hypot(x, y) < side / 2 + 1)).all(), "no pixel lies outside the circle"
    assert (ellipse >= (np.hypot(x, y) < side / 2 - 1)).all(), "and none is missing in it"
    for erode, filtered in ((side, grey_erosion), (-side, grey_dilation)):
        there = filtered(large, footprint=ellipse, mode="constant").clip(0, 1)
        there[[0, 1, 2, 3, -4, -3, -2, -1]] = 0
        there[:, [0, 1, 2, 3, -4, -3, -2, -1]] = 0
        shaped = shape_mask(small, erode, 0)
        made = np.zeros((64, 64), np.float32)
        made[shaped.box.slices] = shaped.values
        assert np.abs(made - there).max() < 1e-5


@settings(max_examples=20)
@given(SEEDS, st.integers(10, 40))
def test_blurring_a_mask_is_a_gaussian_written_out(seed: int, blur: int) -> None:
    """Up to side 9 OpenCV has rounded weights of its own."""
    small = np.pad(np.random.default_rng(seed).random((8, 8)).astype(np.float32), 12)
    side = blur | 1
    sigma = 0.3 * ((side - 1) / 2 - 1) + 0.8
    weights = np.exp(-(np.arange(-(side // 2), side // 2 + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    there = cv2.resize(small, (128, 128), interpolation=cv2.INTER_CUBIC).astype(float)
    for axis in (0, 1):
        there = np.apply_along_axis(np.convolve, axis, there, weights, "same")
    shaped = shape_mask(small, 0, blur)
    made = np.zeros((128, 128), np.float32)
    made[shaped.box.slices] = shaped.values
    assert np.abs(made - there.clip(0, 1)).max() < 1e-4


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 100))
def test_sharpening_is_the_unsharp_mask_written_out(seed: int, amount: int) -> None:
    from scipy.ndimage import convolve1d

    face = picture(seed)
    weights = {"box": np.ones(3) / 3, "gaussian": np.array([1, 2, 1]) / 4}
    # OpenCV's Gaussian of 3 with sigma 0.8 is 1 2 1 over 4 by its table.
    strength: dict[str, float] = {"box": amount, "gaussian": 0.5 * amount}
    for mode in ("box", "gaussian"):
        blurred = face.astype(float)
        for axis in (0, 1):
            blurred = convolve1d(blurred, weights[mode], axis=axis, mode="mirror")
        there = face + strength[mode] * (face - blurred)
        assert np.abs(sharpen(face, mode, amount) - there).max() < 1e-5 * (1 + 10 * amount)  # type: ignore[arg-type]


def medians(face: NDArray[np.floating], power: float, full: float) -> NDArray[np.floating]:
    from scipy.ndimage import median_filter

    while power > 0:
        share = min(power / full, 1)
        face = face * (1 - share) + median_filter(face, (5, 5, 1), mode="nearest") * share
        power -= 10
    return face


@settings(max_examples=10)
@given(SEEDS, st.integers(1, 60))
def test_blurring_and_denoising_are_scipys_medians(seed: int, power: int) -> None:
    face = picture(seed)
    assert np.abs(sharpen(face, "none", -power) - medians(face, power, 10)).max() < 1e-5
    assert np.abs(denoise(face, 3 * power) - medians(face, 3 * power, 100)).max() < 1e-5


@settings(max_examples=20)
@given(SEEDS, st.sampled_from([3, 5, 9, 15]))
def test_motion_blur_along_the_axes_is_a_mean_of_neighbours(seed: int, size: int) -> None:
    from scipy.ndimage import uniform_filter1d

    face = picture(seed).astype(float)
    for degrees, axis in ((0, 1), (90, 0), (180, 1)):
        made = motion_blur(face.astype(np.float32), size, degrees)
        there = uniform_filter1d(face, size, axis=axis, mode="mirror")
        assert np.abs(made - there).max() < 1e-4
        assert np.abs(blur_along(face.astype(np.float32), size - 1, degrees) - there).max() < 1e-4


def keys(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic kernel of R. Keys (1981) with a = -0.75."""
    t, a = np.abs(position), -0.75
    near, far = (a + 2) * t**3 - (a + 3) * t**2 + 1, a * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t < 1, near, np.where(t < 2, far, 0))


def resized(face: NDArray[np.floating], size: int, axis: int) -> NDArray[np.floating]:
    """Cubic interpolation at the new pixels' middles, the edge repeated, without smoothing before."""
    old = face.shape[axis]
    middles = (np.arange(size) + 0.5) * old / size - 0.5
    weights = np.zeros((size, old))
    for row, middle in enumerate(middles):
        for tap in range(int(np.floor(middle)) - 1, int(np.floor(middle)) + 3):
            weights[row, min(max(tap, 0), old - 1)] += keys(np.array(middle - tap))
    return np.moveaxis(np.tensordot(weights, face, (1, axis)), 0, axis)


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 95))
def test_coarsening_is_keys_interpolation_down_and_up(seed: int, power: int) -> None:
    face = picture(seed).astype(float)
    height, width = face.shape[:2]
    share = 1 - power / 101
    there = face
    for axis, side in ((0, height), (1, width)):
        there = resized(resized(there, max(int(side * share), 1), axis), side, axis)
    assert np.abs(coarsen(face.astype(np.float32), power) - there).max() < 1e-4


@settings(max_examples=20)
@given(SEEDS)
def test_laying_over_is_the_formula_of_porter_and_duff(seed: int) -> None:
    under, over = picture(seed), picture(seed + 1)
    cover = np.random.default_rng(seed).random((*under.shape[:2], 1)).astype(np.float32)
    assert np.abs(mixed(under, over, cover) - (under * (1 - cover) + over * cover)).max() < 1e-6


OVALS: list[tuple[int, Callable[[float], float]]] = [(scale, lambda s: 1 / (1 + 0.01 * s)) for scale in (-30, 10, 50)]


@pytest.mark.parametrize(("scale", "expected"), OVALS)
def test_the_pasted_face_is_scaled_about_the_squares_middle(scale: int, expected: Callable[[float], float]) -> None:
    from dfl.faces.face_type import FaceType
    from dfl.merging.blending.face_blender import merge_face
    from dfl.merging.blending.face_crop import crop_face
    from dfl.merging.blending.face_masks import FacePrediction
    from dfl.merging.planning.settings import MergeSettings
    from tests.merging.conftest import face_at

    frame = np.full((300, 400, 3), 128, np.uint8)
    crop = crop_face(frame, face_at(200, 150, 60), FaceType.FULL, 64)
    y, x = np.mgrid[:64, :64]
    oval = (np.hypot(x - 31.5, y - 31.5) < 18).astype(np.float32)
    prediction = FacePrediction(crop.picture, oval, oval)

    def area(face_scale: int) -> tuple[float, NDArray[np.float64]]:
        patch = merge_face(frame, crop, prediction, MergeSettings(face_scale=face_scale))
        mask = patch.mask[:, :, 0]
        rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
        middle = np.array([(mask * columns).sum(), (mask * rows).sum()]) / mask.sum()
        return float(mask.sum()), middle + np.array([patch.box.left, patch.box.top])

    (plain, middle), (scaled, other) = area(0), area(scale)
    assert np.sqrt(scaled / plain) == pytest.approx(expected(scale), rel=0.01)
    assert np.abs(middle - other).max() < 0.5
