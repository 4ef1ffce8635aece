"""Temporal smoothing of one face's landmarks: removes jitter and keeps movements.

Each frame's landmarks are split into the similarity of the alignment (middle, scale and angle of its 33 points)
and the shape that is left in the mean face's unit square. Each of these is smoothed by parabolas fitted to windows
around every frame, to both sides alike, so that nothing lags. How wide the window is, is chosen for every frame and
part of the face: as wide as it can be while its result differs from those of narrower windows by no more than noise
makes them differ (A. Goldenshluger and A. Nemirovski, On spatially adaptive estimation of nonparametric regression,
1997: the rule of intersecting confidence intervals). A still face gets wide windows, a blink none.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Points
from dfl.faces.align import ALIGNMENT_LANDMARKS, mean_face

# Half widths of the windows in frames, narrow to wide; 0 is the frame itself.
_HALF_WIDTHS = (0, 2, 3, 5, 8, 12, 16)
_REACH = _HALF_WIDTHS[-1]
# So many frames at a time: a shot of an hour would take a gigabyte. It does not change the result.
_CHUNK = 4096
# A wider window counts fully while it differs from all narrower ones by less than the first number of standard
# deviations of noise, and not at all from the second on: a sharp limit would make the landmarks jump.
_AGREES, _DIFFERS = 4.0, 6.0

# The noise was measured on 15 pictures of faces, each made a clip with grain and recompressed by x264 or as JPEGs. Its
# strength is the standard deviation of a coordinate in the unit square, its shape the same everywhere: these are the
# parts' shares of the strength. A fifth of its power (all of it with JPEG) is new in every frame, the rest lasts.
_NOISE_OF_SHIFT, _NOISE_OF_TURN = 0.45, 1.0
_NOISE_OF_POINTS = (
    *(1.0, 1.2, 1.25, 1.4, 1.35, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.4, 1.35, 1.25, 1.2, 1.0),  # jaw
    *((0.55,) * 10),  # brows
    *(0.35, 0.45, 0.6, 0.7, 0.6, 0.6, 0.55, 0.6, 0.6),  # nose
    *((0.47,) * 12),  # eyes
    *(1.05, 0.9, 0.92, 0.92, 0.9, 0.85, 0.92, 1.1, 1.2, 1.25, 1.2, 1.1),  # outer lips
    *(1.0, 0.82, 0.8, 0.8, 0.9, 1.05, 1.1, 1.1),  # inner lips
)
_LASTING_FRAMES = 10.0
_MIN_FRESH_NOISE, _MAX_FRESH_NOISE = 0.00045, 0.006
_MIN_LASTING_NOISE = 0.001
_LASTING_OF_FRESH = 1.5
# The noise of a track is estimated on its quietest frames: fourth differences leave next to nothing of movements.
_FOURTH_DIFFERENCE = np.array([1, -4, 6, -4, 1]) / math.sqrt(70)
_QUIET_SHARE = 0.2
_NOISE_OF_QUIETEST = 1.5

# Columns of the parts that share a window: middle, scale and angle, then landmarks (from column 2 on). Eyes and mouth
# take wider windows with more reserve: they speak and blink.
_PARTS = tuple(
    slice(first, last)
    for first, last in ((0, 1), (1, 2), (2, 19), (19, 24), (24, 29), (29, 38), (38, 44), (44, 50), (50, 70))
)
_TOLERANCE = np.array([1, 1, 1, 1, 1, 1, 0.7, 0.7, 0.7])


def smooth_track(landmarks: NDArray[Any], times: NDArray[Any] | None = None) -> Points:
    """Smoothed landmarks of one face in consecutive frames: (T, 68, 2) float32 frame pixels.

    landmarks: (T, 68, 2) frame pixels. No cut of the clip may lie within: smooth the parts on both ends of it
    alone. times: (T,) frame numbers, rising, where frames are missing; None when there are none. Fewer than
    3 frames stay as they are.
    """
    if len(landmarks) < 3:
        return np.array(landmarks, np.float32)
    parts, scale = _split(landmarks)
    when = np.arange(len(landmarks), dtype=np.float64) if times is None else np.asarray(times, np.float64)
    noise = _noise_strengths(parts[:, 2:])
    smooth = np.empty_like(parts)
    for first in range(0, len(parts), _CHUNK):
        start, end = max(0, first - _REACH), first + _CHUNK + _REACH
        chunk = _smooth(parts[start:end], scale[start:end], when[start:end], noise)
        smooth[first : first + _CHUNK] = chunk[first - start :][:_CHUNK]
    return _join(smooth)


@cache
def _mean_alignment_points() -> tuple[NDArray[np.complex128], complex]:
    """The mean face's alignment points around their middle, x + iy, and the middle."""
    points = mean_face().astype(np.float64) @ np.array([1, 1j])
    return points - points.mean(), complex(points.mean())


def _split(landmarks: NDArray[Any]) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """(T, 70) numbers x + iy: middle in pixels, log scale + i angle to the unit square, the 68 landmarks there.

    Also the size of the unit square in pixels, (T,). The similarity is Umeyama's, as in align.similarity.
    """
    points = landmarks.astype(np.float64) @ np.array([1, 1j])
    alignment_points = points[:, list(ALIGNMENT_LANDMARKS)]
    middle = alignment_points.mean(axis=1, keepdims=True)
    alignment_points -= middle
    wanted, _ = _mean_alignment_points()
    turn = (alignment_points.conj() @ wanted) / (np.abs(alignment_points) ** 2).sum(axis=1)
    log_turn = np.log(np.abs(turn)) + 1j * np.unwrap(np.angle(turn))
    parts = np.concatenate([middle, log_turn[:, None], (points - middle) * turn[:, None]], axis=1)
    return parts, 1 / np.abs(turn)


