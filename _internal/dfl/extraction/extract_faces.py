"""The stage `extract-faces`: frames in, aligned pictures of their faces out.

It can be stopped at any moment; started again it does the rest. Faces that were made with other options, or by another
program, are moved aside as a folder, never deleted.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.base.files import list_pictures, mendable, need_space, remove_parts, write_text
from dfl.base.processes import Outcome, in_processes, worker_count
from dfl.base.report import Report
from dfl.extraction.cut_faces import Chunk, ChunkResult, CutSettings, FrameTask, cut_chunk, start_cutter
from dfl.extraction.journal import Finished, Journal, journal_files, read_frame, read_journal, start_journal
from dfl.extraction.options import ExtractFacesOptions
from dfl.faces.face_type import FaceType
from dfl.faces.weights import ensure_mesh_v2
from dfl.faceset.faceset import list_faceset
from dfl.workspace import Workspace

# Changes when the same options give other faces than before.
_EXTRACTION_VERSION = 1
_CHUNK_FRAMES = 32
# A process takes about 150 MB; more than these would not fit into 2 GB.
_MOST_WORKERS = 8
# An aligned picture's bytes a pixel: JPEG quality 90 takes a third of this, quality 100 all of it.
_BYTES_A_PIXEL = 0.6
_MOST_WARNINGS = 20
_WITHOUT_FACE_FILE = "frames_without_face.txt"


def run(workspace: Workspace, options: ExtractFacesOptions, report: Report) -> None:
    """Find the faces in a side's frames and cut them out, aligned, into the side's aligned folder."""
    frames = _frames(workspace, options, report)
    has_mesh_v2 = options.detector == "mesh" and ensure_mesh_v2(report) is not None
    aligned = workspace.aligned(options.side)
    debug = workspace.aligned_debug(options.side) if options.debug else None
    journal = _journal(aligned, workspace.aligned_debug(options.side), _signature(options, has_mesh_v2), report)
    _redo_changed_frames(frames, journal, aligned, report)
    for folder in filter(None, (aligned, debug)):
        folder.mkdir(parents=True, exist_ok=True)
        remove_parts(folder)
    tasks = _tasks(frames, journal, debug)
    lacking = sum(task.lacks_faces for task in tasks)
    need_space(aligned, int(lacking * options.image_size**2 * _BYTES_A_PIXEL), f"Cutting out {lacking} frames' faces")
    if 0 < lacking < len(frames):
        report.line(f"{len(frames) - lacking} of {len(frames)} frames are finished; going on with the rest.")
    settings = CutSettings(
        face_type=FaceType.from_name(options.face_type),
        image_size=options.image_size,
        jpeg_quality=options.jpeg_quality,
        max_faces=options.max_faces,
        detector=options.detector,
        setting=options.setting,
        with_mesh_v2=has_mesh_v2,
        aligned=aligned,
        debug=debug,
    )
    failed = _cut(list(_chunks(tasks)), settings, worker_count(options.workers, _MOST_WORKERS), journal, report)
    _tell(workspace.frames(options.side), frames, journal, failed, report)


def _frames(workspace: Workspace, options: ExtractFacesOptions, report: Report) -> list[Path]:
    """The side's frames in order; of several with one stem only the first, for their faces would have one name."""
    folder = workspace.frames(options.side)
    by_stem: dict[str, Path] = {}
    doubles = []
    for path in list_pictures(folder):
        if by_stem.setdefault(path.stem, path) is not path:
            doubles.append(path.name)
    if doubles:
        report.warn(f"Left out, as another picture has the same name but for its ending: {', '.join(doubles[:5])}")
    if not by_stem:
        raise UserError(f"There are no frames in {folder}.", f"Run extract-frames {options.side} first.")
    return list(by_stem.values())


def _signature(options: ExtractFacesOptions, has_mesh_v2: bool) -> dict[str, Any]:
    """What the faces depend on: faces of one folder are all made alike."""
    names = ("face_type", "image_size", "jpeg_quality", "max_faces", "detector", "setting")
    landmarks = "dlib" if options.detector == "hog" else "mesh v2" if has_mesh_v2 else "mesh v1"
    return {name: getattr(options, name) for name in names} | {"landmarks": landmarks, "version": _EXTRACTION_VERSION}


def _journal(aligned: Path, debug: Path, signature: dict[str, Any], report: Report) -> Journal:
    """The journal to go on with, or a new one when the folder holds other faces (which are moved) or none."""
    journal = read_journal(aligned)
    content = {path.name for path in aligned.iterdir()} - journal_files(aligned) if aligned.is_dir() else set()
    if journal and journal.options != signature:
        changed = [name for name, value in signature.items() if journal.options.get(name) != value]
        told = ", ".join(f"{name} {journal.options.get(name)} -> {signature[name]}" for name in changed)
        if content:
            aside = _move_aside(aligned, debug)
            report.line(f"Other options ({told}): all faces are made anew. The old ones are in {aside}.")
        journal = None
    elif content and not journal:
        aside = _move_aside(aligned, debug)
        report.line(f"{aligned} held faces that were not made here. They are in {aside} now.")
    elif journal and not content and any(frame.faces for frame in journal.finished.values()):
        report.line(f"{aligned} was emptied: all faces are made anew.")
        journal = None
    if journal:
        return journal
    aligned.mkdir(parents=True, exist_ok=True)
    return start_journal(aligned, signature)


