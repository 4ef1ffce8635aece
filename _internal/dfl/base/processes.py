"""Work spread over processes, started by spawn everywhere, in bounded memory, surviving a killed worker."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as futures_wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import wait
from types import FrameType
from typing import Any, Generic, TypeVar

from dfl.base.errors import Stopped, UserError

_CTRL_C_SECONDS = 0.2
_Handler = Callable[[int, FrameType | None], Any]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: a result, or the error that its work raised."""

    item: Item
    result: Result | None
    error: Exception | None


class _StartFailed(Exception):
    """A worker could not begin."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


# In a worker: why it could not begin.
_start_errors: list[Exception] = []


def worker_count(wanted: int = 0, most: int = 16) -> int:
    """How many processes to start: `wanted`, or (0) one for each core this process may use, at most `most`."""
    if wanted > 0:
        return wanted
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, most))


def lower_priority() -> None:
    """Let other programs of the user go first, as the original does for its workers."""
    import psutil

    try:
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if os.name == "nt" else 10)
    except psutil.Error:
        return


def in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    start: Callable[..., None] | None = None,
    start_arguments: tuple[Any, ...] = (),
) -> Generator[Outcome[Item, Result], None, None]:
    """Run `function` on every item in `workers` processes; outcomes come in the items' order.

    At most three items a worker are under way, so memory stays bounded. An exception in `function` is that item's
    error and the rest goes on. A worker that dies (killed, out of memory) is replaced; its item is tried once more,
    then counted as failed. `start(*start_arguments)` runs once in every new process; its exception ends the run.
    Workers end when this process does, however it ends. Ctrl-C is raised here, when the next outcome is asked for;
    closing the generator waits for the items under way, so a `function` that takes long should call `stop_if_asked`
    now and then.
    """
    waiting = iter(items)
    window: deque[tuple[Item, Future[Result] | None]] = deque()

    def new_pool() -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(start, start_arguments))

    # numpy's BLAS would start a thread for each core in each process, and they would wait for one another.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    before = _note_ctrl_c()
    pool = new_pool()
    try:
        while True:
            for item in islice(waiting, 3 * workers - len(window)):
                window.append((item, _submit(pool, function, item)))
            if _asked_to_stop.is_set():
                raise KeyboardInterrupt
            if not window:
                return
            item, future = window.popleft()
            outcome = _finished(item, future)
            if outcome is None:
                # Everything under way is lost with the pool. The first item is the suspect: it runs alone once more.
                pool.shutdown(cancel_futures=True)
                pool = new_pool()
                outcome = _finished(item, _submit(pool, function, item))
                if outcome is None:
                    pool.shutdown(cancel_futures=True)
                    pool = new_pool()
                    outcome = Outcome(item, None, _died(item))
                window = deque((other, _again(pool, function, other, old)) for other, old in window)
            yield outcome
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if before:
            signal.signal(signal.SIGINT, before)
            _asked_to_stop.clear()


_asked_to_stop = threading.Event()  # Ctrl-C was pressed


def _note_ctrl_c() -> _Handler | None:
    """Only note Ctrl-C from now on; returns the handler that did something else until now.

    An exception in the middle of the pool's own work can leave a lock taken, and the end would wait for it for ever.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        return None
    _asked_to_stop.clear()
    signal.signal(signal.SIGINT, lambda *_: _asked_to_stop.set())
    return signal.default_int_handler


def stop_if_asked() -> None:
    """In a worker: raise Stopped when the user pressed Ctrl-C, so that the program need not wait for a long item."""
    if _asked_to_stop.is_set():
        raise Stopped


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """The first thing in every worker."""
    signal.signal(signal.SIGINT, lambda *_: _asked_to_stop.set())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if start:
        try:
            start(*arguments)
        except Exception as error:  # noqa: BLE001 - told to the parent with the first item
            _start_errors.append(_sendable(error))


def _work(function: Callable[[Item], Result], item: Item) -> Result:
    """One item's work, in the worker."""
    if _start_errors:
        raise _StartFailed(_start_errors[0])
    try:
        return function(item)
    except Exception as error:
        raise _sendable(error) from error


def _sendable(error: Exception) -> Exception:
    """The error itself, or its text where it cannot be pickled: the parent would take that for a dead worker."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """A killed parent cannot stop its workers, and they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)


def _submit(pool: ProcessPoolExecutor, function: Callable[[Item], Result], item: Item) -> Future[Result] | None:
    """Hand an item to the pool; None when the pool has just broken."""
    try:
        return pool.submit(_work, function, item)
    except BrokenProcessPool:
        return None


def _again(
    pool: ProcessPoolExecutor, function: Callable[[Item], Result], item: Item, before: Future[Result] | None
) -> Future[Result] | None:
    """Hand an item to a new pool unless the broken one has finished it."""
    if before and before.done() and not isinstance(before.exception(), BrokenProcessPool):
        return before
    return _submit(pool, function, item)


def _finished(item: Item, future: Future[Result] | None) -> Outcome[Item, Result] | None:
    """Wait for an item; None when its process died."""
    if future is None:
        return None
    while not future.done():
        if _asked_to_stop.is_set():
            raise KeyboardInterrupt
        futures_wait([future], timeout=_CTRL_C_SECONDS)
    try:
        return Outcome(item, future.result(), None)
    except BrokenProcessPool:
        return None
    except _StartFailed as failed:
        raise failed.error from None
    except Exception as error:  # noqa: BLE001 - the item's own failure, handed to the caller
        return Outcome(item, None, error)


def _died(item: object) -> UserError:
    return UserError(
        f"The process that worked on {item} died twice.", "The memory may be too small: use fewer workers."
    )
