"""What one process does for extract-faces: find the faces in a run of frames, cut them out aligned, write them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from dfl.base.errors import UserError
from dfl.base.files import write_bytes
from dfl.base.pictures import Matrix, Picture, decode_picture, encode_picture
from dfl.base.processes import lower_priority, stop_if_asked
from dfl.extraction.journal import Finished, FrameFacts, note, read_frame
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.dlib_faces import DlibFaces
from dfl.faces.draw import draw_face
from dfl.faces.face_type import FaceType
from dfl.faces.find import FaceFinder, FoundFace, Setting
from dfl.faceset.aligned_face import FaceMetadata, write_face

# A square of more than this many times the face's box is taken for a mistake of the landmarks.
_OVERSIZE = 4.0
_DEBUG_QUALITY = 50
# dlib's scores go from 0 to about this.
_SURE_DLIB_SCORE = 3.0


@dataclass(frozen=True)
class CutSettings:
    """What faces are looked for, how they are cut and where they are written."""

    face_type: FaceType
    image_size: int
    jpeg_quality: int
    max_faces: int
    detector: Literal["mesh", "hog"]
    setting: Setting
    with_mesh_v2: bool
    aligned: Path
    debug: Path | None


@dataclass(frozen=True)
class FrameTask:
    """A frame, and what is wanted of it. One that lacks nothing is looked at only for the track of later ones."""

    path: Path
    lacks_faces: bool
    lacks_debug: bool

    @property
    def is_due(self) -> bool:
        return self.lacks_faces or self.lacks_debug


@dataclass(frozen=True)
class Chunk:
    """Consecutive frames, and the frame before them, where the track of faces starts.

    Chunks are cut at fixed places, so that faces do not depend on the number of processes.
    """

    before: Path | None
    frames: tuple[FrameTask, ...]

    def __str__(self) -> str:
        return f"the frames {self.frames[0].path.name} to {self.frames[-1].path.name}"


@dataclass(frozen=True)
class ChunkResult:
    """failed: frames without a result, file name and reason. stop: why the whole run must end."""

    failed: tuple[tuple[str, str], ...]
    stop: UserError | None


class FaceCutter:
    """Works off chunks, with its networks loaded."""

    def __init__(self, settings: CutSettings) -> None:
        self._settings = settings
        self._find: Callable[[Picture, Sequence[FoundFace]], list[FoundFace]]
        if settings.detector == "hog":
            self._find = _HogFinder().find
        else:
            self._find = FaceFinder(settings.setting, settings.with_mesh_v2).find

    def work(self, chunk: Chunk) -> ChunkResult:
        """Find, write and note the faces of a chunk's frames. One that cannot be read is told, and the rest goes on."""
        failed: list[tuple[str, str]] = []
        last = max(index for index, task in enumerate(chunk.frames) if task.is_due)
        before = self._faces_before(chunk.before)
        for task in chunk.frames[: last + 1]:
            stop_if_asked()
            try:
                frame, facts = _read(task.path)
                before = self._find(frame, before)
            except Exception as error:  # noqa: BLE001 - one bad frame never ends a run
                before = []
                failed.append((task.path.name, error.what if isinstance(error, UserError) else repr(error)))
                continue
            try:
                faces = self._write(task, frame, before)
                if task.lacks_faces:
                    note(self._settings.aligned, Finished(task.path.name, facts, faces))
            except UserError as error:  # a full disk would stop every other frame too
                return ChunkResult(tuple(failed), error)
        return ChunkResult(tuple(failed), None)

    def _faces_before(self, path: Path | None) -> list[FoundFace]:
        if path is None:
            return []
        try:
            return self._find(_read(path)[0], ())
        except Exception:  # noqa: BLE001 - told where the frame's own turn is
            return []

    def _write(self, task: FrameTask, frame: Picture, found: Sequence[FoundFace]) -> int:
        """Write what the task lacks; returns the number of faces. UserError when the disk does not take it."""
        settings = self._settings
        faces = [(face, self._matrix(face)) for face in found[: settings.max_faces or None]]
        faces = [(face, matrix) for face, matrix in faces if not self._is_oversize(face, matrix)]
        if task.lacks_faces:
            for number, (face, matrix) in enumerate(faces):
                self._write_face(task.path, number, frame, face, matrix)
        if task.lacks_debug and settings.debug:
            drawn = frame.copy()
            for face, matrix in faces:
                draw_face(drawn, face.landmarks, face.box, matrix, settings.image_size)
            content = encode_picture(drawn, ".jpg", _DEBUG_QUALITY)
            write_bytes(settings.debug / f"{task.path.stem}.jpg", content, durable=False)
        return len(faces)

    def _matrix(self, face: FoundFace) -> Matrix:
        return alignment_matrix(face.landmarks, self._settings.image_size, self._settings.face_type)

    def _is_oversize(self, face: FoundFace, matrix: Matrix) -> bool:
        """The original's guard, for the face types that it guards: wider ones may be that large."""
        if self._settings.face_type > FaceType.FULL_NO_ALIGN:
            return False
        area = self._settings.image_size**2 / abs(float(np.linalg.det(matrix[:, :2])))
        return area > _OVERSIZE * face.area

    def _write_face(self, path: Path, number: int, frame: Picture, face: FoundFace, matrix: Matrix) -> None:
        settings = self._settings
        size = settings.image_size
        # Bilinear: what the original's extractor does, though it asks for Lanczos.
        picture = cv2.warpAffine(frame, matrix, (size, size), flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
        metadata = FaceMetadata(
            face_type=settings.face_type,
            landmarks=transform_points(face.landmarks, matrix),
            source_filename=path.name,
            source_rect=np.round(face.box).astype(np.int32),
            source_landmarks=face.landmarks,
            image_to_face_mat=matrix,
        )
        write_face(settings.aligned / f"{path.stem}_{number}.jpg", picture, metadata, settings.jpeg_quality)


class _HogFinder:
    """dlib's faces in the form of the other finder's; they have no track."""

    def __init__(self) -> None:
        self._faces = DlibFaces()

    def find(self, frame: Picture, before: Sequence[FoundFace]) -> list[FoundFace]:
        return [
            FoundFace(box, landmarks, min(score / _SURE_DLIB_SCORE, 1.0))
            for box, landmarks, score in self._faces.find(frame)
        ]


def _read(path: Path) -> tuple[Picture, FrameFacts]:
    content, facts = read_frame(path)
    return decode_picture(content, str(path)), facts


_cutter: FaceCutter | None = None  # this process's own, made once by start_cutter


def start_cutter(settings: CutSettings) -> None:
    """Load the networks in a new process. One thread each: the processes share the cores."""
    global _cutter
    lower_priority()
    cv2.setNumThreads(1)
    _cutter = FaceCutter(settings)


def cut_chunk(chunk: Chunk) -> ChunkResult:
    """Work off a chunk in a process that start_cutter has prepared."""
    if _cutter is None:
        raise RuntimeError("start_cutter was not called in this process")
    return _cutter.work(chunk)
