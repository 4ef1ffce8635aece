"""clip.json: written, read, refused when damaged."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dfl.base.errors import UserError
from dfl.video.facts import ClipFacts, Source, fingerprint, read_facts, write_facts

SOURCE = Source(name="data_dst.mov", size=7, fingerprint="ab", picture_format="png", fps=Fraction(0), digits=5)
FACTS = ClipFacts(
    source=SOURCE,
    width=640,
    height=360,
    pixel_aspect=Fraction(1),
    rate=Fraction(30000, 1001),
    time_base=Fraction(1, 30000),
    times=[0, 1001, 2002],
    end=3003,
    primaries=1,
    transfer=1,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.json"
    write_facts(path, FACTS)
    assert read_facts(path) == FACTS
    assert json.loads(path.read_text())["rate"] == "30000/1001"
    assert read_facts(tmp_path / "other.json") is None


def test_frame_names() -> None:
    assert FACTS.frame_names() == ["00001.png", "00002.png", "00003.png"]
    assert SOURCE.model_copy(update={"digits": 6, "picture_format": "jpg"}).frame_name(100000) == "100000.jpg"


@pytest.mark.parametrize(
    "change",
    [
        {"times": [0, 2002, 1001]},  # a film that runs backwards
        {"times": []},
        {"end": 2002},  # the last frame has no length
        {"rate": "0"},
        {"rate": "many"},
        {"time_base": "1/0"},
        {"source": {"name": "a"}},
        {"more": 1},
    ],
)
def test_damaged_facts_are_refused_by_name(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(FACTS.model_dump(mode="json") | change))
    with pytest.raises(UserError, match=r"clip\.json cannot be used"):
        read_facts(path)


def test_the_fingerprint_tells_clips_apart_and_not_copies(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    paths = [tmp_path / name for name in ("a.mp4", "copy.mp4", "start.mp4", "middle.mp4", "end.mp4")]
    for path, changed in zip(paths, (None, None, 0, len(content) // 2, len(content) - 1), strict=True):
        data = bytearray(content)
        if changed is not None:
            data[changed] ^= 1
        path.write_bytes(data)
    prints = [fingerprint(path) for path in paths]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4