def _move_aside(aligned: Path, debug: Path) -> Path:
    """Rename the aligned folder, and its debug folder, to names that are free."""
    aside = _free_folder(aligned)
    for folder, target in ((aligned, aside), (debug, aside.with_name(f"{aside.name}_debug"))):
        if folder.is_dir():
            try:
                folder.rename(target)
            except OSError as error:
                raise mendable(error, folder) from error
    return aside


def _free_folder(aligned: Path) -> Path:
    number = 1
    while (folder := aligned.with_name(f"{aligned.name}_before_{number}")).exists():
        number += 1
    return folder


def _redo_changed_frames(frames: list[Path], journal: Journal, aligned: Path, report: Report) -> None:
    """Forget finished frames whose picture is another one now, and move their old faces aside."""
    suspects = [path for path in frames if _may_have_changed(path, journal.finished.get(path.name))]
    changed: set[str] = set()
    for path in report.track(suspects, "checking changed frames", len(suspects)) if suspects else ():
        finished = journal.finished[path.name]
        try:
            facts = read_frame(path)[1]
        except OSError:
            continue  # told in its turn
        if (facts.size, facts.crc) == (finished.facts.size, finished.facts.crc):
            journal.finished[path.name] = replace(finished, facts=facts)
        else:
            changed.add(path.name)
    for name in changed:
        del journal.finished[name]
    if suspects:
        journal.gather()
    if not changed:
        return
    old = [face.path for face in list_faceset(aligned) if face.metadata.source_filename in changed]
    text = f"{len(changed)} frames have changed: their faces are made anew."
    if old:
        aside = _free_folder(aligned)
        aside.mkdir()
        for path in old:
            path.rename(aside / path.name)
        text += f" {len(old)} old faces are in {aside}."
    report.line(text)


def _may_have_changed(path: Path, finished: Finished | None) -> bool:
    if finished is None:
        return False
    state = path.stat()
    return (state.st_size, state.st_mtime_ns) != (finished.facts.size, finished.facts.mtime_ns)


def _tasks(frames: list[Path], journal: Journal, debug: Path | None) -> list[FrameTask]:
    drawn = {path.stem for path in list_pictures(debug)} if debug else set()
    return [
        FrameTask(
            path,
            lacks_faces=path.name not in journal.finished,
            lacks_debug=debug is not None and (path.stem not in drawn or path.name not in journal.finished),
        )
        for path in frames
    ]


def _chunks(tasks: list[FrameTask]) -> Iterator[Chunk]:
    """Runs of frames with work to do, always cut at the same places."""
    for start in range(0, len(tasks), _CHUNK_FRAMES):
        part = tuple(tasks[start : start + _CHUNK_FRAMES])
        if any(task.is_due for task in part):
            yield Chunk(tasks[start - 1].path if start else None, part)


def _cut(
    chunks: list[Chunk], settings: CutSettings, workers: int, journal: Journal, report: Report
) -> list[tuple[str, str]]:
    """Work off the chunks in processes and note what is finished; returns the frames that failed, with the reason."""
    failed: list[tuple[str, str]] = []
    if not chunks:
        return failed
    due = sum(task.is_due for chunk in chunks for task in chunk.frames)
    workers = min(workers, len(chunks))
    outcomes = in_processes(cut_chunk, chunks, workers=workers, start=start_cutter, start_arguments=(settings,))
    try:
        # Closing waits for the processes, so that nothing is noted after the notes are gathered.
        with report.progress("faces", due) as progress, closing(outcomes):
            for outcome in outcomes:
                result = outcome.result or _lost(outcome)
                for name, reason in result.failed:
                    if len(failed) < _MOST_WARNINGS:
                        report.warn(f"{name} is left out: {reason}")
                    failed.append((name, reason))
                if result.stop:
                    raise result.stop
                progress.advance(sum(task.is_due for task in outcome.item.frames))
    finally:
        journal.gather()
    return [(name, reason) for name, reason in failed if name not in journal.finished]


def _lost(outcome: Outcome[Chunk, ChunkResult]) -> ChunkResult:
    """A chunk whose process failed or died: all of its frames failed."""
    error = outcome.error
    reason = error.what if isinstance(error, UserError) else repr(error)
    return ChunkResult(tuple((task.path.name, reason) for task in outcome.item.frames if task.is_due), None)


def _tell(folder: Path, frames: list[Path], journal: Journal, failed: list[tuple[str, str]], report: Report) -> None:
    """The counts at the end, and the list of frames without a face."""
    finished = [journal.finished[path.name] for path in frames if path.name in journal.finished]
    faces = sum(frame.faces for frame in finished)
    without = [frame.frame for frame in finished if not frame.faces]
    list_file = folder / _WITHOUT_FACE_FILE
    text = f"faces: {faces} in {len(finished) - len(without)} of {len(frames)} frames; "
    text += f"{len(without)} frames without a face"
    if without:
        write_text(list_file, "".join(f"{name}\n" for name in without))
        text += f" (listed in {list_file})"
    else:
        list_file.unlink(missing_ok=True)
    if failed:
        text += f"; {len(failed)} frames failed and are tried again next time"
    report.done(text, faces=faces, frames=len(frames), without_face=len(without), failed=len(failed))
