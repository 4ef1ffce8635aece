"""The repaired times of all streams of a clip, before any decoder or muxer sees them.

A clip's times may begin anew (two recordings joined by `cat`, HLS segments with discontinuities, VOB titles), step back
a little (segments whose sound overlaps), or jump (a recorder that paused for an hour). `read_timeline.py` reads all
packets of a clip once, decodes nothing, and finds where; the `Timeline` that it returns says for every stream from
which packet on times are moved, and which packets of sound are left out because they overlap others.

How readers and writers use it: open the clip with `open_clip`, take the packets from
`clip.timeline.mended(read_packets(container, streams))`, from the start, and rely on their times. They never step back,
pictures and sound moved by the same amount; a clip whose times are good (`timeline.is_plain`) is handed through as it
is. Packets are counted, so a reader that seeks may do so only where `is_plain`; the others read from the start. What
was found is in `joins`, `gaps` and `sounds`, in seconds from the clip's start, mended.
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
    """Where a recording ends and another one goes on whose times are other ones; seconds from the clip's start."""

    at: float


@dataclass(frozen=True)
class Gap:
    """A time without pictures. at: where, as mended; length: seconds."""

    at: float
    length: float
    is_closed: bool  # what follows was moved to where the pictures ended
    has_sound: bool  # sound goes on meanwhile


@dataclass(frozen=True)
class SoundTimes:
    """The times of one sound stream: seconds, as mended.

    late: how much after the clip's start it begins. gaps: where nothing is, and how long. trimmed: how much was left
    out where it overlapped. rejoined: how often its own clock began anew while the pictures' did not. lacking: seconds
    that are missing in all. has_changes: its rate or its channels change.
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
    """How one stream's times are mended: (from which packet on, moved by how many ticks), rising; packets left out."""

    moves: tuple[tuple[int, int], ...] = ()
    dropped: frozenset[int] = frozenset()
    decoding: tuple[tuple[int, int], ...] = ()  # the moves of decoding times, where they are other ones
    longest: int = 0  # ticks that a packet can last; what says that it lasts longer stood before a gap
    usual: int = 0  # ticks that most packets last

    def move_of(self, index: int) -> tuple[int, int]:
        """By how many ticks the display time and the decoding time of a packet are moved."""
        move = _at(self.moves, index)
        return move, _at(self.decoding, index) if self.decoding else move


def _at(moves: tuple[tuple[int, int], ...], index: int) -> int:
    return moves[bisect_right(moves, (index, 2**62)) - 1][1] if moves else 0


@dataclass(frozen=True)
class Timeline:
    """The mended times of a clip; see the module's head. packets: how many hold a picture that is shown."""

    packets: int = 0
    stored: int = 0  # all packets of pictures, also empty ones and those that are never shown
    end_byte: int = 0  # of the file, behind the last packet, where the file has byte positions
    reach: float = 0.0  # seconds from the clip's start to the last packet of any stream, by the file's own times
    seconds: float = 0.0  # from the first picture to the end of the last one, mended
    step: float = 0.0  # seconds between most pictures
    missing: int = 0  # pictures that the clip's constant rate lacks; 0 where it has no constant rate
    damaged: tuple[float, ...] = ()  # where the container says that packets are damaged, or bytes hold none
    empty_spans: tuple[tuple[float, float], ...] = ()  # where both pictures and sound are missing, and how long
    joins: tuple[Join, ...] = ()
    gaps: tuple[Gap, ...] = ()
    sounds: tuple[SoundTimes, ...] = ()
    is_plain: bool = True  # no time of any stream is changed
    has_plain_pictures: bool = True  # none of the pictures'
    mends: tuple[tuple[int, Mend], ...] = ()  # index of a stream in the file, and how it is mended
    runs: tuple[tuple[float, float], ...] = ()  # where the file's times begin to be moved, and by how many seconds

    def mended(self, packets: Iterator[Any]) -> Iterator[Any]:
        """The packets of a file read from its start, in its order, with times that never step back."""
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
        """A time of the file as mended, such as a chapter's; both in seconds from the clip's start."""
        moves = [move for begin, move in self.runs if begin <= float(seconds) + 0.001]
        return seconds + Fraction(round(moves[-1] * 1000), 1000) if moves else seconds
