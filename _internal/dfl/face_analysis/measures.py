"""Measures of the pictures of a faceset: taken in processes, and cached until the picture changes.

Sharpness, colours, histograms, a thumbnail, the person. What follows from the face data alone is in poses.py.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base import jpeg
from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.base.processes import Outcome, in_processes, lower_priority, stop_if_asked, worker_count
from dfl.base.report import Report
from dfl.base.wording import first_few
from dfl.face_analysis.measure_cache import MeasureCache
from dfl.face_analysis.sharpness import masked, motion_sharpness, sharpness
from dfl.faces.identity import descriptor, dlib_file
from dfl.faces.masks import hull_mask
from dfl.faceset.faceset import FaceFile

THUMBNAIL_SIZE = 32
# Fewer faces are measured in this process: starting others would take longer.
_FEW = 48
_CACHED_AT_ONCE = 256
_APPLICATION = range(0xE0, 0xF0)


class _View:
    """One face while it is measured; intermediate pictures that several measures need are computed once."""

    def __init__(self, face: FaceFile) -> None:
        self.picture: Picture = face.read_picture()
        self.landmarks = face.metadata.landmarks

    @cached_property
    def masked(self) -> Picture:
        """Black outside the face; the brows lifted as the original does, whatever the face data say."""
        return masked(self.picture, hull_mask(self.picture.shape[:2], self.landmarks))

    @cached_property
    def hsv(self) -> Picture:
        return cv2.cvtColor(self.picture, cv2.COLOR_BGR2HSV)  # type: ignore[return-value]


@dataclass(frozen=True)
class _Measure:
    """How one measure is taken, and what a row of its result is. on_face: it depends on the landmarks, too."""

    take: Callable[[_View], Any]
    dtype: type[np.generic]
    shape: tuple[int, ...] = ()
    on_face: bool = False

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape))


def _histogram(picture: Picture) -> NDArray[np.uint32]:
    """(C, 256) for C channels."""
    rows = [np.bincount(picture[..., channel].ravel(), minlength=256) for channel in range(picture.shape[2])]
    return np.stack(rows).astype(np.uint32)


def _grey_histogram(picture: Picture) -> NDArray[np.uint32]:
    grey: Any = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    histogram: NDArray[np.uint32] = _histogram(grey[:, :, None])[0]
    return histogram


def _thumbnail(picture: Picture) -> Picture:
    return cv2.resize(picture, (THUMBNAIL_SIZE, THUMBNAIL_SIZE), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


_MEASURES = {
    "sharpness": _Measure(lambda view: sharpness(view.masked), np.float64, on_face=True),
    "motion_sharpness": _Measure(lambda view: motion_sharpness(view.masked), np.float64, on_face=True),
    "brightness": _Measure(lambda view: view.hsv[:, :, 2].mean(), np.float64),
    "hue": _Measure(lambda view: view.hsv[:, :, 0].mean(), np.float64),
    "black": _Measure(lambda view: view.picture.size - np.count_nonzero(view.picture), np.int64),
    "histogram": _Measure(lambda view: _histogram(view.picture), np.uint32, (3, 256)),
    "grey_histogram": _Measure(lambda view: _grey_histogram(view.masked), np.uint32, (256,), on_face=True),
    "plain_grey_histogram": _Measure(lambda view: _grey_histogram(view.picture), np.uint32, (256,)),
    "thumbnail": _Measure(lambda view: _thumbnail(view.picture), np.uint8, (THUMBNAIL_SIZE, THUMBNAIL_SIZE, 3)),
    "descriptor": _Measure(lambda view: descriptor(view.picture, view.landmarks), np.float32, (128,), on_face=True),
}


def measure(
    faces: Sequence[FaceFile], names: Sequence[str], report: Report, workers: int = 0
) -> dict[str, NDArray[Any]]:
    """Measure faces of one folder; a row for each face, in their order, known ones from the folder's cache.

    `names`, and what a row is: "sharpness" 0..1 and "motion_sharpness" of the face without its surroundings;
    "brightness" 0..255 and "hue" 0..179, means over the picture; "black", channel values that are 0; "histogram"
    (3, 256) uint32 of B, G, R; "grey_histogram" (256,) of the picture with black around the face, and
    "plain_grey_histogram" of all of it; "thumbnail" (32, 32, 3) uint8 BGR; "descriptor" (128,) float32, see
    faces.identity (17 ms each). Always included: "readable", False for a face whose picture is damaged: its rows are
    0, and `report` gets a warning. `workers`: processes; 0 takes one a core.
    """
    values = {name: np.zeros((len(faces), *_MEASURES[name].shape), _MEASURES[name].dtype) for name in names}
    readable = np.ones(len(faces), np.bool_)
    failures: list[str] = []
    if "descriptor" in names:
        dlib_file("dlib_face_recognition_resnet_model_v1.dat")  # one UserError, not one for each face
    if faces:
        with MeasureCache(faces[0].path.parent) as cache:
            tasks = _fill_from_cache(faces, values, readable, failures, cache, report)
            _fill_from_pictures(tasks, values, readable, failures, cache, report, workers)
    if failures:
        report.warn(f"{len(failures)} pictures could not be measured: {first_few(failures, '; ')}")
    return values | {"readable": readable}


@dataclass(frozen=True)
class _Task:
    """A face of which some measures are not known."""

    row: int
    face: FaceFile
    names: tuple[str, ...]
    key: str

    def __str__(self) -> str:
        return self.face.name


def _fill_from_cache(
    faces: Sequence[FaceFile],
    values: dict[str, NDArray[Any]],
    readable: NDArray[np.bool_],
    failures: list[str],
    cache: MeasureCache,
    report: Report,
) -> list[_Task]:
    """Take over what is known; returns what is to be measured."""
    tasks = []
    for row, face in enumerate(report.track(faces, "Looking for new pictures", len(faces))):
        try:
            key = _picture_key(face.read_content(), face.name)
        except UserError as error:
            readable[row] = False
            failures.append(error.what)
            continue
        missing = []
        for name, rows in values.items():
            kept = cache.get(_key(key, name, face), name, _MEASURES[name].size)
            if kept is None:
                missing.append(name)
            else:
                rows[row] = np.frombuffer(kept, _MEASURES[name].dtype).reshape(_MEASURES[name].shape)
        if missing:
            tasks.append(_Task(row, face, tuple(missing), key))
    return tasks


def _fill_from_pictures(
    tasks: list[_Task],
    values: dict[str, NDArray[Any]],
    readable: NDArray[np.bool_],
    failures: list[str],
    cache: MeasureCache,
    report: Report,
    workers: int,
) -> None:
    """Measure, and keep what was measured now and then, so that a run which is stopped loses little."""
    fresh: list[tuple[str, str, bytes]] = []
    try:
        for outcome in report.track(_outcomes(tasks, workers), "Measuring faces", len(tasks)):
            task = outcome.item
            if outcome.result is None:
                readable[task.row] = False
                failures.append(_what(outcome.error))
                continue
            for name, value in outcome.result.items():
                values[name][task.row] = value
                fresh.append((_key(task.key, name, task.face), name, value.tobytes()))
            if len(fresh) >= _CACHED_AT_ONCE:
                cache.put(fresh)
                fresh.clear()
    finally:
        cache.put(fresh)


def _outcomes(tasks: list[_Task], workers: int) -> Iterable[Outcome[_Task, dict[str, NDArray[Any]]]]:
    """Measure a few faces here, many in processes."""
    if len(tasks) >= _FEW:
        yield from in_processes(_measure_face, tasks, workers=worker_count(workers), start=_start)
        return
    for task in tasks:
        try:
            yield Outcome(task, _measure_face(task), None)
        except Exception as error:  # noqa: BLE001 - the face's own failure, as in a process
            yield Outcome(task, None, error)


def _start() -> None:
    """One thread each: the processes share the cores."""
    lower_priority()
    cv2.setNumThreads(1)


def _measure_face(task: _Task) -> dict[str, NDArray[Any]]:
    stop_if_asked()
    view = _View(task.face)
    return {name: np.asarray(_MEASURES[name].take(view), _MEASURES[name].dtype) for name in task.names}


def _what(error: Exception | None) -> str:
    return error.what if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _key(picture_key: str, name: str, face: FaceFile) -> str:
    """What a value rests on: the picture, and for some measures where the face is in it."""
    if not _MEASURES[name].on_face:
        return picture_key
    return f"{picture_key}-{zlib.crc32(face.metadata.landmarks.tobytes()):08x}"


def _picture_key(content: bytes, name: str) -> str:
    """CRC-32 and length of the coded picture, without a JPEG's application segments. UserError when it is damaged."""
    checksum, length, start = 0, 0, 0
    segments = jpeg.segments(content, name) if jpeg.is_jpeg(content) else []
    for segment in [part for part in segments if part.marker in _APPLICATION]:
        checksum = zlib.crc32(content[start : segment.start], checksum)
        length += segment.start - start
        start = segment.end
    checksum = zlib.crc32(memoryview(content)[start:], checksum)
    return f"{checksum:08x}-{length + len(content) - start:x}"
