"""A clip in parts that several processes can decode, each from a key frame on.

A part is an interval of display time: it is decoded from its first key frame until a frame of the next part comes out.
So leading pictures (open GOPs), which are stored behind a key frame and shown before it, belong to the part before,
where all that they refer to is decoded.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any

import av

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.video.clip import MAX_PIXELS, Clip
from dfl.video.demux import read_packets
from dfl.video.interlacing import CONTEXT, deinterlaced
from dfl.video.read import CodedFrame, Damage, PictureMaker, Warn, clip_stream, decode, decode_packets, is_cut
from dfl.video.read_clip import kind_of, open_clip

SEGMENT_FRAMES = 48  # a part's fewest frames; opening a clip costs about as much as decoding ten
# Codecs whose key frames depend on nothing before. For H.264 and HEVC the kind of key frame decides.
_INTRA_CLEAN = {
    "vp8",
    "vp9",
    "av1",
    "mpeg1video",
    "mpeg2video",
    "mpeg4",
    "mjpeg",
    "prores",
    "dnxhd",
    "ffv1",
    "rawvideo",
}
_H264_IDR, _H264_SEI, _H264_SLICE = 5, 6, 1
_HEVC_RANDOM_ACCESS = range(16, 22)  # BLA, IDR, CRA (ITU-T H.265, table 7-1)
_RECOVERY_POINT = 6  # SEI payload type (ITU-T H.264, D.1)
_PROBED_BYTES = 65536  # of a packet, to find its kind of key frame


@dataclass(frozen=True)
class ClipSegment:
    """A part of a clip. Times are the file's own, in ticks of the clip's time base."""

    start: int | None  # display time of its first key frame; None: the clip's start
    seek: int  # decoding time of that key frame
    end: int | None  # display time of the next part's first frame; None: the clip's end
    frames: int  # how many the file says that it has
    is_whole_clip: bool = False
    before: tuple[int | None, int] = (None, 0)  # display and decoding time of the key frame of the part before


@dataclass(frozen=True)
class SegmentFrame:
    """A frame: `ticks` in the clip's time base from the clip's start; picture (H, W, 3) uint8 BGR as displayed."""

    ticks: int
    picture: Picture


@dataclass(frozen=True)
class _Packet:
    """What is known of a packet without decoding it."""

    pts: int
    dts: int
    can_start: bool
    is_shown: bool


def segments(clip: Clip) -> list[ClipSegment]:
    """Parts of at least 48 frames that together are the clip; found by reading packets only, nothing is decoded.

    A single part where time stamps are missing or doubtful, packets look damaged, or key frames of that kind of
    video may need what was before.
    """
    packets = _packets(clip)
    if packets is None:
        return [ClipSegment(None, 0, None, clip.expected_frames or 0, is_whole_clip=True)]
    cuts, since, latest = [], 0, packets[0].pts
    for packet in packets:
        if packet.can_start and since >= SEGMENT_FRAMES and packet.pts > latest:
            cuts.append(packet)
            since = 0
        since += packet.is_shown
        latest = max(latest, packet.pts)
    shown = sorted(packet.pts for packet in packets if packet.is_shown)
    bounds = [0, *(bisect_left(shown, cut.pts) for cut in cuts), len(shown)]
    made = [ClipSegment(None, 0, None, len(shown), is_whole_clip=not cuts)]
    for cut, (first, last) in zip(cuts, pairwise(bounds[1:]), strict=True):
        made[-1] = replace(made[-1], end=cut.pts, frames=first - bounds[len(made) - 1])
        before = made[-1].start, made[-1].seek
        made.append(ClipSegment(cut.pts, min(cut.pts, cut.dts), None, last - first, before=before))
    return made


def read_segment(clip: Clip, segment: ClipSegment, warn: Warn) -> Iterator[SegmentFrame]:
    """Decode one part: the very frames and times that read_frames gives for it.

    `warn` gets one sentence at the end when parts could not be decoded.
    """
    pictures = PictureMaker(clip)
    for coded in decode_segment(clip, segment, warn):
        yield SegmentFrame(coded.ticks, pictures.make(coded))


def decode_segment(clip: Clip, segment: ClipSegment, warn: Warn) -> Iterator[CodedFrame]:
    """As read_segment, without making pictures; frames have no numbers."""
    if segment.is_whole_clip:
        yield from decode(clip, warn)
        return
    damage, ticks = Damage(), -(2**62)
    for coded in deinterlaced(_coded(clip, segment, damage), clip.fields):
        if _is_inside(segment, clip, coded.ticks):
            ticks = coded.ticks
            yield coded
    if damage.count or damage.patched or (segment.end is None and is_cut(clip, ticks)):
        warn(f"{clip.path.name} is damaged or cut about {float(ticks * clip.time_base):.2f} s from its start.")


def _is_inside(segment: ClipSegment, clip: Clip, ticks: int) -> bool:
    shown = ticks + clip.start
    return (segment.start is None or shown >= segment.start) and (segment.end is None or shown < segment.end)


def _coded(clip: Clip, segment: ClipSegment, damage: Damage) -> Iterator[CodedFrame]:
    """The frames of a part; where they are deinterlaced also some before and behind it, which these depend on."""
    opened = segment
    if clip.fields:
        opened = replace(segment, start=segment.before[0], seek=segment.before[1])
    ahead: deque[CodedFrame] = deque(maxlen=CONTEXT)
    ticks, behind, is_first = -(2**62), 0, True
    with _opened_at(clip, opened) as (stream, packets):
        for content in decode_packets(packets, stream, damage):
            if content.pts is None or (opened.start is not None and content.pts < opened.start):
                continue
            if content.width * content.height > MAX_PIXELS:
                damage.count += 1
                continue
            ticks = max(content.pts - clip.start, ticks + 1)  # they rise, as those of decode do
            coded = CodedFrame(0, ticks, int(content.duration or 0), content)
            if segment.start is not None and content.pts < segment.start:
                ahead.append(coded)
                continue
            if segment.end is not None and content.pts >= segment.end:
                behind += 1
                if not clip.fields or behind > CONTEXT:
                    return
            if is_first and segment.start is not None:
                damage.count = 0  # of leading pictures: the part before has them whole
            is_first = False
            if not behind:
                damage.add(content, ticks)
            yield from ahead
            ahead.clear()
            yield coded


@contextmanager
def _opened_at(clip: Clip, segment: ClipSegment) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The clip's video stream, and its packets from the part's key frame on."""
    for is_sought in (True, False):  # without an index, or with a wrong one, the file is read from its start
        with open_clip(clip.path) as container:
            stream = clip_stream(container, clip)
            packets = read_packets(container, stream)
            if segment.start is None:
                yield stream, packets
                return
            try:
                if is_sought:
                    container.seek(segment.seek, stream=stream)
                found = _key_packet(packets, segment.start)
            except av.FFmpegError:
                found = None
            if found is not None:
                yield stream, chain([found], packets)
                return
    raise UserError(f"{clip.path} is not as it was a moment ago.", "Leave it alone while it is read; start again.")


