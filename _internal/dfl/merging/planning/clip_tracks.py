"""Tracks: faces of consecutive frames linked within a shot, their motion and smoothed landmarks."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.files import read_json, write_json
from dfl.base.pictures import Picture, Points
from dfl.base.report import Report
from dfl.base.threads import in_order
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faces.smoothing import smooth_track
from dfl.faces.tracks import Position, Track, link_boxes
from dfl.faceset.found_faces import FoundFrame, scene_starts
from dfl.merging.blending.face_crop import STILL, Motion
from dfl.merging.planning.tasks import FaceTask, FrameTask
from dfl.video.cuts import begins_scene, thumbnail
from dfl.workspace import MERGE_CUTS, Workspace

_MOTION_SIZE = 256  # pixels of the full-face square whose centre's motion is measured
# Reads the pictures of frames, in order; None for one that cannot be read.
Reader = Callable[[Sequence[FrameTask]], Iterator[Picture | None]]


def cuts_of(
    workspace: Workspace, clip: Sequence[FrameTask], found: Mapping[str, FoundFrame], read: Reader, report: Report
) -> set[str]:
    """Stems of the first frames of shots: from extraction's journal, else detected now and stored (MERGE_CUTS).

    found: frames of the journal, by stem.
    """
    stems = [frame.stem for frame in clip]
    if all(stem in found for stem in stems):
        starts = scene_starts([found[stem] for stem in stems])
        return {stem for stem, is_start in zip(stems, starts, strict=True) if is_start}
    path = workspace.frames("dst") / MERGE_CUTS
    with suppress(UserError):
        stored = read_json(path) if path.is_file() else None
        if isinstance(stored, dict) and stored.get("frames") == stems and isinstance(stored.get("cuts"), list):
            return {str(stem) for stem in stored["cuts"]}
    cuts = set()
    before: NDArray[np.uint8] | None = None
    for frame, picture in zip(clip, report.track(read(clip), "Looking for cuts", len(clip)), strict=True):
        now = None if picture is None else thumbnail(picture)
        if now is not None and before is not None and begins_scene(before, now):
            cuts.add(frame.stem)
        before = now
    write_json(path, {"frames": stems, "cuts": sorted(cuts)})
    return cuts


def link_faces(clip: Sequence[FrameTask], cuts: set[str]) -> list[Track]:
    """The tracks of the clip's faces; none across a cut."""
    boxes = [[_box(face.landmarks) for face in frame.faces] for frame in clip]
    return link_boxes(boxes, [frame.stem in cuts for frame in clip])


def _box(landmarks: Points) -> NDArray[np.float32]:
    return np.concatenate([landmarks.min(axis=0), landmarks.max(axis=0)]).astype(np.float32)


def with_tracks(clip: Sequence[FrameTask], tracks: Sequence[Track], *, smooth: bool) -> list[FrameTask]:
    """The clip, each face with its track's number, its motion, and if `smooth` its smoothed landmarks."""
    faces: dict[Position, FaceTask] = {}
    for number, track in enumerate(tracks):
        own = [clip[frame].faces[face] for frame, face in track]
        centres = [_centre(face.landmarks) for face in own]
        landmarks = smooth_track(np.stack([face.landmarks for face in own])) if smooth else None
        for step, (position, face) in enumerate(zip(track, own, strict=True)):
            motion = _motion(centres[max(step - 1, 0) : step + 2])
            smoothed = None if landmarks is None else landmarks[step]
            faces[position] = replace(face, track=number, motion=motion, steady_landmarks=smoothed)
    return [
        replace(frame, faces=tuple(faces[index, face] for face in range(len(frame.faces))))
        for index, frame in enumerate(clip)
    ]


def _centre(landmarks: Points) -> tuple[int, int] | None:
    """The centre of the full-face square in whole frame pixels, as in the original; None without a square."""
    middle = np.array([(127, 127)], np.float32)
    matrix = alignment_matrix(landmarks, _MOTION_SIZE, FaceType.FULL)
    if not np.isfinite(matrix).all():
        return None
    x, y = transform_points(middle, matrix, inverse=True)[0]
    return round(float(x)), round(float(y))


def _motion(centres: Sequence[tuple[int, int] | None]) -> Motion:
    """Motion by the centres in the frames before, at and after; at a track's ends there are only two."""
    if None in centres:
        return STILL
    (x0, y0), (x1, y1) = (centres[0] or (0, 0)), (centres[-1] or (0, 0))
    return Motion(math.hypot(x1 - x0, y1 - y0), -math.degrees(math.atan2(y1 - y0, x1 - x0)))


def read_in_threads(read: Callable[[FrameTask], Picture], workers: int) -> Reader:
    """A Reader of picture files that prefetches in threads."""

    def picture(frame: FrameTask) -> Picture | None:
        try:
            return read(frame)
        except UserError:
            return None  # reported when it is merged

    def pictures(frames: Sequence[FrameTask]) -> Iterator[Picture | None]:
        return in_order(picture, frames, workers=workers, ahead=4 * workers)

    return pictures
