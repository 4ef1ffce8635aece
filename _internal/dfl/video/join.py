"""Join parts of one video, each encoded by itself, without re-encoding."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.video.copy_part import copied_stream
from dfl.video.read_clip import open_clip, video_stream
from dfl.video.sound import SoundCut, SoundTrack
from dfl.video.write import VideoForm, opened_output, writing


@dataclass(frozen=True)
class VideoPart:
    """A file of consecutive frames, and when each of them is shown: time and length in ticks of the whole video."""

    path: Path
    times: Sequence[tuple[int, int]]


def join_parts(path: Path, parts: Sequence[VideoPart], form: VideoForm, sound: SoundCut | Path | None) -> list[str]:
    """Copy the frames of `parts` into `path`, a file of their type; the times are those that are given, exactly.

    All parts were coded in the same form, no frame before another that is shown earlier. sound: a clip whose audio
    streams come along. Returns what could not be kept, in words. UserError when a part is not what it should be.
    """
    with (
        writing(path),
        opened_output(path, form.comment) as output,
        SoundTrack.of(sound, output, path.suffix) as track,
    ):
        stream: Any = None
        header = b""
        for part in parts:
            with open_clip(part.path) as container:
                source = video_stream(container, part.path)
                if stream is None:
                    header = bytes(source.codec_context.extradata or b"")
                    stream = copied_stream(output, source)
                    stream.time_base, stream.rate = form.time_base, form.rate
                    stream.sample_aspect_ratio = form.pixel_aspect
                    track.add_streams()
                elif bytes(source.codec_context.extradata or b"") != header:
                    raise _unusable(part.path)
                for packet in _timed_packets(container, source, part, form.time_base):
                    track.mux_until(packet.pts * form.time_base)
                    packet.stream = stream
                    output.mux(packet)
        track.mux_until(None)
        return track.losses


def _timed_packets(container: Any, source: Any, part: VideoPart, time_base: Fraction) -> Iterator[Any]:
    """The packets of a part with the times of the whole video."""
    waiting = iter(part.times)
    for packet in container.demux(source):
        if packet.size == 0:
            continue
        ticks, duration = next(waiting, (0, 0))
        if duration == 0:
            raise _unusable(part.path)
        packet.pts = packet.dts = ticks
        packet.duration, packet.time_base = duration, time_base
        yield packet
    if next(waiting, None) is not None:
        raise _unusable(part.path)


def _unusable(path: Path) -> UserError:
    return UserError(f"{path} is not the part of a video that was written.", f"Delete {path.parent} and start again.")
