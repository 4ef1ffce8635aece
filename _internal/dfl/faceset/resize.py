"""The stage resize: a faceset in another size or of another face type, made beside it, then taken over.

New pictures go to `aligned_resized`. One counts as finished when it is whole and carries its original's time of change,
so a stopped run goes on. Taking over moves the old pictures to the trash first; `resize.json` says that it is under
way, and the next run finishes it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from dfl.base.errors import UserError
from dfl.base.files import list_pictures, mendable, need_space, read_json, remove_parts, write_json
from dfl.base.processes import in_processes, lower_priority, worker_count
from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import AlignedFace, write_face
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.faceset.pak_format import PAK_NAME
from dfl.faceset.resized_face import resized_face
from dfl.faceset.tool_options import ResizeOptions
from dfl.faceset.trash import move_to_trash, trash_folder
from dfl.workspace import Workspace

REASON = "resized"
_QUALITY = 100
_JOURNAL = "resize.json"
_BYTES_A_PIXEL = 0.8  # of a JPEG of quality 100
_TIME_STEP_NS = 2_000_000_000  # the coarsest clock of a file system (FAT)
_MOST_WARNINGS = 20


@dataclass(frozen=True)
class _Task:
    face: FaceFile
    target: Path


def run(workspace: Workspace, options: ResizeOptions, report: Report) -> None:
    """Make a side's faceset in another size or face type; see `dfl resize --help`."""
    aligned = workspace.aligned(options.side)
    folder = aligned.with_name(f"{aligned.name}_resized")
    _finish_taking_over(aligned, folder, report)
    if (aligned / PAK_NAME).is_file():
        raise UserError(f"{aligned} is packed.", f"Run `dfl unpack {options.side}` first.")
    face_type = None if options.face_type == "same" else FaceType.from_name(options.face_type)
    faces = list_faceset(aligned, report)
    if not faces:
        raise UserError(f"{aligned} holds no faces to resize.", f"Run extract-faces {options.side} first.")
    faces = list(_to_change(faces, options.size, face_type, report))
    if not faces:
        report.done(f"There is nothing to resize in {aligned}.", faces=0, failed=0)
        return
    _prepare(folder, {"size": options.size, "face_type": options.face_type}, report)
    names = _new_names(faces)
    tasks = [_Task(face, folder / names[face.name]) for face in faces]
    due = [task for task in tasks if not _is_finished(task)]
    if 0 < len(due) < len(tasks):
        report.line(f"{len(tasks) - len(due)} of {len(tasks)} faces are finished; going on with the rest.")
    need_space(folder, int(len(due) * options.size**2 * _BYTES_A_PIXEL), f"{len(due)} resized faces")
    failed = _make(due, options, face_type, report)
    made = {
        face.name: name for face, name in ((task.face, task.target.name) for task in tasks) if face.name not in failed
    }
    _remove_others(folder, set(made.values()))
    text = f"{len(made)} faces of {options.size} x {options.size} pixels"
    text += f"; {len(failed)} failed and stay as they are" if failed else ""
    if options.merge and made:
        _take_over(aligned, folder, made)
        report.done(
            f'{text}, in {aligned} now. The old ones are in {trash_folder(aligned)} (reason "{REASON}").',
            faces=len(made),
            failed=len(failed),
        )
    else:
        report.done(f"{text}, in {folder}; the same with --merge takes them over.", faces=len(made), failed=len(failed))


def _to_change(faces: list[FaceFile], size: int, face_type: FaceType | None, report: Report) -> Iterator[FaceFile]:
    """The square pictures that are not as wanted already; others are counted and left as they are."""
    others = [face.name for face in faces if face.shape[0] != face.shape[1]]
    if others:
        report.warn(f"{len(others)} pictures are not square and stay as they are: {', '.join(others[:5])}")
    done = {
        face.name for face in faces if face.shape[:2] == (size, size) and face_type in (None, face.metadata.face_type)
    }
    if done:
        report.line(f"{len(done)} faces are of that size and face type already.")
    yield from (face for face in faces if face.shape[0] == face.shape[1] and face.name not in done)


def _new_names(faces: list[FaceFile]) -> dict[str, str]:
    """The resized picture's name for each: the same stem, .jpg; a number where two would have one name."""
    names: dict[str, str] = {face.name: face.name for face in faces if face.name.endswith(".jpg")}
    taken = {name.lower() for name in names}
    for face in faces:
        stem, number = Path(face.name).stem, 0
        name = names.get(face.name, f"{stem}.jpg")
        while face.name not in names and name.lower() in taken:
            number += 1
            name = f"{stem}_{number}.jpg"
        names[face.name] = name
        taken.add(name.lower())
    return names


