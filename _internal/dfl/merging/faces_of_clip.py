"""Which faces belong to which frame of the clip, and how they move."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dfl.base.errors import UserError
from dfl.base.files import list_pictures
from dfl.base.pictures import Points
from dfl.base.report import Report
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.merging.face_in_frame import STILL, Motion
from dfl.workspace import Workspace

_MOTION_SIDE = 256
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class ClipFrame:
    """One frame of the clip: its picture file, the landmarks (68, 2) of its faces in frame pixels, and its motion."""

    path: Path
    faces: tuple[Points, ...] = ()
    motion: Motion = STILL

    @property
    def stem(self) -> str:
        return self.path.stem


def read_clip(workspace: Workspace, report: Report) -> list[ClipFrame]:
    """All frames of data_dst with their faces, in order; says what does not fit.

    UserError when frames or faces are missing, when no face belongs to a frame, or when two frames would have the same
    merged picture.
    """
    frames = list_pictures(workspace.frames("dst"))
    if not frames:
        raise UserError(
            f"There are no frames in {workspace.frames('dst')}.", "Run 2_extract_dst.bat (`dfl extract-frames dst`)."
        )
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
        raise UserError(
            f"There are no faces in {workspace.aligned('dst')}.", "Run 2_extract_dst.bat (`dfl extract-faces dst`)."
        )
    clip = match_faces(frames, faces)
    _say_what_does_not_fit(clip, faces, stems, report)
    return clip


def match_faces(frames: Sequence[Path], faces: Iterable[FaceFile]) -> list[ClipFrame]:
    """Give each frame the faces whose source file has its stem, in the order of `faces`, and its motion.

    With more than one face in any frame nobody knows which face moved where: then no frame has motion.
    """
    by_stem: dict[str, list[Points]] = {}
    for face in faces:
        by_stem.setdefault(_stem(face), []).append(face.metadata.source_landmarks)
    found = [tuple(by_stem.get(path.stem, ())) for path in frames]
    if any(len(faces_here) > 1 for faces_here in found):
        return [ClipFrame(path, faces_here) for path, faces_here in zip(frames, found, strict=True)]
    spots = [_spot(faces_here[0]) if faces_here else None for faces_here in found]
    return [
        ClipFrame(path, faces_here, _motion(spots[max(index - 1, 0) : index + 2]))
        for index, (path, faces_here) in enumerate(zip(frames, found, strict=True))
    ]


def _stem(face: FaceFile) -> str:
    return Path(face.metadata.source_filename).stem


def _spot(landmarks: Points) -> tuple[int, int] | None:
    """The middle of the full-face square in whole frame pixels, as the original takes it; None for no square."""
    middle = np.array([(127, 127)], np.float32)
    matrix = alignment_matrix(landmarks, _MOTION_SIDE, FaceType.FULL)
    if not np.isfinite(matrix).all():
        return None
    x, y = transform_points(middle, matrix, inverse=True)[0]
    return round(float(x)), round(float(y))


def _motion(spots: Sequence[tuple[int, int] | None]) -> Motion:
    """From the middles of the frames before, at and after; at the clip's ends there are two of them."""
    if None in spots:
        return STILL
    (x0, y0), (x1, y1) = (spots[0] or (0, 0)), (spots[-1] or (0, 0))
    return Motion(math.hypot(x1 - x0, y1 - y0), -math.degrees(math.atan2(y1 - y0, x1 - x0)))


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
            f"{len(crowded)} frames have more than one face: {_names(crowded)}. All of them are swapped, and motion "
            "blur is off. Delete faces that are not meant from the aligned folder."
        )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