def _join(parts: NDArray[np.complex128]) -> Points:
    """The landmarks again, (T, 68, 2) float32 frame pixels."""
    scale, angle = np.exp(-parts[:, 1:2].real), -parts[:, 1:2].imag  # wine 8 has no exponential of complex numbers
    points = parts[:, :1] + parts[:, 2:] * scale * (np.cos(angle) + 1j * np.sin(angle))
    return np.stack([points.real, points.imag], axis=2).astype(np.float32)


def _smooth(
    parts: NDArray[np.complex128], scale: NDArray[np.float64], times: NDArray[np.float64], noise: tuple[float, float]
) -> NDArray[np.complex128]:
    """Each part smoothed with windows of its own. parts: (T, 70); scale, times: (T,); noise: of _noise_strengths."""
    shares = np.array([_NOISE_OF_SHIFT, _NOISE_OF_TURN, *_NOISE_OF_POINTS])
    windows = [_window(times, half_width) for half_width in _HALF_WIDTHS]
    fitted = [parts] + [_apply(window, parts) for window in windows[1:]]
    smooth = parts.copy()
    trust = np.ones(parts[:, : len(_PARTS)].shape)
    for wide in range(1, len(windows)):
        difference = np.zeros_like(trust)  # of this window from narrower ones, in standard deviations of noise
        for narrow in range(wide):
            expected = _deviation(windows[wide] - windows[narrow], *noise)[:, None] * shares
            expected[:, 0] *= scale
            # At the ends of a track several windows hold the same frames: nothing is expected, nothing differs.
            off = np.abs(fitted[wide] - fitted[narrow]) / np.maximum(expected, 1e-6)
            largest = np.stack([_robust_largest(off[:, part]) for part in _PARTS], axis=1)
            np.maximum(difference, largest, out=difference)
        trust *= np.clip((_DIFFERS - difference / _TOLERANCE) / (_DIFFERS - _AGREES), 0, 1)
        step = fitted[wide] - fitted[wide - 1]
        for index, part in enumerate(_PARTS):
            smooth[:, part] += trust[:, index : index + 1] * step[:, part]
    return smooth


def _robust_largest(off: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row the second largest (third of a large part): movement moves several points, an outlier only one."""
    points = off.shape[1]
    rank = -1 if points == 1 else -2 if points < 9 else -3
    largest: NDArray[np.float64] = np.partition(off, rank, axis=1)[:, rank]
    return largest


def _noise_strengths(shape: NDArray[np.complex128]) -> tuple[float, float]:
    """Standard deviations of a track's noise, new in every frame and lasting. shape: (T, 68) in the unit square."""
    found = 0.0
    if len(shape) >= len(_FOURTH_DIFFERENCE):
        points = shape / np.array(_NOISE_OF_POINTS)
        frames = len(shape) - len(_FOURTH_DIFFERENCE) + 1
        rough = sum(weight * points[shift : shift + frames] for shift, weight in enumerate(_FOURTH_DIFFERENCE))
        strengths = np.sqrt((np.abs(rough) ** 2).mean(axis=1) / 2)  # of one of the two coordinates
        found = _NOISE_OF_QUIETEST * float(np.quantile(strengths, _QUIET_SHARE))
    fresh = min(max(found, _MIN_FRESH_NOISE), _MAX_FRESH_NOISE)
    return fresh, max(_MIN_LASTING_NOISE, _LASTING_OF_FRESH * fresh)


def _window(times: NDArray[np.float64], half_width: int) -> NDArray[np.float64]:
    """Weights of the neighbours whose sum is the value of the fitted parabola at each frame: (T, 33).

    Parabolic weights in time; at the ends of the track and at gaps there are fewer neighbours on one side.
    """
    padded = np.pad(times, _REACH, constant_values=np.inf)
    distance = np.lib.stride_tricks.sliding_window_view(padded, 2 * _REACH + 1) - times[:, None]
    is_near = np.abs(distance) <= half_width
    distance = np.where(is_near, distance, 0) / (half_width + 1)
    near = np.where(is_near, 1 - distance**2, 0)
    powers = np.stack([np.ones_like(distance), distance, distance**2], axis=1)  # (T, 3, N)
    normal = np.einsum("tin,tjn,tn->tij", powers, powers, near)
    first = np.linalg.pinv(normal, rcond=1e-6, hermitian=True)[:, 0]  # (T, 3)
    weights: NDArray[np.float64] = np.einsum("ti,tin->tn", first, powers) * near
    return weights


def _apply(window: NDArray[np.float64], parts: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Weighted sums of each frame's neighbours: (T, 70)."""
    padded = np.pad(parts, ((_REACH, _REACH), (0, 0)))
    fitted = np.zeros_like(parts)
    for offset in range(2 * _REACH + 1):
        weights = window[:, offset : offset + 1]
        if weights.any():
            fitted += weights * padded[offset : offset + len(parts)]
    return fitted


@cache
def _noise_correlation() -> NDArray[np.float64]:
    """Correlation of the lasting noise between a frame's neighbours: (33, 33)."""
    neighbours = np.arange(2 * _REACH + 1)
    correlation: NDArray[np.float64] = np.exp(-np.abs(neighbours[:, None] - neighbours) / _LASTING_FRAMES)
    return correlation


def _deviation(window: NDArray[np.float64], fresh: float, lasting: float) -> NDArray[np.float64]:
    """Standard deviation of a coordinate's noise after a window, in units of its share: (T,)."""
    from_fresh = fresh**2 * (window**2).sum(axis=1)
    from_lasting = lasting**2 * ((window @ _noise_correlation()) * window).sum(axis=1)
    deviation: NDArray[np.float64] = np.sqrt(from_fresh + from_lasting)
    return deviation
