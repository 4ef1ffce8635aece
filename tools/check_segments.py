"""Check that clips decoded in parts give the frames that one go gives: `python tools/check_segments.py FILE...`

Says for each file how many parts it has, and how many frames differ (in time or in any pixel).
"""

import hashlib
import sys
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_internal"))

from dfl.base.errors import UserError  # noqa: E402 - a source checkout need not be installed for this
from dfl.base.pictures import Picture  # noqa: E402
from dfl.video import segments as parts_of_clip  # noqa: E402
from dfl.video.read import read_frames  # noqa: E402
from dfl.video.read_clip import read_clip  # noqa: E402

PART_FRAMES = 8  # short parts, so that short clips have some


def compare(path: Path) -> tuple[int, int, int]:
    """Number of parts, of frames, and of frames that differ or are missing."""
    clip = read_clip(path)
    whole = [(frame.time, _digest(frame.picture)) for frame in read_frames(clip, _ignore)]
    parts = parts_of_clip.segments(clip)
    found = [
        (Fraction(frame.ticks * clip.time_base), _digest(frame.picture))
        for part in parts
        for frame in parts_of_clip.read_segment(clip, part, _ignore)
    ]
    differing = sum(one != other for one, other in zip(whole, found, strict=False))
    return len(parts), len(whole), differing + abs(len(whole) - len(found))


def _digest(picture: Picture) -> bytes:
    return hashlib.blake2b(picture.tobytes()).digest()


def _ignore(text: str) -> None:
    pass


def main() -> int:
    """The exit code: 1 when anything differs."""
    parts_of_clip.SEGMENT_FRAMES = PART_FRAMES
    worst = 0
    for name in sys.argv[1:]:
        try:
            parts, frames, differing = compare(Path(name))
        except UserError as error:
            print(f"{name}: {error.what}")
            continue
        print(f"{name}: {parts} parts, {frames} frames, {differing} differ")
        worst = max(worst, differing)
    return int(worst > 0)


if __name__ == "__main__":
    sys.exit(main())
