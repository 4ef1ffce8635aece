from pathlib import Path

from dfl.base.unused_path import earlier_path, unused_path


def test_a_free_name_is_the_first_that_nothing_has(tmp_path: Path) -> None:
    path = tmp_path / "a.b.mp4"
    assert unused_path(path) == path
    path.write_bytes(b"x")
    (tmp_path / "a.b_2.mp4").mkdir()
    assert unused_path(path) == tmp_path / "a.b_3.mp4"


def test_what_was_there_before_always_gets_a_number(tmp_path: Path) -> None:
    assert earlier_path(tmp_path / "aligned") == tmp_path / "aligned_before_1"
    (tmp_path / "aligned_before_1").mkdir()
    assert earlier_path(tmp_path / "aligned") == tmp_path / "aligned_before_2"
    assert earlier_path(tmp_path / "answers.json", "damaged") == tmp_path / "answers_damaged_1.json"


def test_a_stem_that_leaves_no_room_for_the_number_is_cut(tmp_path: Path) -> None:
    path = tmp_path / ("顔" * 84 + ".mp")
    path.write_bytes(b"x")
    assert unused_path(path) == tmp_path / ("顔" * 83 + "_2.mp")
