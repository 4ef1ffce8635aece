import json

import numpy as np
import pytest

from dfl.faceset.found_faces import Face, FoundFrame, FrameFacts, found_frame

FACTS = FrameFacts(10, 1_700_000_000_123_456_789, 7)


def _frame(thumbnail: bool = False) -> FoundFrame:
    random = np.random.default_rng(0)
    landmarks = random.uniform(-20, 4000, (68, 2)).astype(np.float32)
    face = Face(random.uniform(0, 4000, 4).astype(np.float32), landmarks, 0.98765)
    picture = random.integers(0, 256, (32, 32), np.uint8) if thumbnail else None
    return FoundFrame("Bild ü 顔.png", FACTS, (face,), is_cut=True, thumbnail=picture)


@pytest.mark.parametrize("thumbnail", [False, True])
def test_a_frame_comes_back_from_its_line(thumbnail: bool) -> None:
    frame = _frame(thumbnail)
    again = found_frame(json.loads(json.dumps(frame.to_json())))
    assert (again.frame, again.facts, again.is_cut) == (frame.frame, FACTS, True)
    assert np.abs(again.faces[0].landmarks - frame.faces[0].landmarks).max() < 0.001
    assert np.abs(again.faces[0].box - frame.faces[0].box).max() < 0.001
    assert again.faces[0].confidence == pytest.approx(0.9877, abs=1e-6)
    assert again.faces[0].landmarks.dtype == np.float32
    assert (again.thumbnail is not None) == thumbnail
    if thumbnail:
        assert np.array_equal(again.thumbnail, frame.thumbnail)  # type: ignore[arg-type]


def test_what_is_read_is_written_again_as_it_was() -> None:
    line = json.dumps(found_frame(_frame().to_json()).to_json())
    assert json.dumps(found_frame(json.loads(line)).to_json()) == line
