"""Batches made ahead of their use, in threads.

OpenCV and numpy let other threads run while they work, so threads serve as well as processes, share the faces kept in
memory, and need no copying.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from dfl.base.processes import worker_count

_MOST_WORKERS = 4
_BATCHES_AHEAD = 2  # besides those that the workers are at
# When a batch is given, so many batches after the one before it have been begun at most.
MOST_BEGUN = _MOST_WORKERS + _BATCHES_AHEAD + 1
Batch = TypeVar("Batch")


class Ahead(Iterator[Batch], Generic[Batch]):
    """Gives make(first), make(first + 1) and so on, in order.

    make: makes the batch of a number; it runs in several threads at once, and its exception comes out of the next()
    that gives this batch. workers: threads, 0 chooses. Call close() at the end.
    """

    def __init__(self, make: Callable[[int], Batch], first: int, workers: int = 0) -> None:
        self._make, self._next_number = make, first
        count = min(worker_count(workers, most=_MOST_WORKERS), _MOST_WORKERS)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="samples")
        self._coming: deque[Future[Batch]] = deque()
        self.waited_seconds = 0.0
        for _ in range(count + _BATCHES_AHEAD):
            self._start_one()

    def __next__(self) -> Batch:
        """The next batch; time spent waiting for it is added to `waited_seconds`."""
        start = time.perf_counter()
        first = self._coming.popleft()
        self._start_one()
        batch = first.result()
        self.waited_seconds += time.perf_counter() - start
        return batch

    def close(self) -> None:
        """End the threads; batches under way are finished, none is begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start_one(self) -> None:
        self._coming.append(self._pool.submit(self._make, self._next_number))
        self._next_number += 1
