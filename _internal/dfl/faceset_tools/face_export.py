"""Export one picture of each face into a folder next to the faceset.

Never into `aligned` itself, as the original does: there they are pictures without face data to every other tool. What
is there already, perhaps edited by somebody, is never written over: where the new one differs it goes elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2

from dfl.base.errors import UserError
from dfl.base.files import move_into, write_bytes
from dfl.base.part_files import remove_parts
from dfl.base.processes import in_processes, lower_priority, worker_count
from dfl.base.report import Failures, Report
from dfl.base.unused_path import earlier_path
from dfl.faceset.faceset import FaceFile


@dataclass(frozen=True)
class _Task:
    face: FaceFile
    target: Path
    earlier: Path  # folder for what is there and differs


@dataclass(frozen=True)
class ExportedFaces:
    """Paths written, names of faces of which nothing could be made, or that failed; where earlier pictures went."""

    paths: list[Path]
    skipped: list[str]
    failed: list[str]
    earlier: Path


def export_faces(
    faces: list[FaceFile],
    folder: Path,
    ending: str,
    make: Callable[[FaceFile], bytes | None],
    report: Report,
    workers: int = 0,
) -> ExportedFaces:
    """Write what `make` gives for each face as `<stem><ending>` into `folder`, in processes.

    `make`: a module's function; None means that there is nothing to write. A face that fails is named and left out.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"{folder} is a file, not a folder.", "Move it away and start again.") from error
    remove_parts(folder)
    earlier = earlier_path(folder)
    names = output_names(faces, ending)
    tasks = [_Task(face, folder / name, earlier) for face, name in zip(faces, names, strict=True)]
    failures = Failures(report)
    exported = ExportedFaces([], [], failures.names, earlier)
    workers = max(1, min(worker_count(workers), len(tasks)))
    outcomes = in_processes(partial(_work, make=make), tasks, workers=workers, start=_start)
    for outcome in report.track(outcomes, folder.name, len(tasks)):
        task = outcome.item
        if outcome.error:
            reason = outcome.error.what if isinstance(outcome.error, UserError) else repr(outcome.error)
            failures.add(task.face.name, f"{task.face.name} is left out: {reason}")
        elif outcome.result:
            exported.paths.append(task.target)
        else:
            exported.skipped.append(task.face.name)
    if earlier.is_dir():
        report.line(f"Earlier pictures that differ from the new ones are in {earlier}.")
    return exported


def output_names(faces: list[FaceFile], ending: str) -> list[str]:
    """A name for each face: its stem and `ending`; a number in between where two would have one name."""
    names: list[str] = []
    taken: set[str] = set()
    for face in faces:
        stem = Path(face.name).stem
        stem = f"{face.person}_{stem}" if face.person else stem
        name, number = f"{stem}{ending}", 0
        while name.lower() in taken:
            number += 1
            name = f"{stem}_{number}{ending}"
        taken.add(name.lower())
        names.append(name)
    return names


def _start() -> None:
    lower_priority()
    cv2.setNumThreads(1)


def _work(task: _Task, make: Callable[[FaceFile], bytes | None]) -> bool:
    """Whether a picture was written."""
    content = make(task.face)
    if content is None:
        return False
    if task.target.is_file():
        if task.target.read_bytes() == content:
            return True
        move_into(task.earlier, task.target)
    write_bytes(task.target, content, durable=False)
    return True
