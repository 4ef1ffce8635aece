import json

import numpy as np

from dfl.extraction.face_tracks import link, smooth
from dfl.faceset.found_faces import Face, FoundFrame, FrameFacts
from tests.recorded import RECORDS

RECORDED = json.loads((RECORDS / "alignment.json").read_text(encoding="utf-8"))
SHAPE = np.array(RECORDED["sets"][0]["landmarks"], np.float64)
SHAPE = (SHAPE - SHAPE.min(axis=0)) * 100 / np.ptp(SHAPE, axis=0).max()


def _face(x: float, tremble: float = 0.0, seed: int = 0) -> Face:
    noise = np.random.default_rng(seed).normal(0, tremble, (68, 2)) if tremble else 0.0
    landmarks = (SHAPE + np.array([x, 50]) + noise).astype(np.float32)
    return Face(np.array([x, 50, x + 100, 150], np.float32), landmarks, 0.99)


def _frame(*faces: Face, is_cut: bool = False, thumbnail: int | None = None) -> FoundFrame:
    picture = None
    if thumbnail is not None:
        picture = np.random.default_rng(thumbnail).integers(0, 256, (32, 32), np.uint8)
    return FoundFrame("a.png", FrameFacts(0, 0, 0), faces, is_cut, picture)


def test_faces_that_move_little_are_one_track_whatever_their_order() -> None:
    frames = [_frame(_face(0), _face(300)), _frame(_face(310), _face(10)), _frame(_face(20), _face(320))]
    tracks = link(frames)
    assert tracks == [[(0, 0), (1, 1), (2, 0)], [(0, 1), (1, 0), (2, 1)]]


def test_each_face_is_taken_once_and_by_the_nearest() -> None:
    frames = [_frame(_face(0), _face(60)), _frame(_face(50), _face(30))]
    assert link(frames) == [[(0, 0), (1, 1)], [(0, 1), (1, 0)]]


def test_no_track_goes_across_a_cut_a_gap_or_an_unreadable_frame() -> None:
    one = _frame(_face(0))
    assert len(link([one, _frame(_face(0), is_cut=True)])) == 2
    assert len(link([one, None, one])) == 2
    assert len(link([one, _frame(), one])) == 2


def test_where_two_processes_met_the_thumbnails_tell_a_cut() -> None:
    before, same, other = (_frame(_face(0), thumbnail=seed) for seed in (1, 1, 2))
    assert len(link([before, same])) == 1
    assert len(link([before, other])) == 2


def test_a_still_face_stops_trembling_and_the_other_scene_has_no_part_in_it() -> None:
    still = [_frame(_face(100, 0.5, seed)) for seed in range(20)]
    frames = [*still, _frame(_face(160), is_cut=True), *(_frame(_face(160)) for _ in range(4))]
    smoothed = smooth(frames, link(frames))
    raw = np.stack([frame.faces[0].landmarks for frame in still])
    calm = np.stack([smoothed[number, 0] for number in range(20)])
    assert np.abs(np.diff(calm, axis=0)).mean() < np.abs(np.diff(raw, axis=0)).mean() / 3
    assert np.abs(smoothed[20, 0] - (SHAPE + np.array([160, 50]))).max() < 0.01
