"""What the doctor says of clips, good and bad."""

from pathlib import Path

import pytest

from dfl.diagnostics.clip_accounts import clips
from dfl.workspace import Workspace
from tests.video.conftest import ffmpeg


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "words", "todo"),
    [
        (b"", "is empty (0 bytes)", "Copy or download"),
        (b"this is a text and no video at all", "is not a video that can be read", "plays in a video player"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0\0\4\0mdat" + bytes(1016), "index (moov)", "download it again"),
    ],
)
def test_a_clip_that_is_none_is_told_with_the_way_out(
    workspace: Workspace, content: bytes, words: str, todo: str
) -> None:
    (workspace.root / "data_dst.mp4").write_bytes(content)
    (found,) = clips(workspace)
    assert "data_dst.mp4" in found.text
    assert words in found.text
    assert todo in found.todo
    assert not found.must


@pytest.mark.slow
def test_clips_are_told_in_a_few_lines(workspace: Workspace, tmp_path: Path) -> None:
    tone = ("-f", "lavfi", "-i", "sine=duration=2")
    picture = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2", "-pix_fmt", "yuv420p")
    ffmpeg(*picture, workspace.root / "data_src.mp4")
    ffmpeg(*tone, *picture, tmp_path / "one.ts")
    (workspace.root / "data_dst.ts").write_bytes((tmp_path / "one.ts").read_bytes() * 2)
    told = [found.text for found in clips(workspace)]
    assert told[0] == "data_src.mp4: 64 x 48, 25 frames a second, 2.00 s, h264"
    assert "data_dst.ts: 64 x 48, 25 frames a second, 4.00 s" in told[1]
    assert told[2].startswith("Sound: ")
    assert "2 recordings joined" in told[3]


def test_a_damaged_clip_json_is_told(workspace: Workspace) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:duration=0.2", workspace.root / "data_dst.mp4")
    workspace.clip_facts("dst").write_text("{}", encoding="utf-8")
    (found,) = clips(workspace)
    assert "clip.json cannot be used" in found.text
    assert found.todo


def test_no_clips_no_lines(workspace: Workspace) -> None:
    assert list(clips(workspace)) == []
