"""Check that the faces of data_dst are from its frames, by extraction's journal, before anything is merged.

A frame whose file is unchanged needs no check. For all others the faces are compared with the frame when it is merged,
and a sample of them now, so that a wrong faceset is refused at the start.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from dfl.base.errors import UserError
from dfl.base.evenly_spaced import evenly_spaced
from dfl.base.pictures import announced_size
from dfl.base.report import Report
from dfl.faceset.found_faces import FoundFrame
from dfl.merging.planning.clip_tracks import Reader
from dfl.merging.planning.frame_check import FrameCheck
from dfl.merging.planning.tasks import FaceTask, FrameTask
from dfl.merging.running.frame_processor import read_content

SAMPLE_FRAMES = 16
_HEAD_BYTES = 4096
_OTHER_SHAPE = 0.01  # relative difference of two scales, beyond a rounded pixel
Size = tuple[int, int]  # width, height


def check_clip(
    clip: Sequence[FrameTask],
    found: Mapping[str, FoundFrame],
    read: Reader,
    report: Report,
    video: tuple[Path, Size] | None = None,
) -> list[FrameTask]:
    """The clip, its faces with the checks that they need, and landmarks scaled where frames were resized.

    found: frames of extraction's journal, by stem. video: file and frame size of the clip, if the frames are read from
    it directly. UserError where most of the faces are from other frames.
    """
    crcs = {frame.facts.crc: frame.frame for frame in found.values() if frame.facts.crc}
    scales: Counter[float] = Counter()
    checked = [_checked(frame, found.get(frame.stem), crcs, video, scales) for frame in clip]
    for scale, count in scales.most_common(3):
        report.line(
            f"{count} frames are {scale:.4g} times as large as when their faces were found: the faces are scaled too."
        )
    _need_most(checked, read)
    return checked


def _checked(
    frame: FrameTask,
    found: FoundFrame | None,
    crcs: Mapping[int, str],
    video: tuple[Path, Size] | None,
    scales: Counter[float],
) -> FrameTask:
    if not frame.faces:
        return frame
    if found is None:
        return replace(frame, faces=tuple(replace(face, check=FrameCheck(face.file)) for face in frame.faces))
    is_same_file = _facts(video[0] if video else frame.path) == (found.facts.size, found.facts.mtime_ns)
    scale, problem = 1.0, ""
    if not is_same_file and found.shape:
        size = video[1] if video else _picture_size(frame.path)
        grown = _grown(found.shape, size) if size else 1.0
        if grown is None:
            problem = "the frame had {}x{} pixels when its faces were found and has {}x{} now".format(
                *found.shape, *(size or ())
            )
        else:
            scale = grown
    if scale != 1:
        scales[round(scale, 4)] += 1
    faces = []
    for face in frame.faces:
        is_noted = found.has_face(face.file.metadata.source_rect)
        check = None
        if not (is_same_file and is_noted):
            check = FrameCheck(face.file, problem if is_noted else "", found.facts.crc, crcs, is_noted, scale)
        faces.append(_scaled(replace(face, check=check), scale))
    return replace(frame, faces=tuple(faces))


def _scaled(face: FaceTask, scale: float) -> FaceTask:
    if scale == 1:
        return face
    landmarks = ((face.landmarks + np.float32(0.5)) * np.float32(scale) - np.float32(0.5)).astype(np.float32)
    return replace(face, landmarks=landmarks)


def _facts(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _picture_size(path: Path) -> Size | None:
    """Width and height in the header of a PNG or JPEG; None for other formats."""
    try:
        with path.open("rb") as file:
            height, width = announced_size(file.read(_HEAD_BYTES))
            if not height:
                file.seek(0)
                height, width = announced_size(file.read())
    except OSError:
        return None
    return (width, height) if height else None


def _grown(before: Size, now: Size) -> float | None:
    """The factor by which a frame was scaled, 1 for none; None where its aspect ratio differs."""
    if now in (before, before[::-1]):  # the header of a photo with an EXIF orientation gives the size before rotation
        return 1.0
    scale = now[0] / before[0]
    if abs(now[1] - scale * before[1]) > 1 + _OTHER_SHAPE * now[1]:
        return None
    return scale


def _need_most(clip: Sequence[FrameTask], read: Reader) -> None:
    """UserError where most faces are from other frames, estimated from a sample of them."""
    doubtful = [frame for frame in clip if any(face.check for face in frame.faces)]
    if not doubtful:
        return
    faces = sum(len(frame.faces) for frame in clip)
    doubted = sum(1 for frame in doubtful for face in frame.faces if face.check)
    compared = 0
    mismatched: list[tuple[str, str]] = []
    for face, reason in _mismatches(evenly_spaced(doubtful, SAMPLE_FRAMES), read):
        compared += 1
        mismatched += [(face.file.name, reason)] if reason else []
    if compared and len(mismatched) / compared * doubted > faces / 2:
        name, reason = mismatched[0]
        raise UserError(
            f"{len(mismatched)} of {compared} faces that were compared do not belong to the frames of data_dst that "
            f"are there now, such as {name}: {reason}. The frames were changed after their faces were found (enlarged, "
            "renumbered, taken out at another rate), or the faces are another clip's.",
            "Find the faces again: 2_extract_dst.bat (`dfl extract-faces dst`). Or put back the frames that they were "
            "found in.",
        )


def _mismatches(frames: Sequence[FrameTask], read: Reader) -> Iterator[tuple[FaceTask, str]]:
    for frame, picture in zip(frames, read(frames), strict=True):
        if picture is None:
            continue
        content = b""
        with suppress(UserError):
            content = read_content(frame.path) if frame.path.is_file() else b""
        for face in frame.faces:
            if face.check:
                yield face, face.check.mismatch(picture, content)
