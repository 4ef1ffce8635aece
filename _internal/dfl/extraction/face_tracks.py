"""Tracks of the found faces, and their landmarks smoothed along them."""

from collections.abc import Sequence

import numpy as np

from dfl.base.pictures import Points
from dfl.faces.smoothing import smooth_track
from dfl.faces.tracks import Position, Track, link_boxes
from dfl.faceset.found_faces import Face, FoundFrame, scene_starts


def link(frames: Sequence[FoundFrame | None]) -> list[Track]:
    """The tracks of a clip's frames in order (None: a frame that could not be read); none goes across a cut."""
    return link_boxes([[face.box for face in frame.faces] if frame else [] for frame in frames], scene_starts(frames))


def smooth(frames: Sequence[FoundFrame | None], tracks: Sequence[Track]) -> dict[Position, Points]:
    """Smoothed landmarks of every face, by position: (68, 2) float32 frame pixels."""
    smoothed: dict[Position, Points] = {}
    for track in tracks:
        landmarks = np.stack([face_at(frames, position).landmarks for position in track])
        smoothed |= zip(track, smooth_track(landmarks), strict=True)
    return smoothed


def face_at(frames: Sequence[FoundFrame | None], position: Position) -> Face:
    """The face at a track's position."""
    frame = frames[position[0]]
    assert frame is not None  # tracks only contain frames that were read
    return frame.faces[position[1]]
