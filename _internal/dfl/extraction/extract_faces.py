"""The stage `extract-faces`: frames in, aligned pictures of their faces out.

First the faces of all frames are detected, then linked to tracks, smoothed and selected, then cut out. It can be
stopped at any time; started again it does the rest. Detections are journalled: with another face type or size the faces
are cut out again without a new detection. A folder of faces made with other options, or by another program, is moved
away, never deleted.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import move
from dfl.base.listing import is_hidden, list_pictures
from dfl.base.part_files import remove_parts
from dfl.base.processes import worker_count
from dfl.base.report import Report
from dfl.base.system_errors import to_user_error
from dfl.base.unused_path import earlier_path
from dfl.extraction.crop_plan import FramePlan, plan_frames
from dfl.extraction.cut_faces import CutJob, CutSettings, CutTask, cut_faces
from dfl.extraction.face_tracks import link
from dfl.extraction.find_faces import Failed, FindJob, FindSettings, PictureFinder, find_faces
from dfl.extraction.frame_source import Part, PicturePart, open_source, part_of
from dfl.extraction.options import ExtractFacesOptions
from dfl.extraction.person_filter import wanted_tracks
from dfl.extraction.summary import report_faces
from dfl.faces.face_type import FaceType
from dfl.faces.reference import references_of
from dfl.faces.weights import ensure_mesh_v2, package_file
from dfl.faceset.cut_journal import FrameCuts, cut_frame
from dfl.faceset.faceset import list_pictures_with_data, read_face_file
from dfl.faceset.found_faces import FoundFrame, found_frame
from dfl.faceset.frame_journal import FrameJournal, journal_files, read_journal, start_journal
from dfl.faceset.sidecar import Sidecar, read_index
from dfl.faceset.trash import move_to_trash
from dfl.workspace import EXTRACTION_JOURNAL, FACESET_PAK, Workspace

# Increase when the same options give other detections, or other crops, than before.
_FINDING_VERSION = 2
_CUTTING_VERSION = 2
# A process takes about 150 MB; more than these would not fit into 2 GB.
_MAX_WORKERS = 8
# Upper estimate of an aligned picture's bytes per pixel: JPEG quality 90 takes a third of it, quality 100 all.
_BYTES_A_PIXEL = 0.6


def run(workspace: Workspace, options: ExtractFacesOptions, report: Report) -> None:
    """Find the faces in a side's frames and cut them out, aligned, into the side's aligned folder."""
    parts = open_source(workspace, options, report)
    workers = worker_count(options.workers, _MAX_WORKERS)
    found, failed = _find(workspace, options, parts, workers, report)
    frames = [found.entries.get(name) for part in parts for name in part.names]
    tracks = link(frames)
    wanted = None
    if options.only:
        wanted = wanted_tracks(parts, frames, tracks, references_of(options.only), workers, report)
    plans = plan_frames(frames, tracks, wanted, options)
    cut, failed_cuts = _cut(workspace, options, parts, frames, plans, found.options, workers, report)
    _reject(workspace.aligned(options.side), cut, report)
    names = [name for part in parts for name in part.names]
    report_faces(workspace, options.side, f".{options.format}", names, plans, cut, failed + failed_cuts, report)


def _find(
    workspace: Workspace, options: ExtractFacesOptions, parts: list[Part], workers: int, report: Report
) -> tuple[FrameJournal[FoundFrame], Failed]:
    """Find the faces of all frames that are not in the journal, or have changed since."""
    detector = _detector(options, report)
    has_mesh_v2 = detector == "blaze" and ensure_mesh_v2(report) is not None
    file = workspace.found_faces(options.side)
    file.parent.mkdir(parents=True, exist_ok=True)
    remove_parts(file.parent)
    landmarks = {
        "blaze": "mesh v2" if has_mesh_v2 else "mesh v1",
        "s3fd": "3DFAN" if FaceType.from_name(options.face_type) >= FaceType.HEAD else "2DFAN",
    }.get(detector, "dlib")
    signature = {
        "detector": detector,
        "setting": options.setting,
        "look_every": options.look_every,
        "least_side": options.min_face,
        "every_nth": options.every_nth,
        "landmarks": landmarks,
        "version": _FINDING_VERSION,
    }
    signature |= _reading(parts)
    journal = read_journal(file, found_frame)
    if journal is None or (journal.options != signature and not options.redo_deleted_debug):
        journal = start_journal(file, signature, found_frame)
    settings = FindSettings(
        detector=detector,
        setting="best" if options.redo_deleted_debug else options.setting,
        with_mesh_v2=has_mesh_v2,
        look_every=1 if options.redo_deleted_debug else options.look_every,
        min_size=options.min_face,
        journal=file,
    )
    _forget_changed(parts, journal, report)
    if options.redo_deleted_debug:
        jobs = _without_debug(parts, workspace.aligned_debug(options.side), report)
    else:
        jobs = [FindJob(part, frozenset(part.names) - journal.entries.keys()) for part in parts]
        total, left = sum(len(part.names) for part in parts), sum(len(job.wanted) for job in jobs)
        if 0 < left < total:
            report.line(f"{total - left} of {total} frames are finished; continuing with the rest.")
    jobs = [job for job in jobs if job.wanted]
    failed = find_faces(jobs, settings, workers, journal, _slow_finder(detector, options, report), report)
    return journal, [(name, reason) for name, reason in failed if name not in journal.entries]


def _reading(parts: list[Part]) -> dict[str, Any]:
    """Signature entries of frames that earlier versions read in another order or rotation, which makes them void."""
    pictures = [part for part in parts if isinstance(part, PicturePart)]
    names = [name for part in pictures for name in part.names]
    order = {} if names == sorted(names) else {"order": "natural"}
    return order | ({"turned": True} if any(part.may_be_turned for part in pictures) else {})


def _detector(options: ExtractFacesOptions, report: Report) -> Literal["blaze", "hog", "cnn", "s3fd"]:
    """The chosen detector; `auto` is blaze if its files are installed, else dlib's."""
    if options.detector != "auto":
        return options.detector
    try:
        package_file("face_detection_back.tflite")
    except UserError as error:
        report.warn(f"{error.what} Faces are found by dlib's detector, which finds frontal faces only.")
        return "hog"
    return "blaze"


