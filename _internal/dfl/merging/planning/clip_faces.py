"""Which faces belong to which frame of the clip, and how they move."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.frames import list_frames, no_frames
from dfl.base.pictures import Points
from dfl.base.report import Report
from dfl.faceset.faceset import FaceFile, list_faceset, no_faces
from dfl.merging.blending.face_in_frame import STILL, Motion
from dfl.merging.planning.belonging import Belonging
from dfl.workspace import Workspace

_NAMES_SHOWN = 5


@dataclass(frozen=True, eq=False)
class ClipFace:
    """A face of a frame. landmarks: (68, 2) float32 frame pixels. file: its aligned picture.

    Known when the clip was gone through: check, what tells whether it belongs to the frame, None where that is sure;
    track, the face's number from frame to frame within one shot; its motion; calm_landmarks, without their tremble.
    """

    landmarks: Points
    file: FaceFile
    check: Belonging | None = None
    track: int | None = None
    motion: Motion = STILL
    calm_landmarks: Points | None = None


@dataclass(frozen=True, eq=False)
class ClipFrame:
    """One frame of the clip: its picture file, and its faces in the order of their files."""

    path: Path
    faces: tuple[ClipFace, ...] = ()

    @property
    def stem(self) -> str:
        return self.path.stem


def read_clip_frames(workspace: Workspace, report: Report) -> list[ClipFrame]:
    """All frames of data_dst with their faces, in order; says what does not fit.

    UserError when frames or faces are missing, when no face belongs to a frame, or when two frames would have the same
    merged picture.
    """
    frames = list_frames(workspace.frames("dst"), report)
    if not frames:
        raise no_frames(workspace.frames("dst"), "Run 2_extract_dst.bat (`dfl extract-frames dst`).")
    return add_faces(workspace, frames, report)


def add_faces(workspace: Workspace, frames: Sequence[Path], report: Report) -> list[ClipFrame]:
    """Give frames of data_dst the faces of its faceset; says what does not fit.

    frames: their files, or the names that they would have. UserError as of read_clip.
    """
    stems = Counter(path.stem for path in frames)
    twice = [stem for stem, count in stems.items() if count > 1]
    if twice:
        names = ", ".join(path.name for path in frames if path.stem == twice[0])
        raise UserError(
            f"{workspace.frames('dst')} holds {names}: both would become {twice[0]}.png.",
            "Delete the frames that are left over from an earlier extraction.",
        )
    faces = list_faceset(workspace.aligned("dst"), report)
    if not faces:
        raise no_faces(workspace.aligned("dst"), "Run 2_extract_dst.bat (`dfl extract-faces dst`).")
    clip = match_faces(frames, faces)
    _say_what_does_not_fit(clip, faces, stems, report)
    return clip


def match_faces(frames: Sequence[Path], faces: Iterable[FaceFile]) -> list[ClipFrame]:
    """Give each frame the faces whose source file has its stem, in the order of `faces`."""
    by_stem: dict[str, list[ClipFace]] = {}
    for face in faces:
        by_stem.setdefault(_stem(face), []).append(ClipFace(face.metadata.source_landmarks, face))
    return [ClipFrame(path, tuple(by_stem.get(path.stem, ()))) for path in frames]


def _stem(face: FaceFile) -> str:
    return Path(face.metadata.source_filename).stem


def _say_what_does_not_fit(
    clip: Sequence[ClipFrame], faces: Sequence[FaceFile], stems: Iterable[str], report: Report
) -> None:
    known = set(stems)
    lost = [face.name for face in faces if _stem(face) not in known]
    if len(lost) == len(faces):
        raise UserError(
            f"None of the {len(faces)} faces in data_dst's aligned folder belongs to one of its {len(known)} frames.",
            f"{lost[0]} comes from {faces[0].metadata.source_filename}: extract the faces again from these frames.",
        )
    if lost:
        report.warn(f"{len(lost)} faces have no frame any more and are left out: {_names(lost)}.")
    crowded = [frame.stem for frame in clip if len(frame.faces) > 1]
    if crowded:
        report.warn(
            f"{len(crowded)} frames have more than one face: {_names(crowded)}. All of them are swapped, unless --only "
            "says whose. Faces that are deleted from the aligned folder stay as they are."
        )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
