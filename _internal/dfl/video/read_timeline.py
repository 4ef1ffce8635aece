"""Build a clip's Timeline by reading all its packets once."""

from bisect import bisect_right
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from dfl.video.demux import read_packets
from dfl.video.picture_runs import (
    BAD,
    GAP_SECONDS,
    PAUSE_SECONDS,
    SHOWN,
    PacketTable,
    least_gap,
    parted_at_gaps,
    runs_of,
    straighten,
    usual_step,
)
from dfl.video.sound_form import HEADED, sound_form
from dfl.video.sound_walk import SoundWalk, sound_lengths
from dfl.video.timeline import NO_TIME, Gap, Gaps, Join, Mend, SoundTimes, Timeline

_EMPTY_SECONDS = 0.2  # without pictures and sound: longer than frames that a camera drops
_WITHOUT_INDEX = ("matroska,webm", "flv", "asf")  # read sequentially, without using an index
_UNREAD_BYTES = 256  # between two packets: more than any block header


def read_timeline(container: Any, video: Any, others: list[Any], gaps: Gaps, start: float) -> Timeline:
    """Read all packets of an opened clip. video: its stream of pictures. others: its streams of sound and subtitles.

    start: the clip's start in the file's time, in seconds.
    """
    tables = {stream.index: PacketTable(stream.index, stream.time_base) for stream in (video, *others)}
    has_no_index = container.format.name in _WITHOUT_INDEX
    unread, end = [], 0
    headed = {part.index: kind for part in others if (kind := _kind(part)) in HEADED} if _is_joinable(container) else {}
    try:
        for order, packet in enumerate(read_packets(container, [video, *others])):
            if packet.size or packet.dts is not None:  # else it is the flush packet at the end
                table = tables[packet.stream_index]
                table.add(packet, order)
                if packet.stream_index in headed:
                    table.forms[sound_form(headed[packet.stream_index], bytes(memoryview(packet)[:7]))] += 1
                if has_no_index and packet.pos is not None:
                    if end and packet.pos - end > _UNREAD_BYTES:
                        unread.append(order)
                    end = packet.pos + packet.size
    except av.FFmpegError:
        pass  # reported when it is decoded
    pictures = tables.pop(video.index)
    if not pictures.pts:
        return Timeline()  # nothing can be decoded; decoding reports it
    sounds = {stream.index for stream in others if stream.type == "audio"}
    return _Finder(pictures, list(tables.values()), sounds, unread, gaps, start).timeline(end)


