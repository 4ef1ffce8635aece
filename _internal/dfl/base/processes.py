"""Work spread over processes, started by spawn everywhere, in bounded memory, surviving a killed worker.

Every worker has a pipe and a thread of its own here, and shares no queue or lock with another: a worker that is killed
can leave nothing half done for the others to wait for, as it can in the standard library's pool.
"""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Generic, TypeVar

from dfl.base.errors import Stopped, UserError
from dfl.base.memory import free_memory, keep_freed_memory
from dfl.base.stopping import interrupt, note_every_signal

_CTRL_C_SECONDS = 0.2
_WORKER_BYTES = 200 * 2**20  # what one takes, with what it works on
_LAST_ITEMS_SECONDS = 60.0  # that items under way may take when no more outcomes are wanted
_END_SECONDS = 20  # an idle worker that has not ended by then is killed
_Handler = Callable[[int, FrameType | None], Any]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: a result, or the error that its work raised."""

    item: Item
    result: Result | None
    error: Exception | None


def worker_count(wanted: int = 0, most: int = 16) -> int:
    """How many processes or threads to start: `wanted`, or (0) one for each core this process may use.

    At most `most`, and no more than find room in the memory that is free.
    """
    if wanted > 0:
        return wanted
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, most, free_memory() // _WORKER_BYTES))


def lower_priority() -> None:
    """In a worker: let other programs of the user go first, as in the original. The program itself stays as it is."""
    if multiprocessing.parent_process() is None:
        return
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
    then counted as failed. UserError when no worker can begin at all. `start(*start_arguments)` runs once in every new
    process; its exception ends the run.
    Workers end when this process does, however it ends. Ctrl-C is raised here, when the next outcome is asked for;
    closing the generator waits a minute for the items under way, then kills their workers: a `function` that takes long
    should call `stop_if_asked` now and then.
    """
    # numpy's BLAS would start a thread for each core in each process, and they would wait for one another.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    waiting = enumerate(items)
    todo: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
    results: SimpleQueue[tuple[int, Outcome[Item, Result]] | Exception] = SimpleQueue()
    done: dict[int, Outcome[Item, Result]] = {}
    ended, has_begun = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []
    alive: set[_Worker] = set()
    given = yielded = 0

    def drive_worker() -> None:
        worker = None
        try:
            while (task := todo.get()) and not ended.is_set():
                number, item = task
                for _ in range(2):
                    worker = worker or _Worker(function, start, start_arguments)
                    alive.add(worker)
                    if worker.has_begun:
                        has_begun.set()
                    if ended.is_set():  # while it began: what kills the others may have passed before it was there
                        return
                    if outcome := worker.outcome(item):
                        break
                    worker.end()
                    worker = None
                    if ended.is_set() or _asked_to_stop.is_set():
                        break
                if not outcome and not has_begun.is_set() and not _asked_to_stop.is_set():  # Ctrl-C ends starting ones
                    raise _cannot_begin()
                results.put((number, outcome or Outcome(item, None, _died(item))))
        except Exception as error:  # noqa: BLE001 - raised again where the outcomes are asked for
            results.put(error)
        finally:
            if worker:
                worker.end()

    before = _note_ctrl_c()
    try:
        while True:
            for task in islice(waiting, 3 * workers - (given - yielded)):
                todo.put(task)
                given += 1
                if len(threads) < workers:
                    threads.append(threading.Thread(target=drive_worker, daemon=True))
                    threads[-1].start()
            if yielded == given:
                return
            while yielded not in done and not _asked_to_stop.is_set():
                try:
                    received = results.get(timeout=_CTRL_C_SECONDS)
                except Empty:
                    continue
                if isinstance(received, Exception):
                    raise received
                number, outcome = received
                done[number] = outcome
            if _asked_to_stop.is_set():
                raise KeyboardInterrupt
            yield done.pop(yielded)
            yielded += 1
    finally:
        ended.set()
        for _ in threads:
            todo.put(None)
        _join(threads, _LAST_ITEMS_SECONDS)
        if any(thread.is_alive() for thread in threads):
            for worker in list(alive):
                worker.kill()
            _join(threads, _END_SECONDS)
        if before:
            signal.signal(signal.SIGINT, before)
            _asked_to_stop.clear()


