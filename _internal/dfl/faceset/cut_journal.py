"""`extraction.jsonl` of an aligned folder: which faces extraction wrote, and with which options. docs/formats.md."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfl.faceset.frame_journal import read_options
from dfl.workspace import EXTRACTION_JOURNAL


@dataclass(frozen=True)
class FrameCuts:
    """A finished frame in the journal: the plan's digest, faces written, and files that the trash is still to get."""

    frame: str
    digest: str
    faces: int
    rejected: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it stands in the journal."""
        return {"frame": self.frame, "digest": self.digest, "faces": self.faces, "rejected": list(self.rejected)}


def cut_frame(values: dict[str, Any]) -> FrameCuts:
    """The frame of a journal's line. KeyError, TypeError or ValueError when the line is not as expected."""
    rejected = tuple(str(name) for name in values["rejected"])
    return FrameCuts(str(values["frame"]), str(values["digest"]), int(values["faces"]), rejected)


def are_smoothed(aligned: Path) -> bool:
    """Whether extraction has already smoothed the landmarks of the folder's faces."""
    return bool(read_options(aligned / EXTRACTION_JOURNAL).get("smooth", False))
