"""The stage denoise-frames: denoise a side's frames, which keep their names and types.

New pictures are made in `frames_denoising` and replace the frames only when all are there; the frames go to
`frames_before_denoise`. `denoise.json` in the first says what they are made of, then that they are being exchanged; the
one with the frames says what is done. So a run that was stopped at any moment goes on, and none is denoised twice.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import move, move_over, read_json, write_bytes, write_json
from dfl.base.frames import list_frames, no_frames
from dfl.base.listing import is_hidden, list_pictures
from dfl.base.part_files import remove_parts
from dfl.base.pictures import Picture, encode_picture, read_picture
from dfl.base.processes import worker_count
from dfl.base.report import Failures, Report
from dfl.base.system_errors import error_path, to_user_error
from dfl.base.threads import in_order
from dfl.base.unused_path import earlier_path, unused_path
from dfl.base.wording import first_few
from dfl.video.denoise import denoised
from dfl.video.extract_frames import JPEG_QUALITY
from dfl.video.options import DenoiseFramesOptions
from dfl.workspace import DENOISE_JOURNAL, FRAMES_BEFORE_DENOISE, FRAMES_DENOISING, Workspace

_WRITTEN = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".jp2", ".ppm", ".pnm"),
)
Stamp = list[int]  # a file's size and time of change in nanoseconds


@dataclass(frozen=True)
class _Frame:
    """A frame to denoise: its path, and the picture that it is made of (the frame before it was denoised)."""

    path: Path
    source: Path


def run(workspace: Workspace, options: DenoiseFramesOptions, report: Report) -> None:
    """Denoise a side's frames; see `dfl denoise-frames --help`."""
    folder = workspace.frames(options.side)
    _finish_exchange(folder, report)
    paths = _writable(list_frames(folder, report), report)
    if not paths:
        raise no_frames(folder, f"Run extract-frames {options.side} first.")
    frames, is_done = _plan(folder, paths, options, report)
    if is_done:
        report.done(f"The {len(paths)} frames in {folder} are denoised already.", frames=0, failed=0)
        return
    need_space(folder, round(1.1 * sum(path.stat().st_size for path in paths)), f"{len(paths)} denoised frames")
    work = _prepare(folder, frames, options, report)
    failed = _denoise(frames, work, options, report)
    made = [frame for frame in frames if frame.path.name not in failed]
    if not made:
        raise UserError(f"None of the frames in {folder} could be read.", "Take the frames out again.")
    before = unused_path(folder / FRAMES_BEFORE_DENOISE) if options.keep else None
    write_json(
        work / DENOISE_JOURNAL,
        {
            "factor": options.factor,
            "before": before.name if before else None,
            "exchange": {frame.path.name: frame.path == frame.source for frame in made},
            "earlier": _finished(folder),
        },
    )
    _exchange(folder)
    original = f" The frames as they were are in {before}." if before and before.is_dir() else ""
    text = f"{len(made)} frames in {folder} are denoised (factor {options.factor})."
    report.done(text + original, frames=len(made), failed=len(failed))


def _writable(paths: list[Path], report: Report) -> list[Path]:
    """The frames of types that can be written as well as read; others stay as they are."""
    others = [path for path in paths if path.suffix.lower() not in _WRITTEN]
    if others:
        report.warn(
            f"{len(others)} frames stay as they are, as their type is not written: "
            f"{first_few([path.name for path in others])}. Convert them to PNG."
        )
    return [path for path in paths if path.suffix.lower() in _WRITTEN]


def _finished(folder: Path) -> dict[str, Any]:
    """What is denoised, by frame: its stamp then, factor, and the folder of the frame before (None: not kept)."""
    path = folder / DENOISE_JOURNAL
    found = read_json(path) if path.is_file() else {}
    return _entries(found.get("frames") if isinstance(found, dict) else None)


def _entries(found: Any) -> dict[str, Any]:
    """Those entries of a journal that can be used."""
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}


def _plan(folder: Path, paths: list[Path], options: DenoiseFramesOptions, report: Report) -> tuple[list[_Frame], bool]:
    """What each frame is made of, and whether all is done. Frames denoised with another factor are made anew."""
    finished = _finished(folder)
    frames: list[_Frame] = []
    done = redone = repeated = 0
    for path in paths:
        entry = finished.get(path.name)
        source = path
        if entry and entry.get("stamp") == _stamp(path):
            original = folder / str(entry.get("before")) / path.name
            done += entry.get("factor") == options.factor
            if entry.get("before") in _folders_before(folder) and original.is_file():
                source, redone = original, redone + 1
            else:
                repeated += 1
        frames.append(_Frame(path, source))
    if done == len(paths):
        return frames, True
    if redone:
        report.line(
            f"{redone} frames were denoised before: they are made anew from the frames in {FRAMES_BEFORE_DENOISE}."
        )
    if repeated:
        report.warn(f"{repeated} frames were denoised before, and the frames before that were not kept: once more.")
    return frames, False


def _stamp(path: Path) -> Stamp:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _folders_before(folder: Path) -> set[str]:
    return {path.name for path in folder.glob(f"{FRAMES_BEFORE_DENOISE}*") if path.is_dir()}