class _Finder:
    """Finds the runs of pictures with continuous timestamps, and the offsets of all streams."""

    def __init__(
        self,
        pictures: PacketTable,
        others: list[PacketTable],
        sounds: set[int],
        unread: list[int],
        gaps: Gaps,
        start: float,
    ) -> None:
        self._pictures, self._others, self._unread, self._gaps, self._start = pictures, others, unread, gaps, start
        self._sounds = [table for table in others if table.index in sounds]
        self._sounding = [_sounding(table) for table in self._sounds]
        self._step = usual_step(pictures)
        self._straightened, self._decoding_straightened = straighten(pictures, self._step)
        runs = runs_of(pictures, self._step)
        self._runs, self._run_of = parted_at_gaps(pictures, runs, self._step)

    def timeline(self, end_byte: int) -> Timeline:
        """The resulting timeline. end_byte: offset after the last packet."""
        table, step, runs = self._pictures, self._step, self._runs
        joins, gaps = self._move_runs()
        moves = np.array([run.move for run in runs], np.int64)
        late = np.flatnonzero(np.array([run.is_left_over for run in runs])[self._run_of])
        decoding = _steps(moves[self._decoding_runs()] + self._decoding_straightened)
        longest = least_gap(table, step)
        shown_moves = _steps(moves[self._run_of] + self._straightened)
        mends = {table.index: Mend(shown_moves, frozenset(late.tolist()), decoding, longest, step)}
        sounds = []
        for other in self._others:
            walk = SoundWalk(other, table, runs, step, other in self._sounds)
            mends[other.index] = walk.mend
            if other in self._sounds:
                sounds.append(walk.times(self._start))
        is_moved = {
            one.index: any(move for _, move in mends[one.index].moves)
            or bool(mends[one.index].dropped)
            or (_steps_back(one) and (one is table or one in self._sounds))
            for one in (table, *self._others)
        }
        moves = moves[self._run_of]
        pts = np.frombuffer(table.pts, np.int64)
        is_shown = np.frombuffer(table.flags, np.uint8) & SHOWN != 0
        is_shown[late] = False
        shown = np.sort((pts + moves)[is_shown & (pts != NO_TIME)])
        return Timeline(
            packets=int(is_shown.sum()),
            stored=len(is_shown),
            end_byte=end_byte,
            reach=max(_last_time(one) for one in (table, *self._sounds)) - self._start,
            seconds=table.seconds(int(shown[-1] - shown[0]) + step) if len(shown) else 0.0,
            step=table.seconds(step),
            missing=_missing(shown, step),
            damaged=self._damaged(moves),
            joins=tuple(joins),
            gaps=tuple(gaps),
            empty_spans=self._empty_spans(shown, sounds),
            sounds=tuple(sounds),
            is_plain=not any(is_moved.values()),
            has_plain_pictures=not is_moved[table.index],
            mends=tuple(mends.items()) if any(is_moved.values()) else (),
            runs=tuple((table.seconds(run.low) - self._start, table.seconds(run.move)) for run in runs),
        )

    def _decoding_runs(self) -> NDArray[np.int64]:
        """The run of each packet's decoding timestamp; next to a gap it may be the run before."""
        table, runs, chosen = self._pictures, self._runs, self._run_of.copy()
        for number in range(len(runs) - 1, 0, -1):
            run, before = runs[number], runs[number - 1]
            if run.is_gap:
                middle = (before.high + run.low) // 2
                dts = np.frombuffer(table.dts, np.int64)
                chosen[(chosen == number) & (dts < middle) & (dts != NO_TIME)] = number - 1
        return chosen

    def _move_runs(self) -> tuple[list[Join], list[Gap]]:
        """Compute every run's offset; returns the joins and gaps between runs."""
        table, step = self._pictures, self._step
        joins, gaps = [], []
        before = self._runs[0]
        for run in self._runs[1:]:
            end = before.high + step  # in the file's time
            at = table.seconds(end + before.move) - self._start
            if not run.is_gap:
                run.move = before.move + end - run.low
            else:
                length = table.seconds(run.low - end)
                has_sound = self._sounds_between(table.seconds(end), table.seconds(run.low))
                run.is_closed = self._is_closed(length, has_sound)
                run.move = before.move + (end - run.low if run.is_closed else 0)
                if run.low - end > least_gap(table, step):
                    gaps.append(Gap(at, length, run.is_closed, has_sound))
            if not run.is_left_over:
                joins += [] if run.is_gap else [Join(at)]
                before = run
        return joins, gaps

    def _is_closed(self, length: float, has_sound: bool) -> bool:
        if self._gaps == "auto":
            return length > PAUSE_SECONDS and not has_sound
        return self._gaps == "close" and length > GAP_SECONDS

    def _sounds_between(self, begin: float, end: float) -> bool:
        """Whether sound continues in a span without pictures; unrepaired times in seconds."""
        for begins, sums in self._sounding:
            first, last = np.searchsorted(begins, (begin + 0.5, end - 0.5))
            if last > first and sums[last] - sums[first] > (end - begin) / 10:
                return True
        return False

    def _damaged(self, moves: NDArray[np.int64]) -> tuple[float, ...]:
        """Times of damaged packets of pictures; not at a join, where a container's counters restart."""
        table, found = self._pictures, []
        steps = np.diff(np.frombuffer(table.dts, np.int64))
        edges = {run.first for run in self._runs[1:]} | set((np.flatnonzero(steps <= 0) + 1).tolist())
        times = table.times()
        for index in np.flatnonzero(np.frombuffer(table.flags, np.uint8) & BAD).tolist():
            is_edge = not edges.isdisjoint(range(index - 1, index + 4))
            if times[index] != NO_TIME and not is_edge:
                found.append(table.seconds(int(times[index] + moves[index])) - self._start)
        for order in self._unread:
            index = bisect_right(table.order, order - 1)  # the first picture after the bytes without packets
            is_moved = 0 < index < len(times) and moves[index] != moves[index - 1]  # a join
            if 0 < index < len(times) and not is_moved and times[index] - times[index - 1] > 1.5 * self._step:
                found.append(table.seconds(int(times[index - 1] + moves[index - 1])) - self._start)
        return tuple(found)

    def _empty_spans(self, shown: NDArray[np.int64], sounds: list[SoundTimes]) -> tuple[tuple[float, float], ...]:
        """Start and length of spans where pictures are missing and every sound stream has a gap as well."""
        seconds = self._pictures.seconds
        steps = np.diff(shown)
        wide = np.flatnonzero(seconds(1) * (steps - self._step) > _EMPTY_SECONDS).tolist() if sounds else []
        found = []
        for index in wide:
            at, length = seconds(int(shown[index]) + self._step) - self._start, seconds(int(steps[index]) - self._step)
            if all(
                any(min(at + length, begin + lasts) - max(at, begin) > length / 2 for begin, lasts in sound.gaps)
                for sound in sounds
            ):
                found.append((at, length))
        return tuple(found)


def _last_time(table: PacketTable) -> float:
    """End of the last packet, in seconds."""
    times = table.times()
    known = times[times != NO_TIME]
    return table.seconds(int(known.max()) + usual_step(table)) if len(known) else 0.0


def _sounding(table: PacketTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Start times of sound packets, sorted, and the cumulated length of sound before each and in all; seconds."""
    base = np.float64(table.time_base)
    times: NDArray[np.float64] = table.times() * base
    order = np.argsort(times)
    sums: NDArray[np.float64] = np.concatenate([np.zeros(1), np.cumsum(sound_lengths(table)[order] * base)])
    return times[order], sums


def _steps(moves: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Run-length encoding of all packets' moves: (first packet, offset)."""
    changes = [0, *(np.flatnonzero(np.diff(moves)) + 1).tolist()] if len(moves) else []
    return tuple((index, int(moves[index])) for index in changes)


def _steps_back(table: PacketTable) -> bool:
    """Whether any decoding timestamp is not larger than the one before."""
    dts = np.frombuffer(table.dts, np.int64)
    return bool((np.diff(dts[dts != NO_TIME]) <= 0).any())


def _missing(shown: NDArray[np.int64], step: int) -> int:
    """Number of pictures missing at a constant rate; 0 where most intervals are not constant."""
    steps = np.diff(shown)
    if (np.abs(steps - step) <= max(1, step // 10)).sum() < len(steps) * 0.9:
        return 0
    return int((np.round(steps / step) - 1)[steps > step * 1.5].sum())


def _is_joinable(container: Any) -> bool:
    """Whether files of this format can be concatenated, so that the sound's format may change at a join."""
    return container.format.name in ("mpegts", "mpeg")


def _kind(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name)
