from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfl.base.pictures import Picture, read_picture, write_picture
from dfl.base.report import Report
from dfl.extraction.find_faces import FindJob, FindSettings, find_faces
from dfl.extraction.frame_source import PicturePart
from dfl.faces.find import FoundFace
from dfl.faceset.found_faces import FoundFrame, found_frame
from dfl.faceset.frame_journal import FrameJournal, start_journal


class Stub:
    """A detector of another kind: one face in the middle; it breaks at frames without any light."""

    def find(self, frame: Picture) -> list[FoundFace]:
        if not frame.any():
            raise ValueError("no light")
        middle = np.full((68, 2), frame.shape[0] / 2, np.float32)
        return [FoundFace(np.array([0, 0, 50, 50], np.float32), middle, 0.9)]


@pytest.fixture
def frames(tmp_path: Path, write_frames: Callable[[Path, int], None]) -> list[Path]:
    write_frames(tmp_path / "frames", 5)
    return sorted((tmp_path / "frames").iterdir())


def _found(
    frames: list[Path], journal: FrameJournal[FoundFrame], wanted: set[str] | None = None
) -> list[tuple[str, str]]:
    settings = FindSettings("s3fd", "fast", False, 8, 0, journal.file)
    names = frozenset(wanted or {path.name for path in frames})
    return find_faces([FindJob(PicturePart(tuple(frames)), names)], settings, 1, journal, Stub(), Report())


def test_a_frame_that_breaks_the_detector_is_told_and_the_rest_goes_on(frames: list[Path], tmp_path: Path) -> None:
    write_picture(frames[2], np.zeros_like(read_picture(frames[2])))
    frames[3].write_bytes(b"no picture")
    journal = start_journal(tmp_path / "found.jsonl", {}, found_frame)
    failed = dict(_found(frames, journal))
    assert list(failed) == ["00003.png", "00004.png"]
    assert "no light" in failed["00003.png"]
    assert "not a picture" in failed["00004.png"]
    assert sorted(journal.entries) == ["00001.png", "00002.png", "00005.png"]
    assert all(entry.thumbnail is not None for entry in journal.entries.values()), "cuts are still told apart"


def test_frames_that_are_finished_keep_what_was_found(frames: list[Path], tmp_path: Path) -> None:
    journal = start_journal(tmp_path / "found.jsonl", {}, found_frame)
    assert _found(frames, journal, {"00002.png"}) == []
    assert list(journal.entries) == ["00002.png"]
    first = journal.entries["00002.png"]
    _found(frames, journal, {path.name for path in frames} - {"00002.png"})
    assert len(journal.entries) == 5
    assert journal.entries["00002.png"] is first
