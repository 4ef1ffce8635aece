"""Colour tags (matrix, primaries, transfer, range), carried over from a clip to its result."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from dfl.video.clip import BT709, UNTAGGED, Clip

# The filter's names of the matrices of ITU-T H.273. Without a tag libav takes BT.601, when reading too.
MATRICES = {1: "bt709", 2: "bt601", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}


@dataclass(frozen=True)
class ColourTags:
    """Colour tags of a video: code points of ITU-T H.273, 2 where the video has none."""

    matrix: int = BT709
    primaries: int = BT709
    transfer: int = BT709
    is_full_range: bool = False

    @classmethod
    def of(cls, clip: Clip) -> Self:
        """Those of a clip's result: the clip's own. HDR clips are mapped to BT.709 when they are read."""
        if clip.is_hdr:
            return cls()
        is_known = clip.matrix in MATRICES
        return cls(
            clip.matrix if is_known else BT709,
            _tag(clip.primaries, (*range(1, 13), 22)),
            _tag(clip.transfer, range(1, 16)),
            clip.is_full_range and is_known,
        )


def _tag(code: int, known: Iterable[int]) -> int:
    return code if code in known and code != 3 else UNTAGGED
