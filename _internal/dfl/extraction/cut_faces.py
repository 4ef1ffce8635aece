"""The second half of extract-faces: cut the planned faces out of their frames, aligned, and write them."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from dfl.base.errors import UserError
from dfl.base.files import write_bytes
from dfl.base.pictures import Matrix, Picture, Points, encode_picture
from dfl.base.processes import in_processes, lower_priority, stop_if_asked
from dfl.base.report import Report
from dfl.extraction.crop_plan import FramePlan, PlannedFace
from dfl.extraction.find_faces import Failed, PartResult, lost_part, report_part
from dfl.extraction.frame_source import Part, SourceFrame
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.draw import draw_face, draw_landmarks
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, write_face
from dfl.faceset.cut_journal import FrameCuts
from dfl.faceset.frame_journal import FrameJournal, note
from dfl.faceset.sidecar import gather_notes

# Faces whose aligned square has more than this many times the area of their box are dropped: the landmarks are wrong.
_OVERSIZE = 4.0
_DEBUG_QUALITY = 50


@dataclass(frozen=True)
class CutSettings:
    """Settings of cropping, the target folders, and the journal."""

    face_type: FaceType
    image_size: int
    jpeg_quality: int
    suffix: str
    aligned: Path
    debug: Path | None
    journal: Path


@dataclass(frozen=True, eq=False)
class CutTask:
    """What a frame lacks: its faces, or its debug picture."""

    plan: FramePlan
    digest: str
    lacks_faces: bool
    lacks_debug: bool


@dataclass(frozen=True, eq=False)
class CutJob:
    """A part's frames that lack something, by file name."""

    part: Part
    tasks: Mapping[str, CutTask]

    @property
    def names(self) -> list[str]:
        """File names of the frames."""
        return list(self.tasks)

    def __str__(self) -> str:
        return str(self.part)


def cut_faces(
    jobs: list[CutJob], settings: CutSettings, workers: int, journal: FrameJournal[FrameCuts], report: Report
) -> Failed:
    """Run the jobs in processes and journal finished frames; returns the frames that failed, with the reason."""
    failed: Failed = []
    if not jobs:
        return failed
    workers = min(workers, len(jobs))
    outcomes = in_processes(cut_job, jobs, workers=workers, start=start_cutter, start_arguments=(settings,))
    try:
        # Closing waits for the processes, so that none writes notes after they are gathered.
        with report.progress("cutting faces out", sum(len(job.tasks) for job in jobs)) as progress, closing(outcomes):
            for outcome in outcomes:
                report_part(outcome.item, outcome.result or lost_part(outcome), failed, progress, report)
    finally:
        journal.gather()
        gather_notes(settings.aligned)
    return failed


def _work(settings: CutSettings, job: CutJob) -> PartResult:
    """Write and journal the faces of a job's frames; a frame that cannot be read is reported, the rest continues."""
    failed: Failed = []
    for frame in job.part.read(frozenset(job.tasks)):
        stop_if_asked()
        if frame.picture is None:
            failed.append((frame.name, frame.problem))
            continue
        try:
            _finish(settings, job.tasks[frame.name], frame, frame.picture)
        except UserError as error:  # a full disk affects all other frames as well
            return PartResult(tuple(failed), error)
    return PartResult(tuple(failed), None)


def _finish(settings: CutSettings, task: CutTask, frame: SourceFrame, picture: Picture) -> None:
    """Write what a frame lacks. UserError when it cannot be written."""
    faces = [(planned, _matrix(settings, planned.landmarks)) for planned in task.plan.faces]
    faces = [(planned, matrix) for planned, matrix in faces if not _is_oversize(settings, planned, matrix)]
    if task.lacks_faces:
        for planned, matrix in faces:
            _write_face(settings, frame.name, picture, planned, matrix)
        rejected = tuple(planned.file_name(frame.name, settings.suffix) for planned, _ in faces if planned.is_rejected)
        note(settings.journal, [FrameCuts(frame.name, task.digest, len(faces) - len(rejected), rejected)])
    if task.lacks_debug and settings.debug:
        drawn = picture.copy()
        for planned, matrix in faces:
            if matrix is None:
                draw_landmarks(drawn, planned.landmarks)
            elif not planned.is_rejected:
                draw_face(drawn, planned.landmarks, planned.face.box, matrix, settings.image_size)
        content = encode_picture(drawn, ".jpg", _DEBUG_QUALITY)
        write_bytes(settings.debug / f"{Path(frame.name).stem}.jpg", content, durable=False)


def _matrix(settings: CutSettings, landmarks: Points) -> Matrix | None:
    if settings.face_type is FaceType.MARK_ONLY:
        return None
    return alignment_matrix(landmarks, settings.image_size, settings.face_type)


def _is_oversize(settings: CutSettings, planned: PlannedFace, matrix: Matrix | None) -> bool:
    """Whether the aligned square is implausibly large; as in the original, for face types up to full only."""
    if matrix is None or settings.face_type > FaceType.FULL_NO_ALIGN:
        return False
    area = settings.image_size**2 / abs(float(np.linalg.det(matrix[:, :2])))
    return area > _OVERSIZE * planned.face.area


def _write_face(
    settings: CutSettings, frame: str, picture: Picture, planned: PlannedFace, matrix: Matrix | None
) -> None:
    metadata = FaceMetadata(
        face_type=settings.face_type,
        landmarks=planned.landmarks,
        source_filename=frame,
        source_rect=np.round(planned.face.box).astype(np.int32),
        source_landmarks=planned.landmarks,
        image_to_face_mat=matrix,
        other={"confidence": round(planned.face.confidence, 4)},
    )
    if matrix is not None:
        size = settings.image_size
        # Bilinear: what the original's extractor does, though it asks for Lanczos.
        picture = cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
        metadata = replace(metadata, landmarks=transform_points(planned.landmarks, matrix))
    write_face(settings.aligned / planned.file_name(frame, settings.suffix), picture, metadata, settings.jpeg_quality)


_settings: CutSettings | None = None  # of this process, set once by start_cutter


def start_cutter(settings: CutSettings) -> None:
    """Initialise a worker process. One thread each: the processes share the cores."""
    global _settings
    lower_priority()
    cv2.setNumThreads(1)
    _settings = settings


def cut_job(job: CutJob) -> PartResult:
    """Run a job in a process that start_cutter has initialised."""
    if _settings is None:
        raise RuntimeError("start_cutter was not called in this process")
    return _work(_settings, job)
