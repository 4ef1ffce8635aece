"""Every way in which merging differs from the original program, in one place.

The original merges with a number of slips: pixel centres that are half a step off, sums that are cut off to whole
numbers, settings that count twice. `like_original` repeats them, so that a clip begun there can be gone on with. The
fields' defaults are the right way (EXACT_RULES); ORIGINAL_RULES holds what the original does. Whatever merges asks
`settings.rules`, never the flag. Nothing heavy is imported.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_BORDER_PIXELS = 4  # of the model's square
_MIN_RIM = 4  # mask pixels: one pixel of the predicted face
_SHORTEST_BLUR = 0.5  # face pixels; below it nobody sees a blur
_MOTION_KERNELS = (2, 50)  # sizes, pixels


@dataclass(frozen=True, eq=False)
class MergeRules:
    """How a merge is computed where the original and the right way differ.

    auto_values: what settings that are `auto` become; None: they are measured on the clip. The original measures
    nothing and starts with these.
    smooths_over_time: masks, light, colours and landmarks are smoothed along a face's track. The original smooths
    nothing.
    uses_skin_light: the transfer skin and the seamless modes fit light to the frame's skin. The original has no such
    transfer, and clones the bare face.
    smaller_first: of several faces the larger, nearer one covers the others. In the original the order of the files
    decides.
    changes_frames_without_face: denoise, bicubic and colour_degrade count for all frames. The original leaves frames
    without a face alone.
    border_pixels: pixels of the model's square by which the frame's border is replicated before black begins. In the
    original black begins at once and is mixed into the frame's outermost pixels.
    replicates_face_border: outside the predicted square its border is replicated. In the original black is mixed into
    the face's outermost pixels.
    aligns_centres: enlarged squares are mapped by pixel centres. The original maps corners, so that its masks, XSeg's,
    and with super resolution its faces lie 3/8 of a predicted pixel beside the face.
    corrects_shift: the shift that a model has learned is measured and taken back. The original leaves it.
    rounds_hull: the landmarks of the hull mask are rounded to whole pixels. The original cuts off, which moves the mask
    by a third of a frame pixel to the left and up.
    min_rim: mask pixels at the square's edge that are cleared, as the face's outermost pixels cannot be warped exactly.
    The original clears none.
    odd_erode: an even size of the erosion's kernel is made odd. The original takes it as it is, which moves the mask by
    half a mask pixel.
    softens_at_model_size: wide blurs are computed at the model's size, many times cheaper. The original always works at
    four times that size.
    enhancer_is_signed: the face enhancer gets values of -1..1, as it was trained. The original hands in 0..1, which
    doubles the contrast of what it adds.
    clones_in_floats: Poisson cloning in floats, without what is no skin in the frame. The original's OpenCV cuts off to
    8 bits, and hair at the mask's edge colours the face.
    motion_in_face: motion blur follows the face's way of one frame step, in face pixels and direction. The original
    takes the way of two steps, counts frame pixels as face pixels, and its even lines are off centre.
    reworks_unchanged_face: the face is warped once more whenever blur, sharpening or degrading are set, even where that
    changes nothing of it. A slip of the original.
    keeps_face_outside_square: a face that was enlarged (face_scale below 0) beyond the square that is warped once more
    keeps its outer part. The original loses it.
    mixes_later_faces_twice: all faces but the first are mixed with the bare frame, then with the faces before them, so
    that their soft edges become sharper. A slip of the original.
    rounds: values are rounded to whole numbers. The original cuts off.
    enlarges_empty_frames: in mode raw-predict the black square of a frame without a face has the size of the others
    with super resolution too. The original's has not.
    """

    auto_values: Mapping[str, Any] | None = None
    smooths_over_time: bool = True
    uses_skin_light: bool = True
    smaller_first: bool = True
    changes_frames_without_face: bool = True
    border_pixels: int = _BORDER_PIXELS
    replicates_face_border: bool = True
    aligns_centres: bool = True
    corrects_shift: bool = True
    rounds_hull: bool = True
    min_rim: int = _MIN_RIM
    odd_erode: bool = True
    softens_at_model_size: bool = True
    enhancer_is_signed: bool = True
    clones_in_floats: bool = True
    motion_in_face: bool = True
    reworks_unchanged_face: bool = False
    keeps_face_outside_square: bool = True
    mixes_later_faces_twice: bool = False
    rounds: bool = True
    enlarges_empty_frames: bool = True

    def centre_shift(self, scale: float) -> float:
        """Where the centre of a square's first pixel lies, in pixels of the same square enlarged by `scale`."""
        return (scale - 1) / 2 if self.aligns_centres else 0.0

    def erode_size(self, erode: int) -> int:
        """Size of the kernel for a setting `erode`, mask pixels."""
        return abs(erode) | 1 if self.odd_erode else abs(erode)

    def blur_length(self, power: float, way: tuple[float, float], enlarged: int) -> float:
        """Length of a motion blur in face pixels, 0 for none; in the original the size of its kernel.

        power: of the motion, times the setting's share: frame pixels over two frame steps. way: (x, y) face pixels over
        one frame step, likewise. enlarged: face pixels to one of the model's.
        """
        low, high = _MOTION_KERNELS
        if self.motion_in_face:
            length = min(math.hypot(*way), high * enlarged)
            return length if length >= _SHORTEST_BLUR else 0
        pixels = int(power)
        return (2 if enlarged > 1 else 1) * min(max(pixels + 1, low), high) if pixels >= 1 else 0


EXACT_RULES = MergeRules()
ORIGINAL_RULES = MergeRules(
    auto_values={"erode": 0, "blur": 0, "colour_transfer": "rct"},
    smooths_over_time=False,
    uses_skin_light=False,
    smaller_first=False,
    changes_frames_without_face=False,
    border_pixels=0,
    replicates_face_border=False,
    aligns_centres=False,
    corrects_shift=False,
    rounds_hull=False,
    min_rim=0,
    odd_erode=False,
    softens_at_model_size=False,
    enhancer_is_signed=False,
    clones_in_floats=False,
    motion_in_face=False,
    reworks_unchanged_face=True,
    keeps_face_outside_square=False,
    mixes_later_faces_twice=True,
    rounds=False,
    enlarges_empty_frames=False,
)
