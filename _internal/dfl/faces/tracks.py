"""Tracks: link faces of consecutive frames by the IoU of their boxes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfl.faces.square import iou

_MIN_IOU = 0.3
Position = tuple[int, int]  # index of a frame in the clip, and of a face in the frame
Track = list[Position]  # one face, in consecutive frames
Boxes = Sequence[NDArray[np.float32]]  # of a frame's faces: (4,) left, top, right, bottom


def link_boxes(frames: Sequence[Boxes], begins_scene: Sequence[bool]) -> list[Track]:
    """The tracks of a clip, ordered by first frame; without gaps, and never across a cut.

    frames: the boxes of each frame's faces, frame pixels; none for a frame that could not be read. begins_scene: for
    each frame whether a scene begins with it. Pairs of two frames are linked greedily by descending IoU.
    """
    tracks: list[Track] = []
    last: list[tuple[NDArray[np.float32], Track]] = []
    for index, (boxes, is_first) in enumerate(zip(frames, begins_scene, strict=True)):
        old = [] if is_first else last
        pairs = sorted(
            (-iou(box, other), old_face, face)
            for old_face, (box, _) in enumerate(old)
            for face, other in enumerate(boxes)
        )
        track_of: dict[int, Track] = {}
        linked: set[int] = set()
        for negative_iou, old_face, face in pairs:
            if -negative_iou > _MIN_IOU and old_face not in linked and face not in track_of:
                linked.add(old_face)
                track_of[face] = old[old_face][1]
        last = []
        for face, box in enumerate(boxes):
            if face not in track_of:
                track_of[face] = []
                tracks.append(track_of[face])
            track_of[face].append((index, face))
            last.append((box, track_of[face]))
    return tracks
