"""The stage resize: a faceset in another size or of another face type, see regenerate."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.processes import in_processes, lower_priority, worker_count
from dfl.base.report import Failures, Report
from dfl.base.wording import first_few
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import AlignedFace
from dfl.faceset.faceset import FaceFile, check_is_unpacked, list_faceset, no_faces
from dfl.faceset.trash import trash_folder
from dfl.faceset_tools.options import ResizeOptions
from dfl.faceset_tools.regenerate import Regenerated, regenerate, was_regenerated
from dfl.faceset_tools.resized_face import resized_face
from dfl.workspace import Workspace

_BYTES_A_PIXEL = 0.8  # of a JPEG of quality 100


@dataclass(frozen=True)
class _Task:
    face: FaceFile
    target: Path


def run(workspace: Workspace, options: ResizeOptions, report: Report) -> None:
    """Make a side's faceset in another size or face type; see `dfl resize --help`."""
    aligned = workspace.aligned(options.side)
    regenerated = Regenerated(aligned, "resize", "resized")
    folder = regenerated.folder
    regenerated.finish_taking_over(report)
    check_is_unpacked(aligned, options.side)
    face_type = None if options.face_type == "same" else FaceType.from_name(options.face_type)
    faces = list_faceset(aligned, report)
    if not faces:
        raise no_faces(aligned, f"Run extract-faces {options.side} first.")
    faces = list(_to_change(faces, options.size, face_type, report))
    if not faces:
        report.done(f"There is nothing to resize in {aligned}.", faces=0, failed=0)
        return
    if face_type is not None:
        _report_narrow(faces, face_type, report)
    regenerated.prepare({"size": options.size, "face_type": options.face_type}, report)
    names = regenerated.names(faces)
    tasks = [_Task(face, folder / names[face.name]) for face in faces]
    times = regenerated.times()
    due = [task for task in tasks if not was_regenerated(task.face, task.target, times.get(task.target.name))]
    if 0 < len(due) < len(tasks):
        report.line(f"{len(tasks) - len(due)} of {len(tasks)} faces are finished; going on with the rest.")
    need_space(folder, int(len(due) * options.size**2 * _BYTES_A_PIXEL), f"{len(due)} resized faces")
    failed = _make(due, options, face_type, report)
    made = {
        face.name: name for face, name in ((task.face, task.target.name) for task in tasks) if face.name not in failed
    }
    regenerated.note_times({task.target.name: task.face for task in tasks if task.face.name in made})
    regenerated.move_others_away(set(made.values()), report)
    text = f"{len(made)} faces of {options.size} x {options.size} pixels"
    text += f"; {len(failed)} failed and stay as they are" if failed else ""
    if options.merge and made:
        regenerated.take_over(made, report)
        report.done(
            f'{text}, in {aligned} now. The old ones are in {trash_folder(aligned)} (reason "{regenerated.word}").',
            faces=len(made),
            failed=len(failed),
        )
    else:
        report.done(f"{text}, in {folder}; the same with --merge takes them over.", faces=len(made), failed=len(failed))


def _to_change(faces: list[FaceFile], size: int, face_type: FaceType | None, report: Report) -> Iterator[FaceFile]:
    """The square pictures that are not as wanted already; others are counted and left as they are."""
    others = [face.name for face in faces if face.shape[0] != face.shape[1]]
    if others:
        report.warn(f"{len(others)} pictures are not square and stay as they are: {first_few(others)}")
    done = {
        face.name for face in faces if face.shape[:2] == (size, size) and face_type in (None, face.metadata.face_type)
    }
    if done:
        report.line(f"{len(done)} faces are of that size and face type already.")
    yield from (face for face in faces if face.shape[0] == face.shape[1] and face.name not in done)


def _report_narrow(faces: list[FaceFile], face_type: FaceType, report: Report) -> None:
    """Warn of faces that get a wider face type than they show."""
    narrow = [face for face in faces if face.metadata.shown_type < face_type]
    if narrow:
        report.warn(
            f"{len(narrow)} of {len(faces)} faces show less of the head than {face_type.file_name}: the rest becomes "
            f"black, and training leaves them out. To see more, extract them again with --face-type {face_type.letter}."
        )


def _make(due: list[_Task], options: ResizeOptions, face_type: FaceType | None, report: Report) -> set[str]:
    """Write the resized pictures in processes; returns the names of those that failed."""
    failures = Failures(report)
    if not due:
        return set(failures.names)
    work = partial(_make_one, size=options.size, face_type=face_type)
    workers = min(worker_count(options.workers), len(due))
    outcomes = in_processes(work, due, workers=workers, start=_start)
    for outcome in report.track(outcomes, "resizing", len(due)):
        if outcome.error:
            if isinstance(outcome.error, UserError) and "disk is full" in outcome.error.what:
                raise outcome.error
            name = outcome.item.face.name
            reason = outcome.error.what if isinstance(outcome.error, UserError) else repr(outcome.error)
            failures.add(name, f"{name} is left as it is: {reason}")
    return set(failures.names)


def _start() -> None:
    lower_priority()
    cv2.setNumThreads(1)


def _make_one(task: _Task, size: int, face_type: FaceType | None) -> None:
    """Resize one picture."""
    changed = task.face.path.stat()
    face = AlignedFace(task.face.read_picture(), task.face.metadata)
    regenerate(task.target, resized_face(face, size, face_type), changed)
