"""Options of the stage `sort`."""

from typing import Literal

from dfl.base.options import Options, option
from dfl.workspace import Side

Method = Literal[
    "blur",
    "motion-blur",
    "face-yaw",
    "face-pitch",
    "face-source-rect-size",
    "hist",
    "hist-dissim",
    "brightness",
    "hue",
    "black",
    "origname",
    "oneface",
    "absdiff",
    "final",
    "final-fast",
    "identity",
    "near-duplicates",
    "coverage",
    "upscale",
    "dst-poses",
]


class SortOptions(Options):
    """How the faces of a side are put into order."""

    side: Side = option(..., "Whose faces: src or dst.", argument=True)
    by: Method = option(
        "hist",
        "What the faces are ordered by: sharpness (blur, motion-blur), direction (face-yaw, face-pitch), size in the "
        "frame, similar colours (hist; hist-dissim: the odd ones first), brightness, hue, black pixels, the frame's "
        "name, pixels (absdiff), the person (identity), enlargement (upscale; the least enlarged first), near equal "
        "faces together (near-duplicates), or how near to a pose of dst (dst-poses). oneface, final, final-fast and "
        "coverage choose faces: the others go to the trash. final takes the sharpest, final-fast the largest.",
        ask="Choose sorting method",
    )
    target: int = option(
        2000,
        "About how many faces final and final-fast keep, and how many coverage keeps.",
        ask="Target number of faces?",
        only_if={"by": ("final", "final-fast", "coverage")},
        minimum=1,
    )
    similar: bool = option(
        True,
        "absdiff: each face is followed by the most similar one; off: by the least similar one.",
        ask="Sort by similar?",
        only_if={"by": ("absdiff",)},
    )
    remove: bool = option(
        False,
        "near-duplicates: only the sharpest of near equal faces stays, the others go to the trash.",
        ask="Move all but the sharpest of near equal faces to the trash?",
        only_if={"by": ("near-duplicates",)},
    )
    workers: int = option(0, "Processes that work at once; 0 takes one a core, at most 16.", minimum=0, maximum=64)
