"""Plan the crops of each frame: which of the found faces are cut out, with final landmarks, and which are rejected."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dfl.base.pictures import Points
from dfl.extraction.face_tracks import face_at, smooth
from dfl.extraction.options import ExtractFacesOptions
from dfl.faces.tracks import Track
from dfl.faceset.found_faces import Face, FoundFrame

# A track whose highest confidence is below this most likely shows no face.
MIN_SURE = 0.5


@dataclass(frozen=True, eq=False)
class PlannedFace:
    """A face to be cut out. number: in its frame, from 0, the largest first; is_rejected: it goes to the trash."""

    number: int
    face: Face
    landmarks: Points
    is_rejected: bool

    def file_name(self, frame: str, suffix: str) -> str:
        """Its file in the aligned folder."""
        return f"{frame.rpartition('.')[0]}_{self.number}{suffix}"


@dataclass(frozen=True, eq=False)
class FramePlan:
    """The faces to be cut out of a frame."""

    frame: str
    faces: tuple[PlannedFace, ...]

    def digest(self, frame: FoundFrame) -> str:
        """Changes with the frame's picture and the selection of its faces, which are then cut out again.

        Independent of smoothing: new frames at a track's end slightly move the landmarks before them, and cutting those
        faces again would bring back what the user has deleted.
        """
        content = hashlib.sha256(repr((frame.facts.size, frame.facts.crc)).encode())
        for planned in self.faces:
            content.update(np.round(planned.face.landmarks, 3).tobytes())
        return content.hexdigest()[:16]


def plan_frames(
    frames: Sequence[FoundFrame | None],
    tracks: Sequence[Track],
    wanted: Mapping[int, bool] | None,
    options: ExtractFacesOptions,
) -> list[FramePlan | None]:
    """What is cut out of each frame; None for frames that could not be read.

    wanted: by index of the track, whether it shows a wanted person; None when everybody is wanted.
    """
    landmarks = smooth(frames, tracks) if options.smooth else {}
    track_of = {position: number for number, track in enumerate(tracks) for position in track}
    is_rejected = [_is_doubtful(frames, track) for track in tracks]
    plans: list[FramePlan | None] = []
    for number, frame in enumerate(frames):
        if frame is None:
            plans.append(None)
            continue
        positions = [(number, position) for position in range(len(frame.faces))]
        positions = [position for position in positions if _is_large(frame.faces[position[1]], options.min_face)]
        if wanted is not None:
            positions = [position for position in positions if wanted[track_of[position]]]
        # Rejected faces come last and do not count towards max_faces.
        positions.sort(key=lambda position: is_rejected[track_of[position]])
        sure = sum(not is_rejected[track_of[position]] for position in positions)
        if options.max_faces and sure > options.max_faces:
            positions = positions[: options.max_faces] + positions[sure:]
        faces = tuple(
            PlannedFace(
                index,
                face_at(frames, position),
                landmarks.get(position, face_at(frames, position).landmarks),
                is_rejected[track_of[position]],
            )
            for index, position in enumerate(positions)
        )
        plans.append(FramePlan(frame.frame, faces))
    return plans


def _is_doubtful(frames: Sequence[FoundFrame | None], track: Track) -> bool:
    return max(face_at(frames, position).confidence for position in track) < MIN_SURE


def _is_large(face: Face, least: int) -> bool:
    left, top, right, bottom = face.box
    return bool(max(right - left, bottom - top) >= least)