def _slow_finder(detector: str, options: ExtractFacesOptions, report: Report) -> PictureFinder | None:
    """S3FD and FAN, if chosen: they need the engine, which is loaded in this process only."""
    if detector != "s3fd":
        return None
    from dfl.extraction.original_faces import open_s3fd

    return open_s3fd(report, FaceType.from_name(options.face_type), options.max_faces)


def _forget_changed(parts: list[Part], journal: FrameJournal[FoundFrame], report: Report) -> None:
    """Forget frames whose file has changed; where size or time differ, the content's CRC decides."""
    suspects: list[tuple[Part, str]] = []
    for part in parts:
        for name in part.names:
            entry = journal.entries.get(name)
            if entry and replace(entry.facts, crc=0) != part.facts(name):
                suspects.append((part, name))
    for part, name in report.track(suspects, "checking changed frames", len(suspects)) if suspects else ():
        entry = journal.entries[name]
        now = next(part_of(part, {name}).read()).facts
        if (now.size, now.crc) == (entry.facts.size, entry.facts.crc) and now.crc:
            journal.entries[name] = replace(entry, facts=now)
        else:
            del journal.entries[name]
    if suspects:
        journal.gather()


def _without_debug(parts: list[Part], debug: Path, report: Report) -> list[FindJob]:
    """The frames whose debug picture the user has deleted."""
    drawn = {path.stem for path in list_pictures(debug)}
    if not drawn:
        raise UserError(f"There are no pictures in {debug}.", "Extract with --debug first, then delete the wrong ones.")
    wanted = [{name for name in part.names if Path(name).stem not in drawn} for part in parts]
    report.line(f"{sum(map(len, wanted))} frames have no picture in {debug}: they are extracted again.")
    pairs = zip(parts, wanted, strict=True)
    return [FindJob(part_of(part, names), frozenset(names)) for part, names in pairs if names]


def _cut(
    workspace: Workspace,
    options: ExtractFacesOptions,
    parts: list[Part],
    frames: list[FoundFrame | None],
    plans: list[FramePlan | None],
    finding: dict[str, Any],
    workers: int,
    report: Report,
) -> tuple[FrameJournal[FrameCuts], Failed]:
    """Cut out the faces of all frames that were not cut yet, or whose plan has changed."""
    aligned = workspace.aligned(options.side)
    wants_debug = options.debug or options.redo_deleted_debug
    debug = workspace.aligned_debug(options.side) if wants_debug else None
    names = ("face_type", "image_size", "jpeg_quality", "format", "max_faces", "min_face", "smooth")
    signature = {name: getattr(options, name) for name in names}
    signature |= {"only": [path.name for path in options.only], "version": _CUTTING_VERSION}
    signature |= {name: finding[name] for name in ("detector", "setting", "landmarks")}
    journal = _cut_journal(aligned, workspace.aligned_debug(options.side), signature, report)
    for folder in filter(None, (aligned, debug)):
        folder.mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
    tasks = _tasks(frames, plans, journal, debug)
    if (aligned / FACESET_PAK).is_file() and any(task.lacks_faces for task in tasks.values()):
        raise UserError(
            f"{aligned} holds a packed faceset, and there are faces to be added to it.",
            f"Run `dfl unpack {options.side}` first, or move {FACESET_PAK} away.",
        )
    _discard_old_faces(aligned, [name for name in journal.entries if name in tasks and tasks[name].lacks_faces], report)
    _clear_the_way(aligned, tasks, f".{options.format}", report)
    lacking = sum(len(task.plan.faces) for task in tasks.values() if task.lacks_faces)
    need_space(aligned, int(lacking * options.image_size**2 * _BYTES_A_PIXEL), f"Cutting out {lacking} faces")
    settings = CutSettings(
        face_type=FaceType.from_name(options.face_type),
        image_size=options.image_size,
        jpeg_quality=options.jpeg_quality,
        suffix=f".{options.format}",
        aligned=aligned,
        debug=debug,
        journal=journal.file,
    )
    jobs = [CutJob(part, {name: tasks[name] for name in part.names if name in tasks}) for part in parts]
    return journal, cut_faces([job for job in jobs if job.tasks], settings, workers, journal, report)


