"""The frames of a clip, one by one, in bounded memory: Clip -> Frame."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation, VideoReformatter

from dfl.base.pictures import Picture
from dfl.video.clip import MAX_PIXELS, Clip
from dfl.video.demux import read_packets
from dfl.video.interlacing import deinterlaced
from dfl.video.read_clip import open_clip, video_stream

# Without these flags libswscale takes a fast path that makes every frame one level darker (measured: mean -0.9 to
# -1.4 of 255 on 8-bit H.264); with them the mean error is under 0.03, for 2 ms more at 640x360.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Frame:
    """One frame of a clip. `number` counts from 1; `time` is in seconds from the clip's start, exact.

    picture: (H, W, 3) uint8 BGR as displayed, the clip's rotation applied.
    """

    number: int
    time: Fraction
    picture: Picture


@dataclass(frozen=True)
class CodedFrame:
    """One decoded frame before it is turned into a picture. `ticks` in the clip's time base, from the clip's start."""

    number: int
    ticks: int
    duration: int  # ticks, 0 where the file does not say
    content: Any  # av.VideoFrame


def read_frames(clip: Clip, warn: Warn) -> Iterator[Frame]:
    """Decode a clip. A damaged or cut file gives the frames that can be decoded, then one warning."""
    pictures = PictureMaker(clip)
    for coded in decode(clip, warn):
        yield Frame(coded.number, coded.ticks * clip.time_base, pictures.make(coded))


def decode(clip: Clip, warn: Warn) -> Iterator[CodedFrame]:
    """Decode a clip without making pictures, deinterlaced where that is to be. Times rise strictly, also where the
    file's do not.

    `warn` gets one sentence at the end when parts could not be decoded.
    """
    return deinterlaced(decode_as_coded(clip, warn), clip.fields)


def decode_as_coded(clip: Clip, warn: Warn) -> Iterator[CodedFrame]:
    """As `decode`, but interlaced frames stay so: for their number and times alone."""
    step = step_ticks(clip)
    ticks, number, damage = -step, 0, Damage()
    with open_clip(clip.path) as container:
        stream = clip_stream(container, clip)
        for content in decode_packets(clip.timeline.mended(read_packets(container, stream)), stream, damage):
            if content.width * content.height > MAX_PIXELS:
                damage.count += 1
                continue
            number += 1
            # Some old files have no time stamps, some have equal ones.
            ticks = ticks + step if content.pts is None else max(content.pts - clip.start, ticks + 1)
            damage.add(content, ticks)
            yield CodedFrame(number, ticks, int(content.duration or 0), content)
    if damage.count or damage.patched or clip.timeline.damaged or _lost(clip, number) or is_cut(clip, ticks):
        warn(_damage_in_words(clip, damage, number, float((ticks + step) * clip.time_base)))


def _damage_in_words(clip: Clip, damage: "Damage", number: int, end: float) -> str:
    """One or two sentences. number: of frames that could be decoded; end: of the last one, in seconds."""
    expected = f" of about {clip.expected_frames}" if clip.expected_frames else ""
    patched = f", {damage.patched} of them with errors" if damage.patched else ""
    text = (
        f"{clip.path.name} is damaged or cut: {number}{expected} frames could be decoded{patched}, up to {end:.2f} s."
    )
    damaged = [*clip.timeline.damaged, *([] if damage.first is None else [float(damage.first * clip.time_base)])]
    return f"{text} The first damage is at {min(damaged):.2f} s." if damaged else text


def _lost(clip: Clip, number: int) -> bool:
    """Whether clearly fewer frames were decoded than packets were read. Half of them: a packet holds a field."""
    packets = clip.timeline.packets
    if clip.container == "avi" and (clip.frames or 0) - clip.timeline.stored > max(3, packets // 100):
        return True  # its header counts packets
    return number < packets - max(3, packets // 100) and number * 2 > packets + 2


def clip_stream(container: Any, clip: Clip) -> Any:
    """The stream of a clip's pictures in its opened file."""
    return video_stream(container, clip.path, clip.video_stream)


def step_ticks(clip: Clip) -> int:
    """Ticks of one frame at the clip's rate."""
    return max(1, round(1 / (clip.rate * clip.time_base)))


def clip_end(clip: Clip, first: int, last: int, end: int) -> int:
    """When the last frame stops being shown: ticks, by the header where it agrees with what was decoded.

    first, last: times of the first and the last frame. end: what the last decoded frame says of itself.
    """
    if not clip.duration:
        return end
    header_end = first + round(clip.duration / clip.time_base)
    return (
        header_end if abs(header_end - end) <= step_ticks(clip) and header_end > last else end
    )  # else the file was cut


def is_cut(clip: Clip, last_ticks: int) -> bool:
    """Whether a clip whose last frame has this time ends well before the length in its header."""
    end = (last_ticks + step_ticks(clip)) * clip.time_base
    if not clip.duration and clip.has_longer_sound:
        return False
    return end < (clip.duration or clip.length or 0) * Fraction(9, 10) - 3 / clip.rate


@dataclass
class Damage:
    """How many parts of a clip could not be decoded, and how many frames the decoder concealed errors in."""

    count: int = 0
    patched: int = 0
    first: int | None = None  # ticks of the first of those

    def add(self, content: Any, ticks: int) -> None:
        """Count a frame (av.VideoFrame) that the decoder calls damaged."""
        if content.is_corrupt:
            self.patched += 1
            self.first = ticks if self.first is None else self.first


def decode_packets(packets: Iterator[Any], stream: Any, damage: Damage) -> Iterator[Any]:
    """Every frame (av.VideoFrame) of a stream's packets; parts that libav refuses are counted and left out.

    The stream keeps PyAV's slice threads: with frame threads the last frames before a damaged part get lost, a
    different number on every machine.
    """
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            damage.count += 1
            packet = None
        try:
            yield from stream.decode(packet)
        except av.EOFError:
            return
        except av.FFmpegError:
            damage.count += 1
        if packet is None:
            return


class PictureMaker:
    """Makes displayed BGR pictures of one clip's coded frames, from any number of threads.

    A clip without colour tags is taken as BT.601, as ffmpeg and the original program take it. The light of an HDR
    clip (PQ, HLG) is mapped to ordinary BT.709 video, so that it looks as it does on an ordinary screen.
    """

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._size = (clip.height, clip.width) if clip.turn.is_swapped else (clip.width, clip.height)
        self._of_thread = threading.local()  # a reformatter works for one thread at a time
        self._of_all = VideoReformatter()  # for HDR, whose tables cost seconds: one for all threads
        self._lock = threading.Lock()

    def make(self, frame: CodedFrame) -> Picture:
        """The picture (H, W, 3) uint8 BGR. A frame of another size than the first is scaled to the clip's size."""
        if self._clip.is_hdr:
            with self._lock:
                picture = self._convert(self._of_all, frame, threads=0)
        else:
            if not hasattr(self._of_thread, "reformatter"):
                self._of_thread.reformatter = VideoReformatter()
            picture = self._convert(self._of_thread.reformatter, frame, threads=1)
        return self._clip.turn.apply(picture)

    def _convert(self, reformatter: Any, frame: CodedFrame, threads: int) -> Picture:
        hdr = (
            {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709} if self._clip.is_hdr else {}
        )
        picture: Picture = reformatter.reformat(
            frame.content, *self._size, "bgr24", interpolation=EXACT, threads=threads, **hdr
        ).to_ndarray()
        return picture
