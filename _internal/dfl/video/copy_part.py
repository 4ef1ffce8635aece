"""Cut a clip without re-encoding: packets are copied from a key frame on."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from dfl.base.errors import UserError
from dfl.video.clip import Clip
from dfl.video.demux import read_packets
from dfl.video.read import clip_stream
from dfl.video.read_clip import open_clip
from dfl.video.sound import SoundCut, SoundTrack


@dataclass(frozen=True)
class CopiedPart:
    """What was copied: seconds of its start and end in the clip, frames, and what could not be kept, in words."""

    start: Fraction
    end: Fraction
    frames: int
    losses: list[str]


def copy_part(clip: Clip, target: Path, start: Fraction, end: Fraction | None, track: int | None) -> CopiedPart:
    """Copy a part of a clip to `target`, a file of the same type; seconds from the clip's start, `end` None: all.

    It begins at the last key frame that is not after `start`. Tags and rotation are kept. UserError when a container of
    that type cannot be written so.
    """
    key = _last_key_frame(clip, clip.start + round(start / clip.time_base))
    until = None if end is None else clip.start + round(end / clip.time_base)
    begin = (key - clip.start) * clip.time_base
    sound = SoundCut(clip.path, begin, end, track, is_copied=True, reading=clip.reading)
    last, frames = key, 0
    try:
        with (
            av.open(str(target), "w") as output,
            SoundTrack.of(sound, output, target.suffix) as tracks,
            open_clip(clip.path) as container,
        ):
            source = clip_stream(container, clip)
            stream: Any = copied_stream(output, source)
            output.metadata.update(container.metadata)
            tracks.add_streams()  # which knows the timecode of the cut
            for packet in _until(clip.timeline.mended(read_packets(container, source)), key, until):
                frames, last = frames + 1, max(last, _time(packet) + (packet.duration or 0))
                packet.pts, packet.dts = _shifted(packet.pts, key), _shifted(packet.dts, key)
                packet.stream = stream
                tracks.mux_until(max(Fraction(0), Fraction(packet.dts or 0) * clip.time_base))
                output.mux(packet)
            tracks.mux_until(None)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno and 0 < error.errno < 200:
            raise
        raise UserError(f"{clip.path} cannot be cut by copying: {error}.", "Cut it without --copy-only.") from error
    return CopiedPart(begin, (last - clip.start) * clip.time_base, frames, tracks.losses)


def copied_stream(output: Any, source: Any) -> Any:
    """A stream of `output`, a container of the same type, that takes the packets of `source`."""
    # opaque: without it libav would look for an encoder of the decoder's name, and has none for AV1 and VP9.
    stream = output.add_stream_from_template(source, opaque=True)
    stream.codec_context.codec_tag = source.codec_context.codec_tag
    return stream


def _time(packet: Any) -> int:
    """When it is shown, where the file says so; else when it is decoded."""
    return int(packet.pts if packet.pts is not None else packet.dts)


def _shifted(ticks: int | None, start: int) -> int | None:
    return None if ticks is None else ticks - start


def _last_key_frame(clip: Clip, wanted: int) -> int:
    """The display time of the last key frame up to `wanted`, in the file's ticks; of the first one if none is."""
    found = None
    with open_clip(clip.path) as container:
        for packet in clip.timeline.mended(read_packets(container, clip_stream(container, clip))):
            if packet.is_keyframe and packet.size and (packet.pts is not None or packet.dts is not None):
                if found is None or found < _time(packet) <= wanted:
                    found = _time(packet)
                if packet.dts is not None and packet.dts > wanted:
                    break
    if found is None:
        raise UserError(f"{clip.path} has no key frame with a time.", "Cut it without --copy-only.")
    return found


def _until(packets: Iterator[Any], key: int, until: int | None) -> Iterator[Any]:
    """The packets from the key frame to the last one that is shown before `until`, with all that it refers to."""
    waiting: list[Any] = []
    has_begun = False
    for packet in packets:
        if packet.size == 0 or (packet.pts is None and packet.dts is None):
            continue
        has_begun = has_begun or (packet.is_keyframe and _time(packet) == key)
        if not has_begun or _time(packet) < key:  # leading pictures refer to what is cut off
            continue
        if until is None or _time(packet) < until:
            yield from waiting
            waiting.clear()
            yield packet
        elif packet.dts is not None and packet.dts >= until:
            return
        else:
            waiting.append(packet)
