"""Where another scene begins: two consecutive frames that do not match, wherever one is moved over the other."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture

_SIZE = 32  # pixels of a thumbnail
_SHIFT = 4  # thumbnail pixels by which a frame may move (an eighth of the frame): shaking, panning
_SAMPLES = 64  # rows and columns of a frame that are sampled; all of them take four times as long for the same result
# Of 1: measured up to 0.15 within scenes, above 0.31 for 95 of 100 cuts (docs/decisions.md).
_CUT = 0.3
_SAME = 2  # grey levels in the mean: frames that differ less are one scene
_FLAT, _FAR = 1, 20  # grey levels: a frame that varies less than that shows nothing; the end of a fade comes no farther


class CutFinder:
    """Tells for the frames of a clip, given one after another, which of them begin another scene."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None

    def is_cut(self, picture: Picture) -> bool:
        """Whether another scene begins with this frame, (H, W, 3) uint8 BGR; never with the first."""
        before, self._before = self._before, thumbnail(picture)
        return before is not None and begins_scene(before, self._before)


def begins_scene(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> bool:
    """Whether the second of two consecutive frames begins another scene; their thumbnails."""
    difference = cv2.absdiff(before, now).mean()
    if difference < _SAME or min(before.std(), now.std()) < _FLAT:
        return bool(difference > _FAR)
    # Both ways: one way alone takes every frame of a fade for a cut.
    return 1 - max(_match(before, now), _match(now, before)) > _CUT


def thumbnail(picture: Picture) -> NDArray[np.uint8]:
    """What a frame, (H, W, 3) uint8 BGR, is known by: grey, (32, 32) uint8."""
    height, width = picture.shape[:2]
    step = max(1, min(height, width) // _SAMPLES)
    sampled = np.ascontiguousarray(picture[step // 2 :: step, step // 2 :: step])
    small = cv2.resize(sampled, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]


def _match(thumbnail: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """How well the middle of `other` fits into `thumbnail` at its best place: 1 equal but for brightness, 0 not."""
    middle = other[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]
    return float(cv2.matchTemplate(thumbnail, middle, cv2.TM_CCOEFF_NORMED).max())
