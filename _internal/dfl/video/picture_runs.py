"""Runs of a clip's video packets with continuous times, split where times restart or jump."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.video.timeline import NO_TIME

PAUSE_SECONDS = 10.0  # a gap from here on in which nothing sounds is a pause of the recorder, as ffmpeg takes it
GAP_SECONDS = 1.0  # shorter ones are part of a clip with frames of different lengths
_NEAR_PACKETS = 24  # in which a picture may be stored later than it is shown
_MAX_STRAYS = 3  # packets with damaged times among good ones
_AROUND = 4  # neighbours before and after a packet by which its time is checked
KEY, SHOWN, BAD = 1, 2, 4


@dataclass
class PacketTable:
    """All packets of a stream: times in ticks, their index among all packets of the file."""

    index: int
    time_base: Fraction
    pts: "array[int]" = field(default_factory=lambda: array("q"))
    dts: "array[int]" = field(default_factory=lambda: array("q"))
    duration: "array[int]" = field(default_factory=lambda: array("q"))
    order: "array[int]" = field(default_factory=lambda: array("q"))
    flags: bytearray = field(default_factory=bytearray)
    forms: Counter[bytes] = field(
        default_factory=Counter
    )  # of sound: how often its packets have which rate and channels

    def add(self, packet: Any, order: int) -> None:
        """Note the next packet of the stream, which is that of this number in the file."""
        pts, dts = packet.pts, packet.dts
        self.pts.append(NO_TIME if pts is None else pts)
        self.dts.append(NO_TIME if dts is None else dts)
        self.duration.append(packet.duration or 0)
        self.order.append(order)
        is_shown = packet.size > 0 and not packet.is_discard
        self.flags.append(KEY * packet.is_keyframe | SHOWN * is_shown | BAD * packet.is_corrupt)

    def times(self) -> NDArray[np.int64]:
        """Each packet's presentation time, where the file has it; else its decoding time."""
        pts, dts = np.frombuffer(self.pts, np.int64), np.frombuffer(self.dts, np.int64)
        return np.where(pts == NO_TIME, dts, pts)

    def seconds(self, ticks: int) -> float:
        return float(ticks * self.time_base)


@dataclass
class PictureRun:
    """Pictures whose times belong together. Ticks, as in the file."""

    first: int  # its first packet; the run of each packet is what parted_at_gaps returns
    low: int  # when its first picture is shown
    high: int  # when its last picture begins
    move: int = 0  # added to its times
    is_gap: bool = False  # it begins after a gap, not at a join
    is_closed: bool = False
    is_left_over: bool = False  # the end of another run, which comes too late


def usual_step(table: PacketTable) -> int:
    """Ticks between most pictures, at least 1."""
    dts = np.frombuffer(table.dts, np.int64)
    steps = np.diff(dts[dts != NO_TIME])
    if not (steps > 0).any():
        steps = np.diff(np.unique([ticks for ticks in table.pts[:2000] if ticks != NO_TIME]))
    steps = steps[steps > 0]
    return max(1, round(float(np.median(steps)))) if len(steps) else 1


def least_gap(table: PacketTable, step: int) -> int:
    return max(round(GAP_SECONDS / table.time_base), 20 * step)


