"""`found_faces.jsonl` of a side: what extraction found in each frame. Format: docs/formats.md.

Extraction keeps it between finding faces and cropping them; merging reads it to know the frames again, and where
scenes begin.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Points
from dfl.faceset.frame_journal import read_entries
from dfl.video.cuts import begins_scene
from dfl.workspace import Side, Workspace

_DECIMALS = 3  # of pixels
_THUMBNAIL = (32, 32)


@dataclass(frozen=True)
class FrameFacts:
    """Identifies a frame's file: size in bytes, time of change (nanoseconds), CRC-32 of its content.

    For frames that come straight from a clip: the clip's size and time of change, and 0.
    """

    size: int
    mtime_ns: int
    crc: int


@dataclass(frozen=True, eq=False)
class Face:
    """A face of a frame, frame pixels. box: (4,) float32; landmarks: (68, 2) float32; confidence: 0..1."""

    box: NDArray[np.float32]
    landmarks: Points
    confidence: float

    @property
    def area(self) -> float:
        """Area of the box, square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


@dataclass(frozen=True, eq=False)
class FoundFrame:
    """A frame that was searched: its file as it was then, its faces, and whether a scene begins with it.

    thumbnail: of video.cuts, (32, 32) uint8, where the frames before or after were searched by another process.
    shape: width and height of the picture, by which merging sees that frames were enlarged; None in older journals.
    """

    frame: str
    facts: FrameFacts
    faces: tuple[Face, ...]
    is_cut: bool = False
    thumbnail: NDArray[np.uint8] | None = None
    shape: tuple[int, int] | None = None

    def has_face(self, rect: NDArray[Any]) -> bool:
        """Whether a face with this rectangle (4,) was found in it; faces are written with rounded ones."""
        return any(bool(np.abs(face.box.astype(np.float64) - rect).max() <= 1) for face in self.faces)

    def to_json(self) -> dict[str, Any]:
        """As it stands in the journal."""
        faces = [
            {"box": _rounded(face.box), "landmarks": _rounded(face.landmarks), "confidence": round(face.confidence, 4)}
            for face in self.faces
        ]
        facts = [self.facts.size, self.facts.mtime_ns, self.facts.crc]
        values: dict[str, Any] = {"frame": self.frame, "facts": facts, "cut": self.is_cut, "faces": faces}
        if self.shape is not None:
            values["shape"] = list(self.shape)
        if self.thumbnail is not None:
            values["thumbnail"] = base64.b64encode(self.thumbnail.tobytes()).decode("ascii")
        return values


def found_frame(values: dict[str, Any]) -> FoundFrame:
    """The frame of a journal's line. KeyError, TypeError or ValueError when the line is not as expected."""
    size, mtime_ns, crc = (int(number) for number in values["facts"])
    faces = tuple(
        Face(_numbers(face["box"], 4), _numbers(face["landmarks"], 136).reshape(68, 2), float(face["confidence"]))
        for face in values["faces"]
    )
    thumbnail = None
    if "thumbnail" in values:
        thumbnail = np.frombuffer(base64.b64decode(values["thumbnail"]), np.uint8).reshape(_THUMBNAIL)
    return FoundFrame(
        str(values["frame"]), FrameFacts(size, mtime_ns, crc), faces, bool(values["cut"]), thumbnail, _shape(values)
    )


def read_found_frames(workspace: Workspace, side: Side) -> dict[str, FoundFrame]:
    """The journal's frames by their stems; none where another program extracted. Nothing is written."""
    entries = read_entries(workspace.found_faces(side), found_frame)
    return {Path(entry.frame).stem: entry for entry in entries}


def scene_starts(frames: Sequence[FoundFrame | None]) -> list[bool]:
    """For each of consecutive frames whether a scene begins with it; None: a frame that could not be read.

    Where one process searched a frame and another the next, both left thumbnails.
    """
    starts = []
    before: FoundFrame | None = None
    for frame in frames:
        old, new = (None if one is None else one.thumbnail for one in (before, frame))
        is_start = frame is not None and frame.is_cut
        starts.append(is_start or (old is not None and new is not None and begins_scene(old, new)))
        before = frame
    return starts


def _shape(values: dict[str, Any]) -> tuple[int, int] | None:
    if "shape" not in values:  # noted by an older program
        return None
    width, height = (int(number) for number in values["shape"])
    return width, height


def _rounded(values: NDArray[np.float32]) -> list[float]:
    rounded: list[float] = np.round(values.ravel().astype(np.float64), _DECIMALS).tolist()
    return rounded


def _numbers(values: object, count: int) -> NDArray[np.float32]:
    numbers = np.array(values, np.float32)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"expected {count} numbers")
    return numbers
