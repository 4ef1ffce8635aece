"""Find the faces of consecutive frames: a careful look now and then, and in between each face is followed.

A careful look (FaceFinder.find) is taken at the first frame, at every N-th, after a cut, and where a followed face is
lost or doubtful. A face that turns up in a careful look is followed backwards too, so that it has no late start.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from dfl.base.pictures import Picture
from dfl.faces.find import FaceFinder, FoundFace
from dfl.faces.square import iou
from dfl.video.cuts import CutFinder

# Frames from one careful look to the next, and how many bytes of pictures may be held in between.
DETECTION_INTERVAL = 8
_HELD_BYTES = 64 * 2**20
# Two faces of neighbouring frames that overlap so much are one.
_SAME_FACE_OVERLAP = 0.3


@dataclass
class FrameFaces:
    """The faces of one frame, the largest first. is_cut: another scene begins with this frame."""

    faces: list[FoundFace] = field(default_factory=list)
    is_cut: bool = False


def find_in_frames(
    finder: FaceFinder, frames: Iterable[Picture | None], look_every: int = DETECTION_INTERVAL
) -> Iterator[FrameFaces]:
    """The faces of every frame of a run of consecutive frames, (H, W, 3) uint8 BGR each, None where one is missing.

    The first and the last frame get a careful look: nothing depends on frames outside the run. With look_every=1
    every frame gets one.
    """
    rest = iter(frames)
    cuts = CutFinder()
    last = FrameFaces()
    while first := list(islice(rest, 1)):
        yield (last := _find_in_window(finder, first, last, cuts)[0])
        if first[0] is not None:
            break
    else:
        return
    look_every = max(1, min(look_every, _HELD_BYTES // max(first[0].nbytes, 1)))
    while pictures := list(islice(rest, look_every)):
        found = _find_in_window(finder, pictures, last, cuts)
        yield from found
        last = found[-1]


def _find_in_window(
    finder: FaceFinder, pictures: list[Picture | None], before: FrameFaces, cuts: CutFinder
) -> list[FrameFaces]:
    """The faces of the frames after `before`; the last one gets a careful look."""
    found: list[FrameFaces] = []
    for index, picture in enumerate(pictures):
        if picture is None:
            before = FrameFaces(is_cut=True)
            found.append(before)
            continue
        is_cut = cuts.is_cut(picture)
        old = [] if is_cut else before.faces
        pairs = [(one, finder.follow(picture, one)) for one in old]
        faces = [face for _, face in pairs if face]
        has_doubt = any(face is None or (face.is_doubtful and not one.is_doubtful) for one, face in pairs)
        if is_cut or has_doubt or index == len(pictures) - 1:
            faces = finder.find(picture, faces)
        if not is_cut:
            new = [face for face in faces if not any(iou(face.box, one.box) > _SAME_FACE_OVERLAP for one in old)]
            _follow_back(finder, pictures[:index], found, new)
        before = FrameFaces(faces, is_cut)
        found.append(before)
    return found


def _follow_back(
    finder: FaceFinder, pictures: list[Picture | None], found: list[FrameFaces], new: list[FoundFace]
) -> None:
    """Add faces that have just turned up to the frames before, as far as they can be followed."""
    for start in new:
        face: FoundFace | None = start
        for picture, frame in zip(reversed(pictures), reversed(found), strict=True):
            face = finder.follow(picture, face) if face and picture is not None else None
            if face is None or any(iou(face.box, other.box) > _SAME_FACE_OVERLAP for other in frame.faces):
                break
            frame.faces = sorted([*frame.faces, face], key=lambda one: -one.area)
            if frame.is_cut:
                break
