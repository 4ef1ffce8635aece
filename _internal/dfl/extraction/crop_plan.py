"""Which of the found faces are cut out, where their landmarks are in the end, and which of them go to the trash."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dfl.base.pictures import Points
from dfl.extraction.face_tracks import face_at, smooth
from dfl.extraction.options import ExtractFacesOptions
from dfl.faces.tracks import Track
from dfl.faceset.found_faces import Face, FoundFrame

# A face of which no frame of its track is surer than this is most likely none.
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
        """Changes with the frame's picture and the choice of its faces: then they are cut out anew.

        Smoothing does not count: new frames at a track's end would move the faces before them by a hair, and bring
        back what the user has deleted.
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
        # Rejected faces do not count: they would push real ones out.
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
