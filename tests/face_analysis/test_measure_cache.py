from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dfl.base.listing import list_pictures
from dfl.face_analysis.measure_cache import MeasureCache
from dfl.workspace import MEASURES


def test_values_come_back(tmp_path: Path) -> None:
    with MeasureCache(tmp_path) as cache:
        assert cache.get("a", "hue", 4) is None
        cache.put([("a", "hue", b"1234"), ("a", "black", b"12"), ("b", "hue", b"5678")])
        cache.put([("b", "hue", b"9999")])
    with MeasureCache(tmp_path) as cache:
        assert cache.get("a", "hue", 4) == b"1234"
        assert cache.get("b", "hue", 4) == b"9999"
        assert cache.get("b", "black", 2) is None


def test_the_file_is_no_picture(tmp_path: Path) -> None:
    with MeasureCache(tmp_path) as cache:
        cache.put([("a", "hue", b"1234")])
        assert list_pictures(tmp_path) == []


def test_a_value_of_another_size_is_not_taken(tmp_path: Path) -> None:
    with MeasureCache(tmp_path) as cache:
        cache.put([("a", "hue", b"1234")])
        assert cache.get("a", "hue", 3) is None
        assert cache.get("a", "hue", 8) is None


@pytest.mark.slow
@example(place=4005, bits=128)  # the table's own description is no text
@given(place=st.integers(0, 20000), bits=st.integers(1, 255))
def test_a_damaged_file_gives_the_right_value_or_none(
    place: int, bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    with MeasureCache(folder) as cache:
        cache.put([(f"{number:04}", "hue", bytes([number]) * 8) for number in range(200)])
    content = bytearray((folder / MEASURES).read_bytes())
    content[place % len(content)] ^= bits
    (folder / MEASURES).write_bytes(content)
    with MeasureCache(folder) as cache:
        for number in range(200):
            assert cache.get(f"{number:04}", "hue", 8) in (None, bytes([number]) * 8)
        cache.put([("new", "hue", b"12345678")])
        assert cache.get("new", "hue", 8) in (None, b"12345678")


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(3000)])
def test_a_file_that_is_no_cache_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MEASURES).write_bytes(content)
    with MeasureCache(tmp_path) as cache:
        cache.put([("a", "hue", b"1234")])
    with MeasureCache(tmp_path) as cache:
        assert cache.get("a", "hue", 4) == b"1234"


def test_where_none_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / MEASURES).mkdir()
    with MeasureCache(tmp_path) as cache:
        cache.put([("a", "hue", b"1234")])
        assert cache.get("a", "hue", 4) is None
    assert [path.name for path in tmp_path.iterdir()] == [MEASURES]
