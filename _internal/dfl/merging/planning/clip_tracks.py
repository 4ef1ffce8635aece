"""Faces over the clip: which faces of consecutive frames are one, never across a cut, and how they move."""

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
from dfl.faces.square import iou
from dfl.merging.blending.face_in_frame import STILL, Motion
from dfl.merging.planning.clip_faces import ClipFace, ClipFrame
from dfl.merging.planning.extraction_notes import NotedFrame
from dfl.video.cuts import begins_scene, thumbnail
from dfl.workspace import MERGE_CUTS, Workspace

# What is found here where extraction tells nothing.
_SAME_FACE_OVERLAP = 0.3
_MOTION_SIDE = 256
Place = tuple[int, int]  # of a frame in the clip, and of a face in it
# Gives the pictures of frames, in order; None for one that cannot be read.
Reader = Callable[[Sequence[ClipFrame]], Iterator[Picture | None]]


def cuts_of(
    workspace: Workspace, clip: Sequence[ClipFrame], notes: Mapping[str, NotedFrame], read: Reader, report: Report
) -> set[str]:
    """Stems of the frames that begin another scene: as extraction saw it, else looked for now and kept."""
    stems = [frame.stem for frame in clip]
    found = _noted_cuts(notes, stems)
    if found is not None:
        return found
    path = workspace.frames("dst") / MERGE_CUTS
    with suppress(UserError):
        kept = read_json(path) if path.is_file() else None
        if isinstance(kept, dict) and kept.get("frames") == stems and isinstance(kept.get("cuts"), list):
            return {str(stem) for stem in kept["cuts"]}
    cuts = set()
    before: NDArray[np.uint8] | None = None
    for frame, picture in zip(clip, report.track(read(clip), "Looking for cuts", len(clip)), strict=True):
        now = None if picture is None else thumbnail(picture)
        if now is not None and before is not None and begins_scene(before, now):
            cuts.add(frame.stem)
        before = now
    write_json(path, {"frames": stems, "cuts": sorted(cuts)})
    return cuts


def _noted_cuts(notes: Mapping[str, NotedFrame], stems: Sequence[str]) -> set[str] | None:
    """As extraction saw them; None where it does not know every frame."""
    if not all(stem in notes for stem in stems):
        return None
    cuts = set()
    before: NDArray[np.uint8] | None = None
    for stem in stems:
        now = notes[stem].thumbnail
        # Where one process searched a frame and another the next, both left thumbnails.
        if notes[stem].is_cut or (before is not None and now is not None and begins_scene(before, now)):
            cuts.add(stem)
        before = now
    return cuts


def link_faces(clip: Sequence[ClipFrame], cuts: set[str]) -> list[list[Place]]:
    """The places of each face through the clip: runs of frames without a gap, none across a cut."""
    tracks: list[list[Place]] = []
    last: list[tuple[NDArray[np.float32], list[Place]]] = []
    for number, frame in enumerate(clip):
        boxes = [_box(face.landmarks) for face in frame.faces]
        old = [] if frame.stem in cuts else last
        pairs = sorted(
            (-iou(box, other), index, place) for index, (box, _) in enumerate(old) for place, other in enumerate(boxes)
        )
        track_of: dict[int, list[Place]] = {}
        taken: set[int] = set()
        for less, index, place in pairs:
            if -less > _SAME_FACE_OVERLAP and index not in taken and place not in track_of:
                taken.add(index)
                track_of[place] = old[index][1]
        last = []
        for place, box in enumerate(boxes):
            if place not in track_of:
                track_of[place] = []
                tracks.append(track_of[place])
            track_of[place].append((number, place))
            last.append((box, track_of[place]))
    return tracks


def _box(landmarks: Points) -> NDArray[np.float32]:
    return np.concatenate([landmarks.min(axis=0), landmarks.max(axis=0)]).astype(np.float32)


def with_tracks(clip: Sequence[ClipFrame], tracks: Sequence[Sequence[Place]], *, calm: bool) -> list[ClipFrame]:
    """The clip, each face with its track's number, its motion, and if `calm` its landmarks without their tremble."""
    faces: dict[Place, ClipFace] = {}
    for number, track in enumerate(tracks):
        here = [clip[frame].faces[place] for frame, place in track]
        spots = [_spot(face.landmarks) for face in here]
        landmarks = smooth_track(np.stack([face.landmarks for face in here])) if calm else None
        for index, (place, face) in enumerate(zip(track, here, strict=True)):
            motion = _motion(spots[max(index - 1, 0) : index + 2])
            still = None if landmarks is None else landmarks[index]
            faces[place] = replace(face, track=number, motion=motion, calm_landmarks=still)
    return [
        replace(frame, faces=tuple(faces[number, place] for place in range(len(frame.faces))))
        for number, frame in enumerate(clip)
    ]


def _spot(landmarks: Points) -> tuple[int, int] | None:
    """The middle of the full-face square in whole frame pixels, as the original takes it; None for no square."""
    middle = np.array([(127, 127)], np.float32)
    matrix = alignment_matrix(landmarks, _MOTION_SIDE, FaceType.FULL)
    if not np.isfinite(matrix).all():
        return None
    x, y = transform_points(middle, matrix, inverse=True)[0]
    return round(float(x)), round(float(y))


def _motion(spots: Sequence[tuple[int, int] | None]) -> Motion:
    """From the middles of the frames before, at and after; at a track's ends there are fewer of them."""
    if None in spots:
        return STILL
    (x0, y0), (x1, y1) = (spots[0] or (0, 0)), (spots[-1] or (0, 0))
    return Motion(math.hypot(x1 - x0, y1 - y0), -math.degrees(math.atan2(y1 - y0, x1 - x0)))


def read_in_threads(read: Callable[[ClipFrame], Picture], workers: int) -> Reader:
    """A reader of picture files that reads ahead."""

    def picture(frame: ClipFrame) -> Picture | None:
        try:
            return read(frame)
        except UserError:
            return None  # named when it is merged

    def pictures(frames: Sequence[ClipFrame]) -> Iterator[Picture | None]:
        return in_order(picture, frames, workers=workers, ahead=4 * workers)

    return pictures
