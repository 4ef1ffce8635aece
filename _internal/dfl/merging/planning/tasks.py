"""What is to be done to each frame: whose face becomes which model's, and how. Nothing is read or computed here."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from dfl.base.pictures import Picture, Points
from dfl.merging.blending.face_in_frame import STILL, Motion
from dfl.merging.planning.belonging import Belonging
from dfl.merging.planning.settings import MergeSettings


@dataclass(frozen=True, eq=False)
class FaceTask:
    """One face that is to be swapped.

    landmarks: (68, 2) frame pixels. name: of its aligned picture. model: by what name the run knows its model. track:
    the same for a face from frame to frame of one shot; None where that is not known. person: whose face it is, as the
    session calls them. check: what tells whether it belongs to the frame; None where that is sure.
    """

    landmarks: Points
    name: str
    model: str
    settings: MergeSettings
    motion: Motion = STILL
    track: int | None = None
    person: str = ""
    check: Belonging | None = None


@dataclass(frozen=True, eq=False)
class FrameTask:
    """One frame of the clip.

    path: its picture file; where `picture` is given, (H, W, 3) uint8 BGR, nothing is read from it. place: in the clip,
    from 0. number: by which people name it. settings: of the frame as a whole. faces: those to be swapped, in the order
    in which they are laid over each other. is_wanted: False for a frame that is looked at only because its neighbours'
    masks or colours are smoothed with its own.
    """

    path: Path
    place: int
    number: int
    settings: MergeSettings
    faces: tuple[FaceTask, ...] = ()
    is_wanted: bool = True
    picture: Picture | None = field(default=None, repr=False)

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def reach(self) -> int:
        """How many frames before and after it are looked at for its faces' sake."""
        return max((face.settings.neighbours for face in self.faces), default=0)


def with_neighbours(tasks: list[FrameTask], todo: set[int]) -> list[FrameTask]:
    """The tasks to be done, and the neighbours that must be looked at for them, in order. todo: places in `tasks`."""
    needed = set(todo)
    for place in todo:
        reach = tasks[place].reach
        tracks = {face.track for face in tasks[place].faces} - {None}
        for near in range(max(place - reach, 0), min(place + reach + 1, len(tasks))):
            if any(face.track in tracks for face in tasks[near].faces):
                needed.add(near)
    return [tasks[place] if place in todo else replace(tasks[place], is_wanted=False) for place in sorted(needed)]
