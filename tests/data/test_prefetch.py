"""Batches made ahead: in order, with their own errors, and never waited for without end."""

import threading

import pytest

from dfl.base.errors import UserError
from dfl.data import prefetch
from dfl.data.prefetch import Prefetcher


def test_batches_come_in_order_whatever_thread_makes_them():
    batches = Prefetcher(lambda number: number * number, 3, workers=3)
    assert [next(batches) for _ in range(20)] == [number**2 for number in range(3, 23)]
    batches.close()
    assert not any(thread.is_alive() for thread in batches._threads)


@pytest.mark.parametrize("error", [ValueError("bad"), TimeoutError("its own")], ids=repr)
def test_the_error_of_a_batch_comes_when_it_is_asked_for(error):
    def make(number: int) -> int:
        if number == 2:
            raise error
        return number

    batches = Prefetcher(make, 0)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(type(error), match=str(error)):
        next(batches)
    assert next(batches) == 3
    batches.close()


def test_a_drive_that_falls_silent_ends_training_instead_of_holding_it_for_ever(monkeypatch):
    for name in ("_LONGEST_WAIT_SECONDS", "_END_SECONDS"):
        monkeypatch.setattr(prefetch, name, 0.01)
    silence = threading.Event()
    batches = Prefetcher(lambda number: silence.wait(), 0)
    with pytest.raises(UserError, match="faces could not be read") as caught:
        next(batches)
    assert "network drive" in caught.value.todo
    batches.close()  # does not wait either
    silence.set()
