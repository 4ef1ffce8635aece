"""The first half of extract-faces: find the faces of all frames, in processes, and journal them."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import Stopped, UserError
from dfl.base.pictures import Picture
from dfl.base.processes import Outcome, in_processes, lower_priority, stop_if_asked
from dfl.base.report import Progress, Report
from dfl.extraction.frame_source import Part, SourceFrame
from dfl.faces.dlib_faces import DlibFaces
from dfl.faces.find import FaceFinder, FoundFace, Setting
from dfl.faces.follow import FrameFaces, find_in_frames
from dfl.faceset.found_faces import Face, FoundFrame
from dfl.faceset.frame_journal import FrameJournal, note
from dfl.video.cuts import CutFinder, thumbnail

_MAX_WARNINGS = 20


@dataclass(frozen=True)
class FindSettings:
    """Settings of detection, and the journal."""

    detector: Literal["blaze", "hog", "cnn", "s3fd"]
    setting: Setting
    with_mesh_v2: bool
    look_every: int
    min_size: int
    journal: Path


class Named(Protocol):
    """A job: frames that one process handles together."""

    @property
    def names(self) -> list[str]: ...


ANamed = TypeVar("ANamed", bound=Named)


class PictureFinder(Protocol):
    """Finds the faces of one picture, the largest first."""

    def find(self, frame: Picture) -> list[FoundFace]: ...


@dataclass(frozen=True)
class FindJob:
    """A part, and those of its frames that are to be journalled; the others are read for tracking only."""

    part: Part
    wanted: frozenset[str]

    @property
    def names(self) -> list[str]:
        """File names of the frames to be journalled."""
        return [name for name in self.part.names if name in self.wanted]

    def __str__(self) -> str:
        return str(self.part)


FindInFrames = Callable[[Iterable[Picture | None]], Iterator[FrameFaces]]
Failed = list[tuple[str, str]]  # file name of the frame, and why


@dataclass(frozen=True)
class PartResult:
    """failed: frames without a result, file name and reason. stop: why the whole run must end."""

    failed: tuple[tuple[str, str], ...]
    stop: UserError | None


def find_faces(
    jobs: list[FindJob],
    settings: FindSettings,
    workers: int,
    journal: FrameJournal[FoundFrame],
    slow_finder: PictureFinder | None,
    report: Report,
) -> Failed:
    """Find the faces of the jobs' frames and journal them; returns the frames that failed, with the reason.

    slow_finder: one whose network uses the whole machine; it runs in this process.
    """
    failed: Failed = []
    total = sum(len(job.names) for job in jobs)
    if not jobs:
        return failed
    results = (
        _find_here(jobs, settings, slow_finder)
        if slow_finder
        else _find_in_processes(jobs, settings, min(workers, len(jobs)))
    )
    try:
        # Closing waits for the processes, so that none writes notes after they are gathered.
        with report.progress("finding faces", total) as progress, closing(results):
            for job, result in results:
                report_part(job, result, failed, progress, report)
    finally:
        journal.gather()
    return failed


def report_part(job: Named, result: PartResult, failed: Failed, progress: Progress, report: Report) -> None:
    """Record a job's result; raises the error that must end the run, if any."""
    for name, reason in result.failed:
        if len(failed) < _MAX_WARNINGS:
            report.warn(f"{name} is left out: {reason}")
        failed.append((name, reason))
    if result.stop:
        raise result.stop
    progress.advance(len(job.names))


def _find_here(
    jobs: list[FindJob], settings: FindSettings, finder: PictureFinder
) -> Generator[tuple[FindJob, PartResult], None, None]:
    for job in jobs:
        yield job, _find_in_part(partial(_each_alone, finder), settings, job)


def _find_in_processes(
    jobs: list[FindJob], settings: FindSettings, workers: int
) -> Generator[tuple[FindJob, PartResult], None, None]:
    outcomes = in_processes(find_in_part, jobs, workers=workers, start=start_finder, start_arguments=(settings,))
    with closing(outcomes):
        for outcome in outcomes:
            yield outcome.item, outcome.result or lost_part(outcome)


