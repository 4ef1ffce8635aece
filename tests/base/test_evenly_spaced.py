import pytest

from dfl.base.evenly_spaced import evenly_spaced


@pytest.mark.parametrize(
    ("count", "chosen"),
    [(10, list(range(10))), (9, [0, 1, 2, 3, 4, 6, 7, 8, 9]), (3, [0, 4, 9]), (2, [0, 9]), (1, [0])],
)
def test_first_and_last_are_among_them_and_none_twice(count: int, chosen: list[int]) -> None:
    assert evenly_spaced(range(10), count) == chosen


def test_few_items_are_all_taken() -> None:
    assert evenly_spaced("ab", 5) == ["a", "b"]
    assert evenly_spaced([], 5) == []
