"""The repaired timestamps of all streams of a clip, for decoders and muxers.

A clip's timestamps may restart (two recordings joined by `cat`, HLS segments with discontinuities, VOB titles), step
back a little (segments whose sound overlaps), or jump (a recorder that paused for an hour). `read_timeline.py` reads
all packets of a clip once, without decoding, and finds these places; the resulting `Timeline` has for every stream the
offsets to be added from which packet on, and the sound packets to be dropped because they overlap others.

Usage by readers and writers: open the clip with `open_clip` and iterate over
`clip.timeline.mended(read_packets(container, streams))`, from the start. These timestamps never step back, and pictures
and sound have the same offsets; a clip with good timestamps (`timeline.is_plain`) is passed through unchanged. Packets
are counted, so seeking is allowed only where `is_plain`. What was found is in `joins`, `gaps` and `sounds`, in repaired
seconds from the clip's start.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

Gaps = Literal["auto", "keep", "close"]
NO_TIME = -(2**63)


@dataclass(frozen=True)
class Join:
    """A place where one recording ends and another with other timestamps begins; seconds from the clip's start."""

    at: float


@dataclass(frozen=True)
class Gap:
    """A time without pictures. at: repaired seconds from the clip's start; length: seconds."""

    at: float
    length: float
    is_closed: bool  # the following packets were moved to the gap's start
    has_sound: bool  # sound continues during the gap


@dataclass(frozen=True)
class SoundTimes:
    """The repaired times of one sound stream, in seconds.

    late: start after the clip's start. gaps: start and length of gaps. trimmed: total length that was dropped because
    it overlapped. rejoined: how often its timestamps restarted while the pictures' did not. lacking: total length of
    all gaps. has_changes: its sample rate or channels change.
    """

    index: int  # of the stream in the file
    late: float
    gaps: tuple[tuple[float, float], ...]
    trimmed: float
    rejoined: int
    end: float
    lacking: float = 0.0
    has_changes: bool = False


@dataclass(frozen=True)
class Mend:
    """Repair of one stream's timestamps: moves of (first packet, offset in ticks), rising; packets to be dropped."""

    moves: tuple[tuple[int, int], ...] = ()
    dropped: frozenset[int] = frozenset()
    decoding: tuple[tuple[int, int], ...] = ()  # the moves of decoding timestamps, where they differ
    longest: int = 0  # maximum duration of a packet in ticks; a longer one includes a gap, and `usual` replaces it
    usual: int = 0  # usual duration of a packet in ticks

    def move_of(self, index: int) -> tuple[int, int]:
        """Offsets in ticks of a packet's presentation and decoding timestamps."""
        move = _at(self.moves, index)
        return move, _at(self.decoding, index) if self.decoding else move


def _at(moves: tuple[tuple[int, int], ...], index: int) -> int:
    return moves[bisect_right(moves, (index, 2**62)) - 1][1] if moves else 0


@dataclass(frozen=True)
class Timeline:
    """The repaired times of a clip; see the module's docstring. packets: number of pictures that are shown."""

    packets: int = 0
    stored: int = 0  # all packets of pictures, also empty ones and those that are never shown
    end_byte: int = 0  # byte offset after the last packet, where the file has byte positions
    reach: float = 0.0  # seconds from the clip's start to the end of the last packet of any stream, unrepaired
    seconds: float = 0.0  # from the first picture to the end of the last one, repaired
    step: float = 0.0  # usual interval between pictures in seconds
    missing: int = 0  # pictures missing at the clip's constant rate; 0 where it has no constant rate
    damaged: tuple[float, ...] = ()  # times of packets flagged as damaged, and of bytes without packets
    empty_spans: tuple[tuple[float, float], ...] = ()  # start and length of spans without pictures and sound
    joins: tuple[Join, ...] = ()
    gaps: tuple[Gap, ...] = ()
    sounds: tuple[SoundTimes, ...] = ()
    is_plain: bool = True  # no timestamp of any stream is changed
    has_plain_pictures: bool = True  # no timestamp of the pictures is changed
    mends: tuple[tuple[int, Mend], ...] = ()  # index of a stream in the file, and its repair
    runs: tuple[tuple[float, float], ...] = ()  # unrepaired start of each run, and its offset, in seconds

    def mended(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Repair the packets of a file read from its start, in file order; timestamps then never step back."""
        if self.is_plain:
            yield from packets
            return
        mends = dict(self.mends)
        counts: dict[int, int] = {}
        latest: dict[int, int] = {}
        for packet in packets:
            stream = packet.stream_index
            index = counts[stream] = counts.get(stream, -1) + 1
            mend = mends.get(stream, Mend())
            if index in mend.dropped:
                continue
            move, decoding_move = mend.move_of(index)
            if packet.pts is not None:
                packet.pts += move
            if packet.dts is not None:
                packet.dts = max(packet.dts + decoding_move, latest.get(stream, NO_TIME) + 1)
                latest[stream] = packet.dts
                if packet.pts is not None and packet.pts < packet.dts and packet.stream.type == "audio":
                    packet.pts = packet.dts
            if mend.longest and (packet.duration or 0) > mend.longest:
                packet.duration = mend.usual
            yield packet

    def moved(self, seconds: Fraction) -> Fraction:
        """The repaired time of an unrepaired one, such as a chapter's; both in seconds from the clip's start."""
        moves = [move for begin, move in self.runs if begin <= float(seconds) + 0.001]
        return seconds + Fraction(round(moves[-1] * 1000), 1000) if moves else seconds
