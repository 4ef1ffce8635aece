"""Prefetching: batches made ahead of their use, in threads.

OpenCV and numpy let other threads run while they work, so threads serve as well as processes, share the faces kept in
memory, and need no copying.

A network drive that falls silent can hold a thread for ever: then the program says so and ends, and does not wait for
it. The standard library's pool would.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

from dfl.base.errors import UserError
from dfl.base.processes import worker_count

_MAX_WORKERS = 4
_BATCHES_AHEAD = 2  # besides those that the workers are making
# When a batch is given, so many batches after the one before it have been begun at most.
MAX_BEGUN = _MAX_WORKERS + _BATCHES_AHEAD + 1
# No batch takes so long, however large it is.
_LONGEST_WAIT_SECONDS = 30 * 60.0
_END_SECONDS = 60.0  # that batches under way may take at the end
Batch = TypeVar("Batch")


class Prefetcher(Iterator[Batch], Generic[Batch]):
    """Gives make(first), make(first + 1) and so on, in order.

    make: makes the batch of a number; it runs in several threads at once, and its exception comes out of the next()
    that gives this batch. workers: threads, 0 chooses. Call close() at the end.
    """

    def __init__(self, make: Callable[[int], Batch], first: int, workers: int = 0) -> None:
        self._make, self._next_number = make, first
        count = min(worker_count(workers, most=_MAX_WORKERS), _MAX_WORKERS)
        self._todo: SimpleQueue[tuple[Future[Batch], int] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name="samples", daemon=True) for _ in range(count)]
        self._coming: deque[Future[Batch]] = deque()
        self.waited_seconds = 0.0
        for _ in range(count + _BATCHES_AHEAD):
            self._start_one()
        for thread in self._threads:
            thread.start()

    def __next__(self) -> Batch:
        """The next batch; time spent waiting for it is added to `waited_seconds`. UserError when it never comes."""
        start = time.perf_counter()
        first = self._coming.popleft()
        self._start_one()
        try:
            batch = first.result(_LONGEST_WAIT_SECONDS)
        except TimeoutError:
            if first.done():  # the batch's own error
                raise
            raise UserError(
                f"The faces could not be read for {_LONGEST_WAIT_SECONDS / 60:.0f} minutes.",
                "Check the disk that the workspace is on: a network drive may have fallen silent. Then start again.",
            ) from None
        self.waited_seconds += time.perf_counter() - start
        return batch

    def close(self) -> None:
        """End the threads; batches under way are finished, none is begun."""
        for coming in self._coming:
            coming.cancel()
        for _ in self._threads:
            self._todo.put(None)
        end = time.monotonic() + _END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _start_one(self) -> None:
        self._coming.append(Future())
        self._todo.put((self._coming[-1], self._next_number))
        self._next_number += 1

    def _work(self) -> None:
        while task := self._todo.get():
            coming, number = task
            if coming.set_running_or_notify_cancel():
                try:
                    coming.set_result(self._make(number))
                except BaseException as error:  # noqa: BLE001 - raised again where the batch is asked for
                    coming.set_exception(error)
