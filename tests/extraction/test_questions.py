"""The questions of 1_extract_src as a user meets them, in a pseudo-terminal."""

import json
import subprocess
import sys

import imageio_ffmpeg
import pytest

from dfl.workspace import Workspace
from tests.typing_user import step

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")]


def test_both_stages_ask_before_the_first_works(workspace: Workspace) -> None:
    clip = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=5:duration=0.6", "-pix_fmt", "yuv420p"]
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *clip, str(workspace.root / "data_src.mp4")]
    subprocess.run(ffmpeg, check=True)
    with step("1_extract_src", workspace.root) as user:
        user.answer("Frames a second to take, 0 for all", "-1")
        user.hear("-1 is out of range. Expected a number, 0...")
        user.answer("Frames a second", "2,5")
        user.hear("Taken: 2.5")
        user.answer("Picture format", "j")
        for question in ("Face type", "Largest number of faces", "Size of the pictures", "JPEG quality", "Write debug"):
            assert "data_src.mp4" not in user.answer(question, "")
        user.hear("frames of data_src.mp4 are in")
        user.leave()
    kept = json.loads(workspace.answers.read_text())
    assert kept["extract-frames src"] == {"fps": 2.5, "format": "jpg"}
    assert kept["extract-faces src"]["face_type"] == "wf"


def test_without_a_clip_nothing_is_asked(workspace: Workspace) -> None:
    with step("1_extract_src", workspace.root) as user:
        assert user.leave() == 2
    assert "No data_src video in" in user.said
    assert "?:help" not in user.said
