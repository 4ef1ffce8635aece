"""CPU time of a call: what a shared machine can be measured by."""

import resource
import statistics
from collections.abc import Callable
from typing import Any


def cpu_seconds() -> float:
    """User and system time of this process and its finished children so far."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def median_cpu(work: Callable[[], Any], rounds: int) -> float:
    """Median CPU seconds of `rounds` calls, after one that does not count."""
    work()
    spent = []
    for _ in range(rounds):
        begin = cpu_seconds()
        work()
        spent.append(cpu_seconds() - begin)
    return statistics.median(spent)
