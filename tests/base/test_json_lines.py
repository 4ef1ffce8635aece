from pathlib import Path

import pytest

from dfl.base.json_lines import append_lines, objects_in, to_lines, values_in


def test_lines_are_added_and_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "trash.jsonl"
    append_lines(path, [{"name": "Gesicht 顔.jpg"}, [1, 2.5, None]])
    append_lines(path, ["last"])
    assert list(values_in(path.read_bytes())) == [{"name": "Gesicht 顔.jpg"}, [1, 2.5, None], "last"]
    assert list(objects_in(path.read_bytes())) == [{"name": "Gesicht 顔.jpg"}]
    assert path.read_text() == to_lines([{"name": "Gesicht 顔.jpg"}, [1, 2.5, None], "last"])


def test_a_torn_last_line_takes_no_other_line_with_it(tmp_path: Path) -> None:
    path = tmp_path / "trash.jsonl"
    append_lines(path, [{"a": 1}])
    path.write_bytes(path.read_bytes() + b'{"b": ')
    append_lines(path, [{"c": 3}])
    assert list(values_in(path.read_bytes())) == [{"a": 1}, {"c": 3}]


@pytest.mark.parametrize("line", [b"", b"{", b"\xff\xfe{}", b"[" * 200_000, b"9" * 5000, b"{'a': 1}", b"\x00"])
def test_lines_that_hold_no_json_are_left_out(line: bytes) -> None:
    assert list(values_in(b'{"a": 1}\n' + line + b'\n{"b": 2}')) == [{"a": 1}, {"b": 2}]
