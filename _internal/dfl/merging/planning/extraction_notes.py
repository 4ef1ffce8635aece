"""What extraction noted of data_dst's frames: their files, their faces, and where scenes begin."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.workspace import Workspace


@dataclass(frozen=True, eq=False)
class NotedFrame:
    """A frame as extraction saw it.

    facts: size in bytes and time of change of its file, or of the clip that it came from straight. crc: CRC-32 of the
    file, 0 for a frame from a clip. shape: width and height, None where an older program noted none. boxes: (N, 4) of
    its faces. thumbnail: (32, 32) uint8 of video.cuts, for some frames.
    """

    name: str
    facts: tuple[int, int]
    crc: int
    shape: tuple[int, int] | None
    boxes: NDArray[np.float64]
    is_cut: bool
    thumbnail: NDArray[np.uint8] | None

    def has_face(self, rect: NDArray[Any]) -> bool:
        """Whether a face with this rectangle was found in it; faces are written with rounded ones."""
        return bool(len(self.boxes) and (np.abs(self.boxes - rect).max(axis=1) <= 1).any())


def read_notes(workspace: Workspace) -> dict[str, NotedFrame]:
    """What is noted, by the frames' stems; nothing where extraction was another program's."""
    try:
        lines = (workspace.found_faces("dst")).read_bytes().split(b"\n")[1:]
    except OSError:
        return {}
    notes: dict[str, NotedFrame] = {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            noted = _noted(json.loads(line))
            notes[Path(noted.name).stem] = noted
    return notes


def _noted(values: Mapping[str, Any]) -> NotedFrame:
    size, mtime_ns, crc = (int(number) for number in values["facts"])
    shape = values.get("shape")
    boxes = np.array([face["box"] for face in values["faces"]], np.float64).reshape(-1, 4)
    size_noted = None if shape is None else (int(shape[0]), int(shape[1]))
    return NotedFrame(
        str(values["frame"]), (size, mtime_ns), crc, size_noted, boxes, bool(values.get("cut")), _thumbnail(values)
    )


def _thumbnail(values: Mapping[str, Any]) -> NDArray[np.uint8] | None:
    import base64

    try:
        return np.frombuffer(base64.b64decode(values["thumbnail"]), np.uint8).reshape(32, 32)
    except (KeyError, ValueError, TypeError):
        return None