def _tasks(
    frames: list[FoundFrame | None], plans: list[FramePlan | None], journal: FrameJournal[FrameCuts], debug: Path | None
) -> dict[str, CutTask]:
    """What the frames lack, by file name; frames that lack nothing are left out."""
    drawn = {path.stem for path in list_pictures(debug)} if debug else set()
    tasks: dict[str, CutTask] = {}
    for frame, plan in zip(frames, plans, strict=True):
        if frame is None or plan is None:
            continue
        digest = plan.digest(frame)
        done = journal.entries.get(frame.frame)
        lacks_faces = done is None or done.digest != digest
        lacks_debug = debug is not None and (lacks_faces or Path(frame.frame).stem not in drawn)
        if lacks_faces or lacks_debug:
            tasks[frame.frame] = CutTask(plan, digest, lacks_faces, lacks_debug)
    return tasks


def _cut_journal(aligned: Path, debug: Path, signature: dict[str, Any], report: Report) -> FrameJournal[FrameCuts]:
    """The journal to continue, or a new one if the folder is empty or holds other faces, which are moved away."""
    file = aligned / EXTRACTION_JOURNAL
    journal = read_journal(file, cut_frame)
    shown = {path.name for path in aligned.iterdir() if not is_hidden(path)} if aligned.is_dir() else set()
    content = shown - journal_files(file)
    if journal and journal.options != signature:
        changed = [name for name, value in signature.items() if journal.options.get(name) != value]
        changes = ", ".join(f"{name} {journal.options.get(name)} -> {signature[name]}" for name in changed)
        if content:
            moved = _move_away(aligned, debug)
            report.line(f"Other options ({changes}): all faces are cut out again. The old ones are in {moved}.")
        journal = None
    elif content and not journal:
        moved = _move_away(aligned, debug)
        report.line(f"{aligned} held faces that were not made here. They are in {moved} now.")
    elif journal and not content and any(frame.faces for frame in journal.entries.values()):
        report.line(f"{aligned} was emptied: all faces are cut out again.")
        journal = None
    if journal:
        return journal
    aligned.mkdir(parents=True, exist_ok=True)
    return start_journal(file, signature, cut_frame)


def _move_away(aligned: Path, debug: Path) -> Path:
    """Rename the aligned folder, and its debug folder, to names that are free."""
    moved = earlier_path(aligned)
    for folder, target in ((aligned, moved), (debug, moved.with_name(f"{moved.name}_debug"))):
        if folder.is_dir():
            try:
                move(folder, target)
            except OSError as error:
                raise to_user_error(error, folder) from error
    return moved


def _discard_old_faces(aligned: Path, frames: list[str], report: Report) -> None:
    """Move the old faces of frames that are cut again to the trash, also if they were renamed."""
    if not frames:
        return
    changed = set(frames)
    old = [face.name for face in list_pictures_with_data(aligned).faces if face.metadata.source_filename in changed]
    if old:
        folder = move_to_trash(aligned, old, "the frame was done again")
        report.line(f"{len(changed)} frames are done again; their {len(old)} old faces are in {folder}.")


def _clear_the_way(aligned: Path, tasks: dict[str, CutTask], suffix: str, report: Report) -> None:
    """Move pictures to the trash that have the names of faces to be written but are not from these frames."""
    planned = {
        face.file_name(name, suffix): name
        for name, task in tasks.items()
        if task.lacks_faces
        for face in task.plan.faces
    }
    there = [path.name for path in list_pictures(aligned) if path.name in planned]
    index = cache(lambda: read_index(aligned))
    others = [name for name in there if _frame_of(aligned / name, index) != planned[name]]
    if others:
        folder = move_to_trash(aligned, others, "in the way of new faces")
        report.line(f"{len(others)} pictures that had the names of new faces are in {folder}.")


def _frame_of(path: Path, index: Callable[[], Sidecar]) -> str:
    """The frame that a face is from; empty for a picture that is no face."""
    try:
        face = read_face_file(path, index)
    except UserError:
        return ""
    return face.metadata.source_filename if face else ""


def _reject(aligned: Path, journal: FrameJournal[FrameCuts], report: Report) -> None:
    """Move rejected faces to the trash; only once, because the user may restore them."""
    pending = [entry for entry in journal.entries.values() if entry.rejected]
    names = [name for entry in pending for name in entry.rejected if (aligned / name).is_file()]
    if names:
        folder = move_to_trash(aligned, names, "doubtful")
        report.line(f"{len(names)} doubtful faces were moved to {folder}; `dfl restore` puts them back.")
    for entry in pending:
        journal.entries[entry.frame] = replace(entry, rejected=())
    if pending:
        journal.gather()