def _key_packet(packets: Iterator[Any], pts: int) -> Any:
    """Read up to the key frame that is shown at `pts`; None when the file was sought behind it."""
    for packet in packets:
        if packet.is_keyframe and packet.pts is not None:
            if packet.pts == pts:
                return packet
            if packet.pts > pts:
                return None
    return None


def _packets(clip: Clip) -> list[_Packet] | None:
    """All packets in the order of the file; None where they lack what is needed to cut between them."""
    if not clip.timeline.has_plain_pictures:
        return None  # where times restart nothing can be sought
    with open_clip(clip.path) as container:
        stream = clip_stream(container, clip)
        kind = kind_of(stream)
        if (kind not in _INTRA_CLEAN and kind not in ("h264", "hevc")) or container.format.name == "avi":
            return None  # an avi has no display times
        prefix = _length_bytes(kind, bytes(stream.codec_context.extradata or b""))
        packets = []
        try:
            for packet in read_packets(container, stream):
                if packet.size == 0 and packet.dts is None:
                    continue  # the mark of the end
                if packet.pts is None or packet.is_corrupt or packet.size == 0 or packet.has_sidedata("new_extradata"):
                    return None
                can_start = packet.is_keyframe and not packet.is_discard
                if can_start and kind not in _INTRA_CLEAN:
                    can_start = _is_random_access(kind, memoryview(packet)[:_PROBED_BYTES], prefix)
                dts = packet.pts if packet.dts is None else packet.dts
                packets.append(_Packet(packet.pts, dts, can_start, not packet.is_discard))
        except av.FFmpegError:
            return None
    times = {packet.pts for packet in packets if packet.is_shown}
    is_clear = len(times) == sum(packet.is_shown for packet in packets)
    return packets if packets and is_clear else None


def _length_bytes(kind: str, header: bytes) -> int:
    """Bytes of a unit's length in a packet; 0 where units are separated by start codes.

    By the decoder's configuration record (ISO 14496-15, 5.3.3 and 8.3.3), which starts with 1 where there is one.
    """
    offset = 4 if kind == "h264" else 21
    return header[offset] % 4 + 1 if len(header) > offset and header[0] == 1 else 0


def _is_random_access(kind: str, content: memoryview, prefix: int) -> bool:
    """Whether a key frame of H.264 or HEVC can be decoded, and all that is shown after it, without what was before."""
    recovers = False
    for unit in _units(bytes(content), prefix):
        if kind == "hevc":
            if (unit[0] >> 1) & 63 < 32:  # the first slice
                return (unit[0] >> 1) & 63 in _HEVC_RANDOM_ACCESS
        elif unit[0] & 31 == _H264_SEI:
            recovers = recovers or _recovers_at_once(unit)
        elif _H264_SLICE <= unit[0] & 31 <= _H264_IDR:
            return unit[0] & 31 == _H264_IDR or recovers
    return False


def _units(content: bytes, prefix: int) -> Iterator[bytes]:
    """The units (NAL) of a packet that are not empty; `prefix` as in _length_bytes."""
    if prefix == 0:
        yield from (unit for unit in content.split(b"\0\0\1")[1:] if unit)
        return
    offset = 0
    while offset + prefix < len(content):
        length = int.from_bytes(content[offset : offset + prefix], "big")
        offset += prefix
        if length:
            yield content[offset : offset + length]
        offset += length


def _recovers_at_once(unit: bytes) -> bool:
    """Whether an H.264 SEI unit says: from this frame on all is exact (recovery point, ITU-T H.264, D.1.8)."""
    content = unit[1:].replace(b"\0\0\3", b"\0\0")
    offset = 0
    while offset + 2 < len(content):
        numbers = []
        for _ in range(2):  # payload type and size: bytes of 255 and one that is less
            number = 0
            while offset < len(content) and content[offset] == 255:
                number, offset = number + 255, offset + 1
            numbers.append(number + (content[offset] if offset < len(content) else 0))
            offset += 1
        if numbers[0] == _RECOVERY_POINT and offset < len(content):
            return content[offset] >= 0b11000000  # recovery_frame_cnt 0 (one bit), exact_match_flag 1
        offset += numbers[1]
    return False