def _join(threads: list[threading.Thread], seconds: float) -> None:
    """Wait so long for all of them together."""
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


class _Worker:
    """A process that works on one item at a time, seen from here."""

    def __init__(
        self, function: Callable[..., Any], start: Callable[..., None] | None, arguments: tuple[Any, ...]
    ) -> None:
        """Start it, and wait until it has begun; what prevents it is raised."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, function, start, arguments))
        self._process.start()
        theirs.close()
        first_message = self._receive()
        self.has_begun = first_message is not None
        if first_message and (error := pickle.loads(first_message)):
            self.end()
            raise error

    def outcome(self, item: Item) -> Outcome[Item, Any] | None:
        """Let it work on an item; None when the process died of it."""
        task = pickle.dumps(item)
        if not self.has_begun:
            return None
        try:
            self._pipe.send_bytes(task)
        except OSError:
            return None
        answer = self._receive()
        return Outcome(item, *pickle.loads(answer)) if answer else None

    def _receive(self) -> bytes | None:
        """Its next message; None when it has died.

        On Windows its death alone does not end the pipe before it has begun: its end is still held here.
        """
        wait([self._pipe, self._process.sentinel])
        try:
            return self._pipe.recv_bytes() if self._pipe.poll() else None
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """Let it end, if it has not; it must not be working."""
        self._pipe.close()
        self._process.join(_END_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it at once, whatever it is doing; nothing happens to one that has ended."""
        self._process.kill()
        self._process.join(_END_SECONDS)


def _work(
    pipe: "Connection[bytes, bytes]",
    function: Callable[[Any], Any],
    start: Callable[..., None] | None,
    arguments: tuple[Any, ...],
) -> None:
    """A worker's main loop: report that it has begun, or why not, then work item by item until the pipe ends."""
    note_every_signal(_asked_to_stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()
    problem = None
    if start:
        try:
            start(*arguments)
        except Exception as error:  # noqa: BLE001 - raised again in the program
            problem = _sendable(error)
    with suppress(EOFError, OSError):  # nobody waits any more
        pipe.send_bytes(pickle.dumps(problem))
        while True:
            pipe.send_bytes(_answer(function, pipe.recv_bytes()))


def _answer(function: Callable[[Any], Any], task: bytes) -> bytes:
    """Result and error of one item, pickled; an error too where the result cannot be."""
    try:
        return pickle.dumps((function(pickle.loads(task)), None))
    except Exception as error:  # noqa: BLE001 - the item's own failure, handed to the caller
        return pickle.dumps((None, _sendable(error)))


def _sendable(error: Exception) -> Exception:
    """The error itself, or its text where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """A killed parent cannot stop its workers, and they would go on with what nobody waits for."""
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)


_asked_to_stop = threading.Event()  # Ctrl-C was pressed


def _note_ctrl_c() -> _Handler | None:
    """Only note Ctrl-C from now on; returns the handler that did something else until now.

    An exception in the middle of what is done here would leave workers behind.
    """
    before = signal.getsignal(signal.SIGINT)
    if (
        before not in (signal.default_int_handler, interrupt)
        or threading.current_thread() is not threading.main_thread()
    ):
        return None
    _asked_to_stop.clear()
    signal.signal(signal.SIGINT, lambda *_: _asked_to_stop.set())
    return interrupt if before is interrupt else signal.default_int_handler


def stop_if_asked() -> None:
    """In a worker: raise Stopped when the user pressed Ctrl-C, so that the program need not wait for a long item."""
    if _asked_to_stop.is_set():
        raise Stopped


def _died(item: object) -> UserError:
    return UserError(
        f"The process that worked on {item} died twice.", "The memory may be too small: use fewer workers."
    )


def _cannot_begin() -> UserError:
    return UserError(
        "Worker processes end before they begin; what they wrote above says why.",
        "The memory may be too small. A Python program that calls dfl must be a file, and call it from under "
        '`if __name__ == "__main__":`.',
    )