def lost_part(outcome: Outcome[ANamed, PartResult]) -> PartResult:
    """A part whose process failed or died: all of its frames failed."""
    error = outcome.error
    reason = error.what if isinstance(error, UserError) else repr(error)
    return PartResult(tuple((name, reason) for name in outcome.item.names), None)


def _find_in_part(find: FindInFrames, settings: FindSettings, job: FindJob) -> PartResult:
    """Find and journal the faces of a part's frames; one that cannot be read is reported, and the rest continues."""
    read: list[SourceFrame] = []
    thumbnails: list[NDArray[np.uint8] | None] = []
    shapes: list[tuple[int, int] | None] = []

    def pictures() -> Iterator[Picture | None]:
        for frame in job.part.read():
            stop_if_asked()
            read.append(replace(frame, picture=None))
            thumbnails.append(None if frame.picture is None else thumbnail(frame.picture))
            shapes.append(None if frame.picture is None else (frame.picture.shape[1], frame.picture.shape[0]))
            yield frame.picture

    try:
        found = list(find(pictures()))
        thumbnails[1:-1] = [None] * (len(thumbnails) - 2)
    except Stopped:
        raise
    except Exception:  # noqa: BLE001 - reported with its frame
        read.clear()
        thumbnails.clear()
        shapes.clear()
        found = _one_by_one(find, pictures(), read)
    failed = tuple((frame.name, frame.problem) for frame in read if frame.problem and frame.name in job.wanted)
    try:
        rows = zip(read, found, thumbnails, shapes, strict=True)
        note(settings.journal, [_found(*row) for row in rows if not row[0].problem and row[0].name in job.wanted])
    except UserError as error:
        return PartResult(failed, error)
    return PartResult(failed, None)


def _one_by_one(find: FindInFrames, pictures: Iterator[Picture | None], read: list[SourceFrame]) -> list[FrameFaces]:
    """Find the faces of each frame alone; an exception of the finder becomes the frame's problem in `read`.

    Cuts are not detected here; they are found later from the thumbnails, which are all stored.
    """
    found: list[FrameFaces] = []
    for picture in pictures:
        try:
            found += find([picture])
        except Exception as error:  # noqa: BLE001 - one bad frame never ends a run
            read[-1] = replace(read[-1], problem=f"face detection failed: {error!r}")
            found.append(FrameFaces(is_cut=True))
    return found


def _found(
    frame: SourceFrame, faces: FrameFaces, edge: NDArray[np.uint8] | None, shape: tuple[int, int] | None
) -> FoundFrame:
    found = tuple(Face(face.box, face.landmarks, face.confidence) for face in faces.faces)
    return FoundFrame(frame.name, frame.facts, found, faces.is_cut, edge, shape)


def _each_alone(finder: PictureFinder, pictures: Iterable[Picture | None]) -> Iterator[FrameFaces]:
    """Faces by a detector without tracking: each frame on its own."""
    cuts = CutFinder()
    is_new = False
    for picture in pictures:
        if picture is None:
            yield FrameFaces([], is_cut=True)
            is_new = True
            continue
        is_cut = cuts.is_cut(picture)
        yield FrameFaces(finder.find(picture), is_cut or is_new)
        is_new = False


_find: FindInFrames | None = None  # of this process, set once by start_finder
_settings: FindSettings | None = None


def start_finder(settings: FindSettings) -> None:
    """Load the networks in a new process. One thread each: the processes share the cores."""
    global _find, _settings
    lower_priority()
    cv2.setNumThreads(1)
    _settings = settings
    if settings.detector in ("hog", "cnn"):
        _find = partial(_each_alone, DlibFaces(settings.detector == "cnn"))
    else:
        finder = FaceFinder(settings.setting, settings.with_mesh_v2, settings.min_size)
        _find = partial(find_in_frames, finder, detection_interval=settings.look_every)


def find_in_part(job: FindJob) -> PartResult:
    """Find the faces of a job's part in a process that start_finder has initialised."""
    if _find is None or _settings is None:
        raise RuntimeError("start_finder was not called in this process")
    return _find_in_part(_find, _settings, job)
