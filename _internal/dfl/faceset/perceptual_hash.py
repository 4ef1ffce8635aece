"""Perceptual hash of a picture: 16 x 16 normalised grey values, robust to re-encoding, scaling and brightness."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import MAX_PIXELS, announced_size
from dfl.base.processes import worker_count
from dfl.base.threads import in_order

_SIZE = 16
BYTES = _SIZE * _SIZE
_PER_DEVIATION, _MIDDLE = 40, 128
_CHUNK, _AT_ONCE = 512, 64
# Distances in standard deviations of a hash, as measured: JPEG at quality 40 or half the light 0.01 to 0.02; scaled,
# another gamma or colour 0.02 to 0.17; a sixth of the width retouched 0.05 to 0.26. Neighbouring frames of a clip 0.03
# to 0.5, half of them below 0.1; faces of other clips 0.55 and more.
_SAME, _PERHAPS_SAME, _SURELY_SAME = 0.27, 0.8, 0.25
_CLEARLY_NEARER = 0.5


def perceptual_hash(content: bytes, name: str) -> bytes:
    """The hash of a picture file's bytes. UserError when it cannot be decoded."""
    height, width = announced_size(content)
    if height * width > MAX_PIXELS:
        raise UserError(f"{name} is too large to be a face.", "Move it out of the faceset.")
    shorter = min(height, width)
    # A JPEG is decoded at an eighth of its size in a tenth of the time.
    how = cv2.IMREAD_REDUCED_GRAYSCALE_8 if shorter >= 8 * _SIZE else cv2.IMREAD_GRAYSCALE
    how |= cv2.IMREAD_IGNORE_ORIENTATION  # landmarks count pixels as they are stored
    try:
        grey: Any = cv2.imdecode(np.frombuffer(content, np.uint8), how) if content else None
    except cv2.error:
        grey = None
    if grey is None or not grey.size:
        raise UserError(f"{name} is not a picture that can be read.", "Replace it by a whole copy, or delete it.")
    return perceptual_hash_of(grey)


def perceptual_hashes(pictures: Iterable[tuple[str, Callable[[], bytes]]]) -> Iterator[bytes | UserError]:
    """The hashes of many pictures, in order, computed in threads; for a damaged one its error.

    pictures: name and a function that reads the file's bytes.
    """

    def make(picture: tuple[str, Callable[[], bytes]]) -> bytes | UserError:
        name, read = picture
        try:
            return perceptual_hash(read(), name)
        except UserError as error:
            return error
        except OSError as error:
            return UserError(f"{name} cannot be read: {error.strerror}.", "Check that it may be read.")

    return in_order(make, pictures, workers=worker_count(most=4), ahead=_AT_ONCE)


def perceptual_hash_of(picture: NDArray[np.uint8]) -> bytes:
    """The hash of a decoded picture: (H, W, 3) uint8 BGR or (H, W) grey."""
    grey: Any = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    small *= _PER_DEVIATION / max(float(small.std()), 1.0)
    numbers: NDArray[np.uint8] = np.clip(np.rint(small + _MIDDLE), 0, 255).astype(np.uint8)
    return numbers.tobytes()


def _vectors(hashes: list[bytes]) -> NDArray[np.float32]:
    """(N, 256): hashes scaled so that the distance of two is in standard deviations."""
    flat = np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), BYTES).astype(np.float32)
    return (flat - _MIDDLE) / np.float32(_PER_DEVIATION * _SIZE)


def match_hashes(wanted: list[bytes], known: list[bytes], named: list[int]) -> list[int]:
    """For each `wanted` hash the index of the `known` one of the same picture; -1 where that is not sure.

    named: for each wanted hash the index of the known one of the same file name, or -1. It is taken unless another is
    clearly nearer; without it the nearest is taken if it is near enough and no second one is almost as near.
    """
    found: list[int] = []
    theirs = _vectors(known)
    squares = (theirs**2).sum(axis=1)
    for start in range(0, len(wanted), _CHUNK):
        ours = _vectors(wanted[start : start + _CHUNK])
        gaps = np.sqrt(np.maximum((ours**2).sum(axis=1)[:, None] + squares - 2 * (ours @ theirs.T), 0))
        found += [_choose(row, name) for row, name in zip(gaps, named[start : start + _CHUNK], strict=True)]
    return found


def _choose(gaps: NDArray[np.float32], named: int) -> int:
    """The index in `gaps`, distances to all known hashes, of the same picture; -1 when none surely is."""
    if not gaps.size:
        return -1
    nearest = int(gaps.argmin())
    best = float(gaps[nearest])
    if named >= 0:
        own = float(gaps[named])
        if own < _PERHAPS_SAME and own <= best:
            return named
        if own < _SURELY_SAME and best > own / 2:  # in a clip that stands still, neighbours are as near
            return named
    others = np.delete(gaps, nearest)
    second = float(others.min()) if others.size else np.inf
    return nearest if best < _SAME and best < _CLEARLY_NEARER * second else -1