def _prepare(folder: Path, frames: list[_Frame], options: DenoiseFramesOptions, report: Report) -> Path:
    """The work folder; what a stopped run made stays when it was made of the same frames in the same way."""
    work = folder / FRAMES_DENOISING
    settings = {
        "factor": options.factor,
        "sources": {frame.path.name: [frame.source.parent.name, *_stamp(frame.source)] for frame in frames},
    }
    journal = work / DENOISE_JOURNAL
    try:
        if work.is_dir() and (not journal.is_file() or read_json(journal) != settings):
            _clear(work, report)
        work.mkdir(exist_ok=True)
        remove_parts(work)
    except OSError as error:
        raise to_user_error(error, error_path(error, work)) from error
    write_json(journal, settings)
    return work


def _clear(work: Path, report: Report) -> None:
    """Delete the files that the journal of a run with other settings names; a folder with others is renamed."""
    journal = work / DENOISE_JOURNAL
    found = read_json(journal) if journal.is_file() else None
    sources = found.get("sources") if isinstance(found, dict) else None
    remove_parts(work)
    for name in sources if isinstance(sources, dict) else ():
        if Path(name).name == name and "\\" not in name:
            (work / name).unlink(missing_ok=True)
    journal.unlink(missing_ok=True)
    if any(not is_hidden(path) for path in work.iterdir()):
        earlier_work = earlier_path(work)
        move(work, earlier_work)
        report.warn(f"{work} held files that were not made for these frames: they are in {earlier_work} now.")


def _denoise(frames: list[_Frame], work: Path, options: DenoiseFramesOptions, report: Report) -> set[str]:
    """Make the pictures that are missing; returns the names of frames that cannot be read.

    All frames go through the filter, which is recursive in time; only pictures that are missing are written.
    """
    there = {path.name for path in list_pictures(work)}
    if 0 < len(there) < len(frames):
        report.line(f"{len(there)} of {len(frames)} frames are finished; going on with the rest.")
    failures = Failures(report)
    readable: deque[_Frame] = deque()
    workers = worker_count(most=4)

    def missing() -> Iterator[tuple[Path, Picture]]:
        for picture in denoised(_pictures(frames, readable, failures, workers), options.factor):
            name = readable.popleft().path.name
            if name not in there:
                yield work / name, picture
            progress.advance()

    def write(task: tuple[Path, Picture]) -> None:
        path, picture = task
        write_bytes(path, encode_picture(picture, path.suffix, JPEG_QUALITY), durable=not options.keep)

    with report.progress("denoising", len(frames)) as progress:
        for _ in in_order(write, missing(), workers=workers, ahead=2 * workers):
            pass
    return set(failures.names)


def _pictures(frames: list[_Frame], readable: deque[_Frame], failures: Failures, workers: int) -> Iterator[Picture]:
    """The frames' pictures, read a few ahead. Their frames go to `readable`; damaged ones are named and left out."""

    def read(frame: _Frame) -> tuple[_Frame, Picture | UserError]:
        try:
            return frame, read_picture(frame.source)
        except UserError as error:
            return frame, error

    for frame, picture in in_order(read, frames, workers=workers, ahead=workers):
        if isinstance(picture, UserError):
            failures.add(frame.path.name, f"{picture.what} It stays as it is.")
        else:
            readable.append(frame)
            yield picture


def _exchange(folder: Path) -> None:
    """Replace the frames by the denoised pictures. What is done already is skipped, so it can be called again."""
    work = folder / FRAMES_DENOISING
    found = read_json(work / DENOISE_JOURNAL)
    names, before, factor = (found.get(key) for key in ("exchange", "before", "factor"))
    earlier = _entries(found.get("earlier"))
    if not isinstance(names, dict) or not all(
        Path(str(name)).name == name and "\\" not in name for name in (*names, str(before))
    ):
        raise UserError(f"{work / DENOISE_JOURNAL} is damaged.", f"Look into {work} and {folder}, then delete {work}.")
    frames = {name: entry for name, entry in earlier.items() if name not in names}
    try:
        for name, is_first in names.items():
            made = work / name
            original = folder / before / name if before else None
            if made.is_file():
                if original and is_first and not original.exists() and (folder / name).exists():
                    original.parent.mkdir(exist_ok=True)
                    move(folder / name, original)
                move_over(made, folder / name)
            frame = {"stamp": _stamp(folder / name), "factor": factor}
            frames[name] = frame | {"before": before if is_first else earlier.get(name, {}).get("before")}
        write_json(folder / DENOISE_JOURNAL, {"frames": frames})
        (work / DENOISE_JOURNAL).unlink()
        with suppress(OSError):  # it stays where it holds anything else
            work.rmdir()
    except OSError as error:
        raise to_user_error(error, error_path(error, folder)) from error


def _finish_exchange(folder: Path, report: Report) -> None:
    """Finish the exchange that a killed run has begun."""
    journal = folder / FRAMES_DENOISING / DENOISE_JOURNAL
    found = read_json(journal) if journal.is_file() else {}
    if isinstance(found, dict) and "exchange" in found:
        _exchange(folder)
        report.line(f"The denoised frames of a run that was stopped are in {folder} now.")
