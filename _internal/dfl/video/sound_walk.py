"""Repair of a sound or subtitle stream's timestamps: assign its packets to the pictures' runs, with their offsets."""

from bisect import bisect_right
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dfl.video.picture_runs import PAUSE_SECONDS, PacketTable, PictureRun
from dfl.video.timeline import NO_TIME, Mend, SoundTimes

_TRIMMED_SECONDS = 0.5  # sound that steps back by less overlaps; by more, its timestamps have restarted
_LONGEST = 4  # times the usual duration: a longer packet includes a gap, as in mp4
_REAL_FORM = 3  # minimum packets of a sound format: fewer are damaged ones
_SOUND_GAP_SECONDS = 0.06  # between sound packets: less is rounding
_LEFT_RUN_SECONDS = 0.15  # sound may extend this far beyond the pictures of its run


class SoundWalk:
    """Walks through one sound or subtitle stream along the runs of the pictures. Times in ticks of the stream."""

    def __init__(
        self, table: PacketTable, pictures: PacketTable, runs: list[PictureRun], step: int, is_sound: bool
    ) -> None:
        scale = pictures.time_base / table.time_base
        runs = _moved_alike(runs)
        self._table, self._is_sound = table, is_sound
        self._orders = [pictures.order[run.first] for run in runs] if len(pictures.order) else [0]
        self._lows = [round(run.low * scale) for run in runs]
        self._ends = [round((run.high + step) * scale) for run in runs]
        self._moves = [round(run.move * scale) for run in runs]
        self._closed = [run.is_closed for run in runs]
        self._only_forward = all(run.is_gap for run in runs[1:])
        self._second = round(1 / table.time_base)
        self._times = table.times()
        self._latest = int(self._times.max()) if len(self._times) else 0
        self._spacing = _usual_spacing(self._times)
        self._lengths = sound_lengths(table)
        self._run = 0
        self._own = 0  # additional offset, because its own timestamps restarted
        self._raw = NO_TIME
        self._kept: list[tuple[int, int, int]] = []  # packet, start, end of those that were not dropped
        self._found: list[tuple[int, int]] = []
        self._dropped: set[int] = set()
        self._trimmed = self._rejoined = 0
        if not self._is_even():
            for index, ticks in enumerate(self._times.tolist()):
                if ticks != NO_TIME:
                    self._take(index, ticks)

    def _is_even(self) -> bool:
        """Whether no repair is needed: the pictures have one run, and the stream's timestamps rise evenly."""
        if len(self._lows) > 1:
            return False
        steps = np.diff(self._times)
        is_known = not (self._times == NO_TIME).any()
        if self._is_sound:
            return is_known and bool((steps > 0).all() and (steps < 10 * self._second).all())
        return True

    def _take(self, index: int, ticks: int) -> None:
        """Assign the next packet to a run, and move or drop it."""
        duration = int(self._lengths[index])
        has_moved = self._choose_run(index, ticks)
        self._raw = ticks
        if self._is_in_closed_gap(ticks, duration):
            self._dropped.add(index)
            return
        if self._is_sound:
            self._adjust(ticks, has_moved)
        move = self._moves[self._run] + self._own
        if not self._found or self._found[-1][1] != move:
            self._found.append((index, move))
        if self._is_sound:
            if self._begins_before_its_pictures(ticks, duration):
                self._dropped.add(index)
                self._trimmed += duration
                return
            if self._kept and (has_moved or ticks + move <= self._kept[-1][1]):
                self._drop_overlap(ticks + move)
            self._kept.append((index, ticks + move, ticks + move + duration))

    def _choose_run(self, index: int, ticks: int) -> bool:
        """Find a packet's run; returns whether it differs from the run of the packet before."""
        ahead = min(self._run + 1, len(self._lows) - 1)
        if ahead == self._run:
            return False
        begun = bisect_right(self._orders, self._table.order[index])  # number of runs that have begun in file order
        if self._raw == NO_TIME and not self._only_forward:
            self._run = max(0, begun - 1)  # the stream begins with that recording
            return self._run > 0
        if not self._is_sound and not self._only_forward:
            # Subtitles are sparse: only their order in the file shows their run.
            has_moved = begun - 1 > self._run
            self._run = max(self._run, begun - 1)
            return has_moved
        here, likely = self._distance(self._run, ticks), max(ahead, begun - 1)
        if self._only_forward:
            near = bisect_right(self._lows, ticks)
            later = range(max(ahead, near - 1), min(max(ahead, near), len(self._lows) - 1) + 1)
        else:
            later = range(ahead, max(ahead, min(begun, len(self._lows) - 1)) + 1)
        best = min(later, key=lambda run: (self._distance(run, ticks), abs(run - likely)))
        there = self._distance(best, ticks)
        steps_back = self._raw != NO_TIME and ticks < self._raw and not self._only_forward
        has_left = here > _LEFT_RUN_SECONDS * self._second and there < here
        if (steps_back and there <= max(here, self._second)) or has_left:
            self._run = best
            return True
        return False

    def _distance(self, run: int, ticks: int) -> int:
        """Distance of an unrepaired time from the run's pictures, 0 within."""
        return max(0, self._lows[run] - ticks, ticks - self._ends[run])

    def _is_in_closed_gap(self, ticks: int, duration: int) -> bool:
        """Whether a packet is in a gap that is closed."""
        run, margin = self._run, self._second // 10
        if run + 1 < len(self._lows) and self._closed[run + 1] and ticks > self._ends[run] + margin:
            return self._latest >= self._lows[run + 1]  # else only the pictures' timestamps jumped
        return self._closed[run] and ticks + duration < self._lows[run] - margin

    def _begins_before_its_pictures(self, ticks: int, duration: int) -> bool:
        """Whether a packet comes before the pictures of its run and overlaps the sound of the run before."""
        if self._run == 0 or not self._kept or ticks + duration // 2 >= self._lows[self._run]:
            return False
        return self._kept[-1][2] > ticks + self._moves[self._run] + duration // 2

    def _adjust(self, ticks: int, has_moved: bool) -> None:
        """Let sound whose own timestamps restart follow where it ended."""
        if not self._kept or has_moved:
            self._own = 0
            return
        end = self._kept[-1][2]
        plain = ticks + self._moves[self._run]
        ahead = plain + self._own - end
        if self._own and abs(plain - end) < abs(ahead):
            self._own, ahead = 0, plain - end
        is_far = self._distance(self._run, ticks) > PAUSE_SECONDS * self._second
        if ahead < -_TRIMMED_SECONDS * self._second or (is_far and ahead > PAUSE_SECONDS * self._second):
            self._own -= ahead
            self._rejoined += 1

    def _drop_overlap(self, start: int) -> None:
        """Drop earlier packets that overlap this one's start by more than half a packet."""
        while self._kept and start - self._kept[-1][1] < self._spacing / 2:
            index, begin, end = self._kept.pop()
            self._dropped.add(index)
            self._trimmed += end - begin

    @property
    def mend(self) -> Mend:
        """The stream's repair."""
        moves = tuple([(0, self._found[0][1]), *self._found[1:]] if self._found else ())
        longest = _LONGEST * self._spacing if self._is_sound else 0
        return Mend(moves, frozenset(self._dropped), longest=longest, usual=self._spacing)

    def times(self, start: float) -> SoundTimes:
        """The stream's repaired times. start: the clip's start in unrepaired seconds."""
        seconds = self._table.seconds
        if self._kept:
            begins = np.array([begin for _, begin, _ in self._kept], np.int64)
            ends = np.array([end for _, _, end in self._kept], np.int64)
        else:
            begins = self._times[self._times != NO_TIME]
            ends = begins + self._lengths[self._times != NO_TIME]
        if not len(begins):
            return SoundTimes(self._table.index, 0.0, (), 0.0, 0, 0.0)
        spacings = begins[1:] - ends[:-1]
        found = np.flatnonzero(spacings > _SOUND_GAP_SECONDS * self._second).tolist()
        return SoundTimes(
            index=self._table.index,
            late=seconds(int(begins[0])) - start,
            gaps=tuple((seconds(int(ends[index])) - start, seconds(int(spacings[index]))) for index in found),
            trimmed=seconds(self._trimmed),
            rejoined=self._rejoined,
            end=seconds(int(ends[-1])) - start,
            lacking=seconds(int(spacings[spacings > self._second // 200].sum())),
            has_changes=sum(count >= _REAL_FORM for count in self._table.forms.values()) > 1,
        )


def _moved_alike(runs: list[PictureRun]) -> list[PictureRun]:
    """The runs, with consecutive ones of equal offset merged."""
    joined = [replace(runs[0])]
    for run in runs[1:]:
        if run.is_gap and run.move == joined[-1].move:
            joined[-1].high = run.high
        else:
            joined.append(replace(run))
    return joined


def sound_lengths(table: PacketTable) -> NDArray[np.int64]:
    """Duration of each sound packet in ticks; the usual one where the file has none, or one that includes a gap."""
    usual, lengths = _usual_spacing(table.times()), np.frombuffer(table.duration, np.int64)
    return np.where((lengths > 0) & (lengths <= _LONGEST * usual), lengths, usual)


def _usual_spacing(times: NDArray[np.int64]) -> int:
    """Median interval of packets in ticks, at least 1."""
    steps = np.diff(times[times != NO_TIME])
    steps = steps[steps > 0]
    return max(1, round(float(np.median(steps)))) if len(steps) else 1
