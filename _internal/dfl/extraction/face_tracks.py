"""Which faces of consecutive frames are one: tracks."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dfl.base.pictures import Points
from dfl.extraction.found_frame import Face, FoundFrame
from dfl.faces.smoothing import smooth_track
from dfl.faces.square import iou
from dfl.video.cuts import begins_scene

# Two faces of neighbouring frames that overlap so much are one.
_SAME_FACE_OVERLAP = 0.3


@dataclass
class Track:
    """One face from frame to frame, without a gap. places: (place of the frame, place of the face in it)."""

    places: list[tuple[int, int]] = field(default_factory=list)


def link(frames: Sequence[FoundFrame | None]) -> list[Track]:
    """The tracks of a clip's frames in order (None: a frame that could not be read); none goes across a cut."""
    tracks: list[Track] = []
    last: list[tuple[Face, Track]] = []
    before: FoundFrame | None = None
    for number, frame in enumerate(frames):
        if frame is None:
            before, last = None, []
            continue
        old = [] if _is_cut(before, frame) else last
        pairs = sorted(
            (
                (-iou(one.box, face.box), index, place)
                for index, (one, _) in enumerate(old)
                for place, face in enumerate(frame.faces)
            )
        )
        of_face: dict[int, Track] = {}
        taken: set[int] = set()
        for less, index, place in pairs:
            if -less > _SAME_FACE_OVERLAP and index not in taken and place not in of_face:
                taken.add(index)
                of_face[place] = old[index][1]
        last = []
        for place, face in enumerate(frame.faces):
            if place not in of_face:
                of_face[place] = Track()
                tracks.append(of_face[place])
            of_face[place].places.append((number, place))
            last.append((face, of_face[place]))
        before = frame
    return tracks


def _is_cut(before: FoundFrame | None, frame: FoundFrame) -> bool:
    """Whether a scene begins with the frame: told by the process that searched both, else seen by the thumbnails."""
    if frame.is_cut or before is None or before.thumbnail is None or frame.thumbnail is None:
        return frame.is_cut
    return begins_scene(before.thumbnail, frame.thumbnail)


def smooth(frames: Sequence[FoundFrame | None], tracks: Sequence[Track]) -> dict[tuple[int, int], Points]:
    """Landmarks of every face without their tremble, by place: (68, 2) float32 frame pixels."""
    smoothed: dict[tuple[int, int], Points] = {}
    for track in tracks:
        landmarks = np.stack([face_at(frames, place).landmarks for place in track.places])
        smoothed |= zip(track.places, smooth_track(landmarks), strict=True)
    return smoothed


def face_at(frames: Sequence[FoundFrame | None], place: tuple[int, int]) -> Face:
    """The face of a track's place."""
    frame = frames[place[0]]
    assert frame is not None  # tracks go through frames that were read
    return frame.faces[place[1]]
