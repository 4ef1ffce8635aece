"""Work spread over threads: it pays where OpenCV, zlib or a disk is waited for, which let go of Python's lock."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Iterator[Result]:
    """Call `function` on every item in `workers` threads; results come in the items' order.

    At most `ahead` items are begun or waiting to be given, so memory stays bounded; `items` is gone through in the
    caller's thread. An exception of `function` is raised here and what has not begun is dropped; one of `items` is
    raised after the results of the items before it.
    From Python 3.14 on `Executor.map` does the same with `buffersize`.
    """
    waiting = iter(items)
    pool = ThreadPoolExecutor(workers)
    try:
        begun: deque[Future[Result]] = deque()
        failure: Exception | None = None
        while True:
            if not failure:
                try:
                    begun.extend(pool.submit(function, item) for item in islice(waiting, ahead - len(begun)))
                except Exception as error:  # noqa: BLE001 - raised below
                    failure = error
            if not begun and failure:
                raise failure
            if not begun:
                return
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
