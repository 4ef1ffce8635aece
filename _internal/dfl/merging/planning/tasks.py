"""The frames of the clip and what is to be done to each: whose face becomes which model's, and how.

Reading the clip (clip_faces) gives every frame its faces, going through it (check_clip, clip_tracks) adds checks,
tracks and motion, and the plan (merge_plan) model and settings. Nothing is read or computed here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dfl.base.pictures import Picture, Points
from dfl.faceset.faceset import FaceFile
from dfl.merging.blending.face_crop import STILL, Motion
from dfl.merging.planning.frame_check import FrameCheck
from dfl.merging.planning.settings import MergeSettings

_DEFAULTS = MergeSettings()


@dataclass(frozen=True, eq=False)
class FaceTask:
    """One face of a frame; once planned, one that is to be swapped.

    landmarks: (68, 2) float32 frame pixels. file: its aligned picture. check: compares it with the frame, None where it
    is known to be the frame's. track: the face's number, the same from frame to frame of one shot; None where unknown.
    steady_landmarks: temporally smoothed ones, None where they were not wanted. model: its name in the run's networks.
    person: whose face it is, as the session calls them.
    """

    landmarks: Points
    file: FaceFile
    model: str = ""
    settings: MergeSettings = _DEFAULTS
    person: str = ""
    check: FrameCheck | None = None
    track: int | None = None
    motion: Motion = STILL
    steady_landmarks: Points | None = None


@dataclass(frozen=True, eq=False)
class FrameTask:
    """One frame of the clip.

    path: its picture file; with `read`, which gives the picture (H, W, 3) uint8 BGR or raises UserError, only its name
    counts. index: in the clip, from 0. number: by which people name it. settings: of the frame as a whole. faces: in
    the order of their files; once planned, those to be swapped, in the order in which they are laid over each other.
    is_wanted: False for a frame that is predicted only because its neighbours are smoothed with it.
    """

    path: Path
    index: int = 0
    number: int = 0
    settings: MergeSettings = _DEFAULTS
    faces: tuple[FaceTask, ...] = ()
    is_wanted: bool = True
    read: Callable[[], Picture] | None = field(default=None, repr=False)

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def neighbours(self) -> int:
        """How many frames before and after it are predicted for its faces' sake."""
        return max((face.settings.neighbours for face in self.faces), default=0)


def with_neighbours(tasks: list[FrameTask], todo: set[int]) -> list[FrameTask]:
    """The tasks to be done, and the neighbours that must be predicted for them, in order. todo: indices of `tasks`."""
    needed = set(todo)
    for index in todo:
        neighbours = tasks[index].neighbours
        tracks = {face.track for face in tasks[index].faces} - {None}
        for near in range(max(index - neighbours, 0), min(index + neighbours + 1, len(tasks))):
            if any(face.track in tracks for face in tasks[near].faces):
                needed.add(near)
    return [tasks[index] if index in todo else replace(tasks[index], is_wanted=False) for index in sorted(needed)]
