"""Random filters of XSeg's samples: colours, sharpness, size and compression, mostly within a soft random circle.

All take and return (H, W, 3) float32 BGR, and draw random numbers in the original's order: equal states of a
`RandomState` give the original's results. Filters with a `chance` (percent) return the picture itself when they are
not applied; `most` is the upper limit of their strength.
"""

import cv2
import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from dfl.base.pictures import FloatPicture
from dfl.imaging.filters import motion_blur, sharpen

Mask = NDArray[np.float32]  # (H, W, 1), 0..1


def faded_circle(height: int, width: int, x: float, y: float, inner: float, fade: float) -> Mask:
    """1 within `inner` pixels of (x, y), falling to 0 over the next `fade` pixels."""
    distance = np.hypot(*np.meshgrid(np.arange(width) - x, np.arange(height) - y)).astype(np.float32)
    if fade <= 0:
        return np.ones((height, width, 1), np.float32)  # as the original has it
    circle: Mask = np.clip(1 - (distance - np.float32(inner)) / np.float32(fade), 0, 1)[:, :, None]
    return circle


def random_circle(height: int, width: int, random: RandomState) -> Mask:
    """A faded circle of any size anywhere in the picture."""
    longest = max(height, width)
    inner = random.randint(longest)
    fade = inner + random.randint(longest - inner)
    y, x = random.randint(height), random.randint(width)
    return faded_circle(height, width, x, y, inner, fade)


def blend(picture: FloatPicture, changed: FloatPicture, mask: Mask) -> FloatPicture:
    """`changed` where the mask is 1, `picture` where it is 0."""
    if changed is picture:
        return picture
    return np.asarray(picture + (changed - picture) * mask, np.float32)


def shift_levels(picture: FloatPicture, random: RandomState) -> FloatPicture:
    """Random levels for each channel: input black and white point, gamma, output black and white point; 0..1."""
    in_black = random.rand(3) * 0.25
    in_white = 1 - random.rand(3) * 0.25
    gamma = 0.5 + random.rand(3)
    out_black = random.rand(3) * 0.25
    out_white = 1 - random.rand(3) * 0.25
    stretched = np.clip((picture - np.float32(in_black)) / np.float32(in_white - in_black), 0, 1)
    changed = stretched ** np.float32(1 / gamma) * np.float32(out_white - out_black) + np.float32(out_black)
    return np.asarray(np.clip(changed, 0, 1), np.float32)


def shift_hue(picture: FloatPicture, random: RandomState) -> FloatPicture:
    """Random hue over its whole range, saturation and value by up to 0.5 either way; 0..1."""
    hsv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV), np.float32)
    hsv[:, :, 0] = (hsv[:, :, 0] + random.randint(360)) % 360
    for channel in (1, 2):
        hsv[:, :, channel] = np.clip(hsv[:, :, channel] + np.float32(random.random_sample() - 0.5), 0, 1)
    return np.clip(np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.float32), 0, 1)


def sharpen_sometimes(picture: FloatPicture, random: RandomState, chance: int, most: int) -> FloatPicture:
    """Unsharp mask with a box or Gaussian kernel of size 1 to `most`; results may exceed 0..1."""
    size = random.randint(most) + 1
    if random.randint(100) >= chance:
        return picture
    if random.randint(2) == 0:
        return sharpen(picture, "box", random.randint(10), size)
    return sharpen(picture, "gaussian", random.randint(50), size)


def motion_blur_sometimes(picture: FloatPicture, random: RandomState, chance: int, most: int) -> FloatPicture:
    """Motion blur of 1 to `most` pixels in any direction."""
    size, degrees = random.randint(most) + 1, random.randint(360)
    return motion_blur(picture, size, degrees) if random.randint(100) < chance else picture


def blur_sometimes(picture: FloatPicture, random: RandomState, chance: int, most: int) -> FloatPicture:
    """Gaussian blur with an odd kernel size of 1 to 2 * `most` - 1."""
    if random.randint(100) >= chance:
        return picture
    size = 2 * random.randint(most) + 1
    return np.asarray(cv2.GaussianBlur(picture, (size, size), 0), np.float32)


def resize_sometimes(
    picture: FloatPicture, random: RandomState, chance: int, most: int, interpolation: int
) -> FloatPicture:
    """Downscale by up to `most` percent and upscale to the original size."""
    if random.randint(100) >= chance:
        return picture
    share = random.rand()
    height, width = picture.shape[:2]
    small = [side - int(share * int(side * most / 100)) for side in (width, height)]
    shrunk = cv2.resize(picture, small, interpolation=interpolation)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=interpolation), np.float32)


def compress_sometimes(picture: FloatPicture, random: RandomState, chance: int) -> FloatPicture:
    """JPEG compression of quality 10 to 100; 0..1."""
    if random.randint(100) >= chance:
        return picture
    bytes_ = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    content = cv2.imencode(".jpg", bytes_, [cv2.IMWRITE_JPEG_QUALITY, random.randint(10, 101)])[1]
    decoded = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)
    return np.multiply(decoded, np.float32(1 / 255), dtype=np.float32)
