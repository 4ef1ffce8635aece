"""The tasks of a merge: the frames of the clip, the faces to be swapped in each, and model and settings of each face.

Filled in steps: faces (clip_faces), checks (check_clip), tracks and motion (clip_tracks), model and settings
(merge_plan). Nothing is read or computed here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dfl.base.pictures import Picture, Points
from dfl.faceset.faceset import FaceFile
from dfl.merging.blending.face_crop import NO_SHIFT, STILL, Motion, Shift
from dfl.merging.planning.frame_check import FrameCheck
from dfl.merging.planning.settings import MergeSettings

_DEFAULTS = MergeSettings()


@dataclass(frozen=True, eq=False)
class FaceTask:
    """One face of a frame; after planning, one that is to be swapped.

    landmarks: (68, 2) float32 frame pixels. file: its aligned picture. check: compares it with the frame, None where it
    is known to be from this frame. track: index of the face's track within one shot; None where unknown.
    steady_landmarks: temporally smoothed landmarks, None where smoothing is off. model: name in the run's networks.
    person: the person's key in the session. shift: (x, y) model pixels by which the model draws faces beside their
    place, to be taken back; none where that is off.
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
    shift: Shift = NO_SHIFT


@dataclass(frozen=True, eq=False)
class FrameTask:
    """One frame of the clip.

    path: its picture file; only its name is used if there is `read`, which returns the picture (H, W, 3) uint8 BGR or
    raises UserError. index: in the clip, from 0. number: as the user counts frames. settings: of the whole frame.
    faces: in the order of their files; after planning, those to be swapped, in the order of blending. is_wanted: False
    for a frame that is predicted only for the temporal smoothing of its neighbours.
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
        """Number of frames before and after it that its faces are smoothed with."""
        return max((face.settings.neighbours for face in self.faces), default=0)


def with_neighbours(tasks: list[FrameTask], todo: set[int]) -> list[FrameTask]:
    """The tasks to be done and the neighbours needed to smooth them, in order. todo: indices of `tasks`."""
    needed = set(todo)
    for index in todo:
        neighbours = tasks[index].neighbours
        tracks = {face.track for face in tasks[index].faces} - {None}
        for near in range(max(index - neighbours, 0), min(index + neighbours + 1, len(tasks))):
            if any(face.track in tracks for face in tasks[near].faces):
                needed.add(near)
    return [tasks[index] if index in todo else replace(tasks[index], is_wanted=False) for index in sorted(needed)]
