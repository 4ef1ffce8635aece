"""CPU time of a call: what a shared machine can be measured by."""

import resource
import statistics
from collections.abc import Callable, Sequence
from typing import Any


def cpu_seconds() -> float:
    """User and system time of this process and its finished children so far."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def median_cpu(work: Callable[[], Any], rounds: int) -> float:
    """Median CPU seconds of `rounds` calls, after one that does not count."""
    return median_cpu_in_turn([work], rounds)[0]


def median_cpu_in_turn(works: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """Median CPU seconds of each work's `rounds` calls, made in turn: what else the machine does slows all alike."""
    spent: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for work, seconds in zip(works, spent, strict=True):
            begin = cpu_seconds()
            work()
            if number:  # the first call does not count
                seconds.append(cpu_seconds() - begin)
    return [statistics.median(seconds) for seconds in spent]
