"""Questions of the video stages."""

import subprocess
import sys

from dfl.base.asking import ask_options
from dfl.video.options import ExtractFramesOptions, MakeVideoOptions


def questions(options: type, known: dict[str, object], answers: list[str]) -> tuple[list[str], dict[str, object]]:
    asked: list[str] = []

    def read(prompt: str) -> str:
        asked.append(prompt)
        return answers[len(asked) - 1] if len(asked) <= len(answers) else ""

    return asked, ask_options(options, known, skip=known.keys(), read=read)


def test_the_originals_questions() -> None:
    asked, answers = questions(ExtractFramesOptions, {"side": "src"}, ["12", "jpg"])
    assert [question.split(" ( ")[0] for question in asked] == [
        "[0] Frames a second to take, 0 for all",
        "[png] Picture format",
    ]
    assert answers == {"fps": 12, "format": "jpg"}


def test_all_frames_of_dst_are_taken_without_a_question() -> None:
    asked, _ = questions(ExtractFramesOptions, {"side": "dst"}, [])
    assert not any("Frames a second" in question for question in asked)


def test_the_bit_rate_matters_only_when_values_are_lost() -> None:
    asked, _ = questions(MakeVideoOptions, {}, ["", "y"])
    assert not any("Bit rate" in question for question in asked)
    asked, answers = questions(MakeVideoOptions, {}, [])
    assert answers == {"format": "mp4", "lossless": False, "bitrate": 16}
    assert not any("mark" in question for question in asked)


def test_importing_the_options_is_light() -> None:
    script = "import sys, dfl.video.options; print(any(n in sys.modules for n in ('cv2', 'numpy', 'av')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "False"