def straighten(table: PacketTable, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the few packets among good ones whose times are damaged the times that their neighbours leave free.

    A time is damaged when it is far from those of the packets around it and, of all that are near in the file, at most
    a few are like it. Changes the table; returns the ticks by which each packet's display and decoding time changed.
    """
    pts, dts = np.frombuffer(table.pts, np.int64), np.frombuffer(table.dts, np.int64)
    old_pts, old_dts = pts.copy(), dts.copy()
    if len(pts) > 2 * _AROUND and (pts != NO_TIME).all():
        least = least_gap(table, step)
        windows = np.lib.stride_tricks.sliding_window_view(old_pts, 2 * _AROUND + 1)
        middles = np.sort(windows, axis=1)[:, _AROUND]
        for index in (np.flatnonzero(np.abs(old_pts[_AROUND:-_AROUND] - middles) > least) + _AROUND).tolist():
            near = slice(max(0, index - _NEAR_PACKETS), index + _NEAR_PACKETS)
            if (np.abs(old_pts[near] - old_pts[index]) <= least).sum() > _MAX_STRAYS:
                continue
            earlier = int(np.sort(pts[index - _AROUND : index])[_AROUND // 2])
            pts[index] = _free_time(np.delete(pts[near], index - near.start), earlier, step)
            if dts[index] != NO_TIME and abs(dts[index] - earlier) > least:
                dts[index] = dts[index - 1]
    return pts - old_pts, dts - old_dts


def _free_time(times: NDArray[np.int64], wanted: int, step: int) -> int:
    """The time next to the wanted one at which a picture is missing; the wanted one where none is."""
    times = np.sort(times)
    free = times[:-1][np.diff(times) > 1.5 * step] + step
    return int(free[np.abs(free - wanted).argmin()]) if len(free) else wanted


def runs_of(table: PacketTable, step: int) -> list[PictureRun]:
    """The runs of a stream of pictures; a single one where times are missing or all in disorder."""
    known = [index for index, ticks in enumerate(table.pts) if ticks != NO_TIME]
    times = [table.pts[index] for index in known] or [0]
    whole = [PictureRun(0, min(times), max(times))]
    if not known or len(known) < len(table.pts) * 0.9:
        return whole  # without presentation times there is nothing to split by
    least, nearly_nothing = least_gap(table, step), round(Fraction(1, 200) / table.time_base)
    runs: list[PictureRun] = []
    latest = NO_TIME
    for index in known:
        pts, dts = table.pts[index], table.dts[index]
        if not runs:
            runs.append(PictureRun(0, pts, pts))
        run = runs[-1]
        # Some files store presentation times as decoding times: these step back at every picture that is stored early.
        is_key = bool(table.flags[index] & KEY)
        is_back = is_key and (NO_TIME < dts < latest or pts < run.high)
        is_back = is_back or ((dts == NO_TIME or dts < latest) and pts < run.high - least)
        if is_back or pts - run.high > least:
            low = _low_after(table, index)
            if is_back and run.high - low >= (0 if dts < latest else nearly_nothing):
                runs.append(PictureRun(index, low, pts))
            elif low - run.high - step > least:
                runs.append(PictureRun(index, low, pts, is_gap=True))
        runs[-1].high = max(runs[-1].high, pts)
        runs[0].low = min(runs[0].low, pts) if len(runs) == 1 else runs[0].low
        latest = dts if dts != NO_TIME else latest
    return runs if len(runs) <= 3 + len(table.pts) // 10 else whole


def _low_after(table: PacketTable, index: int) -> int:
    """The earliest time of the pictures that are stored next, up to where times step back once more."""
    end = index + 1
    while end < min(index + _NEAR_PACKETS, len(table.pts)) and table.dts[end] > table.dts[end - 1]:
        end += 1
    return min(ticks for ticks in table.pts[index:end] if ticks != NO_TIME)


def parted_at_gaps(table: PacketTable, runs: list[PictureRun], step: int) -> tuple[list[PictureRun], NDArray[np.int64]]:
    """Part runs also where times jump between pictures that are stored in another order than they are shown.

    Returns the runs, and which of them each packet belongs to.
    """
    least, pts = least_gap(table, step), np.frombuffer(table.pts, np.int64)
    parted: list[PictureRun] = []
    run_of = np.zeros(len(pts), np.int64)
    for run, end in zip(runs, [*(run.first for run in runs[1:]), len(pts)], strict=True):
        inside = pts[run.first : end]
        times = np.unique(inside[inside != NO_TIME])
        jumps = np.flatnonzero(np.diff(times) > least + step).tolist() if len(times) > len(inside) * 0.9 else []
        starts = [run.low, *(int(times[index + 1]) for index in jumps)]
        run_of[run.first : end] = len(parted) + np.maximum(0, np.searchsorted(starts, inside, "right") - 1)
        parted.append(run)
        for index in jumps:
            low, high = int(times[index + 1]), run.high
            parted[-1].high = int(times[index])
            first = run.first + int(np.flatnonzero(inside >= low)[0])
            parted.append(PictureRun(first, low, high, is_gap=True))
    last = parted[-1]
    is_late = any(0 < last.low - run.high <= 2 * step for run in parted[:-2])
    last.is_left_over = len(pts) - last.first <= _MAX_STRAYS and not last.is_gap and is_late
    return parted, run_of
