import subprocess
import sys

import pytest

from dfl.base.errors import UserError
from dfl.faces.face_type import FaceType


@pytest.mark.parametrize(
    ("name", "number", "letter"),
    [
        ("half_face", 0, "h"),
        ("midfull_face", 1, "mf"),
        ("full_face", 2, "f"),
        ("full_face_no_align", 3, ""),
        ("whole_face", 4, "wf"),
        ("head", 10, "head"),
        ("head_no_align", 20, ""),
        ("mark_only", 100, ""),
    ],
)
def test_names_and_numbers_are_those_of_existing_files(name: str, number: int, letter: str) -> None:
    kind = FaceType(number)
    assert (kind.file_name, kind.letter) == (name, letter)
    assert FaceType.from_name(name) is kind
    assert FaceType.from_name(f" {name.upper()} ") is kind
    if letter:
        assert FaceType.from_name(letter.upper()) is kind


@pytest.mark.parametrize("text", ["", " ", "wholeface", "x", "4"])
def test_an_unknown_name_lists_the_known_ones(text: str) -> None:
    with pytest.raises(UserError, match="whole_face"):
        FaceType.from_name(text)


def test_each_type_shows_at_least_what_the_one_before_shows() -> None:
    paddings = [kind.padding for kind in FaceType if kind is not FaceType.MARK_ONLY]
    assert paddings == sorted(paddings)


def test_mark_only_has_no_square() -> None:
    with pytest.raises(UserError, match="mark_only"):
        FaceType.MARK_ONLY.padding


def test_options_can_use_face_types_without_numpy() -> None:
    code = "import dfl.faces.face_type, sys; sys.exit('numpy' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
