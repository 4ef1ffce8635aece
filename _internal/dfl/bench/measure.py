"""CPU time of a call: what a shared machine can be measured by."""

import resource
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any


def cpu_seconds() -> float:
    """User and system time of this process and its finished children so far."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def cpu_of(work: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    begin = cpu_seconds()
    work()
    return cpu_seconds() - begin


def median_cpu(work: Callable[[], Any], rounds: int) -> float:
    """Median CPU seconds of `rounds` calls, after one that does not count."""
    return medians_in_turn([partial(cpu_of, work)], rounds)[0]


def medians_in_turn(measurements: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The median of each measurement's `rounds` results, after one that does not count.

    They are made in turn, so that what else the machine does slows all of them alike.
    """
    results = [[measure() for measure in measurements] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*results, strict=True)]
