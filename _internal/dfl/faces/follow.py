"""Find the faces of consecutive frames: detection at intervals, and tracking in between.

Detection (FaceFinder.find) runs on the first frame, on every N-th, after a cut, and where a tracked face is lost or
doubtful. A face that a detection finds first is tracked backwards too, so that it has no late start.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from dfl.base.pictures import Picture
from dfl.faces.find import FaceFinder, FoundFace
from dfl.faces.square import iou
from dfl.video.cuts import CutFinder

# Frames from one detection to the next, and how many bytes of pictures may be held in between.
DETECTION_INTERVAL = 8
_HELD_BYTES = 64 * 2**20
# Faces of neighbouring frames with a larger IoU are the same.
_SAME_FACE_OVERLAP = 0.3


@dataclass
class FrameFaces:
    """The faces of one frame, the largest first. is_cut: another scene begins with this frame."""

    faces: list[FoundFace] = field(default_factory=list)
    is_cut: bool = False


def find_in_frames(
    finder: FaceFinder, frames: Iterable[Picture | None], detection_interval: int = DETECTION_INTERVAL
) -> Iterator[FrameFaces]:
    """The faces of every frame of a run of consecutive frames, (H, W, 3) uint8 BGR each, None where one is missing.

    Detection runs on the first and the last frame: nothing depends on frames outside the run. With
    detection_interval=1 it runs on every frame.
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
    detection_interval = max(1, min(detection_interval, _HELD_BYTES // max(first[0].nbytes, 1)))
    while pictures := list(islice(rest, detection_interval)):
        found = _find_in_window(finder, pictures, last, cuts)
        yield from found
        last = found[-1]


def _find_in_window(
    finder: FaceFinder, pictures: list[Picture | None], previous: FrameFaces, cuts: CutFinder
) -> list[FrameFaces]:
    """The faces of the frames after `previous`; detection runs on the last one."""
    found: list[FrameFaces] = []
    for index, picture in enumerate(pictures):
        if picture is None:
            previous = FrameFaces(is_cut=True)
            found.append(previous)
            continue
        is_cut = cuts.is_cut(picture)
        tracked = [] if is_cut else previous.faces
        pairs = [(one, finder.follow(picture, one)) for one in tracked]
        faces = [face for _, face in pairs if face]
        is_unsure = any(face is None or (face.is_doubtful and not one.is_doubtful) for one, face in pairs)
        if is_cut or is_unsure or index == len(pictures) - 1:
            faces = finder.find(picture, faces)
        if not is_cut:
            new = [face for face in faces if not any(iou(face.box, one.box) > _SAME_FACE_OVERLAP for one in tracked)]
            _follow_back(finder, pictures[:index], found, new)
        previous = FrameFaces(faces, is_cut)
        found.append(previous)
    return found


def _follow_back(
    finder: FaceFinder, pictures: list[Picture | None], found: list[FrameFaces], new: list[FoundFace]
) -> None:
    """Track newly detected faces backwards and add them to the frames before."""
    for start in new:
        face: FoundFace | None = start
        for picture, frame in zip(reversed(pictures), reversed(found), strict=True):
            face = finder.follow(picture, face) if face and picture is not None else None
            if face is None or any(iou(face.box, other.box) > _SAME_FACE_OVERLAP for other in frame.faces):
                break
            frame.faces = sorted([*frame.faces, face], key=lambda one: -one.area)
            if frame.is_cut:
                break
