import threading
from collections.abc import Iterator
from itertools import count, islice

import pytest

from dfl.base.threads import in_order


def test_results_come_in_the_items_order_however_long_each_takes() -> None:
    later_ones_are_done = threading.Event()

    def negative(number: int) -> int:
        if number == 0:
            assert later_ones_are_done.wait(60)
        if number == 5:
            later_ones_are_done.set()
        return -number

    assert list(in_order(negative, range(20), workers=4, ahead=8)) == [-number for number in range(20)]
    assert list(in_order(negative, [], workers=4, ahead=8)) == []


def test_no_more_items_than_allowed_are_taken_ahead() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    results = in_order(abs, endless(), workers=2, ahead=3)
    assert list(islice(results, 5)) == [0, 1, 2, 3, 4]
    assert len(taken) == 4 + 3


def test_the_first_error_is_raised_and_what_has_not_begun_is_dropped() -> None:
    begun: list[int] = []
    go = threading.Event()

    def fail_at_two(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ZeroDivisionError
        if number > 2:
            go.wait(0.2)
        return number

    results = in_order(fail_at_two, range(100), workers=2, ahead=50)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) < 10


def test_an_error_of_the_items_comes_after_the_results_before_it() -> None:
    def broken() -> Iterator[int]:
        yield -1
        yield -2
        raise OSError("cut off")

    results = in_order(abs, broken(), workers=1, ahead=4)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(OSError, match="cut off"):
        next(results)