def _prepare(folder: Path, settings: dict[str, Any], report: Report) -> None:
    """An output folder for these settings: the one of a stopped run, or a new one; older results are moved aside."""
    if folder.is_dir() and any(folder.iterdir()):
        journal = _read_journal(folder)
        if journal and journal.get("settings") == settings:
            remove_parts(folder)
            return
        number = 1
        while (aside := folder.with_name(f"{folder.name}_before_{number}")).exists():
            number += 1
        try:
            folder.rename(aside)
        except OSError as error:
            raise mendable(error, folder) from error
        report.line(f"{folder} held other pictures: they are in {aside} now.")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / _JOURNAL, {"settings": settings})


def _read_journal(folder: Path) -> dict[str, Any] | None:
    path = folder / _JOURNAL
    found = read_json(path) if path.is_file() else None
    return found if isinstance(found, dict) else None


def _is_finished(task: _Task) -> bool:
    """Whether the new picture is there, whole, and made of the original as it is now."""
    try:
        new, old = task.target.stat(), task.face.path.stat()
        with task.target.open("rb") as file:
            file.seek(max(0, new.st_size - 2))
            is_whole = file.read() == b"\xff\xd9"
    except OSError:
        return False
    return is_whole and abs(new.st_mtime_ns - old.st_mtime_ns) <= _TIME_STEP_NS


def _make(due: list[_Task], options: ResizeOptions, face_type: FaceType | None, report: Report) -> set[str]:
    """Make the new pictures in processes; returns the names of those that failed."""
    failed: set[str] = set()
    if not due:
        return failed
    work = partial(_make_one, size=options.size, face_type=face_type)
    workers = min(worker_count(options.workers), len(due))
    outcomes = in_processes(work, due, workers=workers, start=_start)
    for outcome in report.track(outcomes, "resizing", len(due)):
        if outcome.error:
            if isinstance(outcome.error, UserError) and "disk is full" in outcome.error.what:
                raise outcome.error
            failed.add(outcome.item.face.name)
            if len(failed) <= _MOST_WARNINGS:
                reason = outcome.error.what if isinstance(outcome.error, UserError) else repr(outcome.error)
                report.warn(f"{outcome.item.face.name} is left as it is: {reason}")
    return failed


def _start() -> None:
    lower_priority()
    cv2.setNumThreads(1)


def _make_one(task: _Task, size: int, face_type: FaceType | None) -> None:
    """Resize one picture; the new file gets the old one's time of change, last of all."""
    changed = task.face.path.stat()
    face = AlignedFace(task.face.read_picture(), task.face.metadata)
    new = resized_face(face, size, face_type)
    write_face(task.target, new.picture, new.metadata, _QUALITY)
    os.utime(task.target, ns=(changed.st_atime_ns, changed.st_mtime_ns))


def _remove_others(folder: Path, names: set[str]) -> None:
    """Remove pictures of originals that are gone since a stopped run."""
    for path in list_pictures(folder):
        if path.name not in names:
            path.unlink()


def _take_over(aligned: Path, folder: Path, made: dict[str, str]) -> None:
    """Old pictures to the trash, new ones to their place. `made`: the new name for each old one."""
    journal = _read_journal(folder) or {}
    remove_parts(folder)
    write_json(folder / _JOURNAL, journal | {"taking_over": made})
    # Where the new one is still in its folder, what has the old name is the old one.
    due = {old: new for old, new in made.items() if (folder / new).is_file()}
    move_to_trash(aligned, [old for old in due if (aligned / old).is_file()], REASON)
    try:
        for new in due.values():
            if (aligned / new).exists():
                raise UserError(f"{aligned / new} is in the way of the resized picture.", "Move it away, start again.")
            (folder / new).rename(aligned / new)
        (folder / _JOURNAL).unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise mendable(error, folder) from error


def _finish_taking_over(aligned: Path, folder: Path, report: Report) -> None:
    """Do the rest of what a killed run was at. UserError when its journal names what it may not touch."""
    made = (_read_journal(folder) or {}).get("taking_over")
    if made is None:
        return
    if not isinstance(made, dict) or any(
        Path(str(name)).name != name or "\\" in name for name in (*made, *made.values())
    ):
        raise UserError(f"{folder / _JOURNAL} is damaged.", f"Move the pictures of {folder} to {aligned} by hand.")
    _take_over(aligned, folder, made)
    report.line(f"The resized pictures of a run that was stopped are in {aligned} now.")
