"""The frames of the clip, each with its faces: matched by the names of their source files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.frames import list_frames, no_frames
from dfl.base.report import Report
from dfl.faceset.faceset import FaceFile, list_faceset, no_faces
from dfl.merging.planning.tasks import FaceTask, FrameTask
from dfl.workspace import Workspace

_NAMES_SHOWN = 5


def read_clip_frames(workspace: Workspace, report: Report) -> list[FrameTask]:
    """All frames of data_dst with their faces, in order; reports what does not match.

    UserError when frames or faces are missing, when no face belongs to a frame, or when two frames would have the same
    merged picture.
    """
    frames = list_frames(workspace.frames("dst"), report)
    if not frames:
        raise no_frames(workspace.frames("dst"), "Run 2_extract_dst.bat (`dfl extract-frames dst`).")
    return add_faces(workspace, frames, report)


def add_faces(workspace: Workspace, frames: Sequence[Path], report: Report) -> list[FrameTask]:
    """Assign the faces of data_dst's faceset to its frames; reports mismatches.

    frames: their files, or the names that they would have. UserError as in read_clip_frames.
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
    _report_mismatches(clip, faces, stems, report)
    return clip


def match_faces(frames: Sequence[Path], faces: Iterable[FaceFile]) -> list[FrameTask]:
    """Assign to each frame the faces whose source file has its stem, in the order of `faces`."""
    by_stem: dict[str, list[FaceTask]] = {}
    for face in faces:
        by_stem.setdefault(_stem(face), []).append(FaceTask(face.metadata.source_landmarks, face))
    return [FrameTask(path, index, faces=tuple(by_stem.get(path.stem, ()))) for index, path in enumerate(frames)]


def _stem(face: FaceFile) -> str:
    return Path(face.metadata.source_filename).stem


def _report_mismatches(
    clip: Sequence[FrameTask], faces: Sequence[FaceFile], stems: Iterable[str], report: Report
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
            "names the person. Faces that are deleted from the aligned folder are not swapped."
        )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
