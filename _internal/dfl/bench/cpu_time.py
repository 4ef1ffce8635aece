"""CPU time of a call: what a shared machine can be measured by."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import psutil

_LONG_ENOUGH = 0.2  # seconds of CPU that a measurement lasts at least


def cpu_seconds() -> float:
    """User and system time of this process and its finished children so far; on Windows, which does not add up the
    children's, of this process alone, in steps of 16 ms."""
    if sys.platform == "win32":
        times = psutil.Process().cpu_times()
        return float(times.user + times.system)
    import resource

    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def cpu_of(work: Callable[[], Any], at_least: float = _LONG_ENOUGH) -> float:
    """CPU seconds of one call: the mean of as many as take `at_least` seconds, since a process that has just been
    waiting for another one begins slowly."""
    begin, calls, spent = cpu_seconds(), 0, 0.0
    while spent < at_least or not calls:
        work()
        calls, spent = calls + 1, cpu_seconds() - begin
    return spent / calls


def least_in_turn(measurements: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The least of each measurement's `rounds` results, after one that does not count.

    Other work on the machine (a neighbour on the same core, say, for half a second) only ever makes a measurement
    larger, by up to twice; the least one met none of it. They are made in turn, so that all have the same chance.
    """
    results = [[measure() for measure in measurements] for _ in range(rounds + 1)][1:]
    return [min(column) for column in zip(*results, strict=True)]
