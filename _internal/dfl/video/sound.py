"""Copy a clip's other content into a video that is being written: sound, subtitles and their fonts, chapters, timecode,
and language, title and flags of every track.

No other metadata are copied: they may reveal where, when, by whom and with what a clip was taken.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av

from dfl.video.clip import Clip, Reading
from dfl.video.code_sound import SoundCoder
from dfl.video.demux import read_packets
from dfl.video.read_clip import kind_of, open_clip, picture_streams, read_clip, start_ticks
from dfl.video.timecode import timecode_after
from dfl.video.timeline import SoundTimes, Timeline

# Codecs that players support in a container. Sound of other codecs is transcoded to AAC.
COPIED = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"},
    ".mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_f32le"},
    ".mkv": {"aac", "mp3", "mp2", "ac3", "eac3", "dts", "truehd", "alac", "opus", "vorbis", "flac"}
    | {"pcm_s16le", "pcm_s24le", "pcm_f32le"},
    ".avi": {"aac", "mp3", "mp2", "ac3", "pcm_s16le", "pcm_u8"},
}
# Subtitles of other kinds are left out.
SUBTITLES = {
    ".mp4": {"mov_text"},
    ".mov": {"mov_text"},
    ".mkv": {"subrip", "ass", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle"},
    ".avi": set[str](),
}
_TEXTS = ("mov_text", "subrip", "ass", "webvtt", "text")  # subtitles with one text and its duration in each packet
_Flag = av.stream.Disposition
_FLAG_NAMES = {
    "default": _Flag.default,
    "forced": _Flag.forced,
    "commentary": _Flag.comment,
    "for the hard of hearing": _Flag.hearing_impaired,
    "for the blind": _Flag.visual_impaired,
    "dubbed": _Flag.dub,
    "original language": _Flag.original,
}
_KEPT_FLAGS = {
    ".mp4": {"default", "forced", "commentary", "for the hard of hearing", "for the blind", "dubbed"},
    ".mov": {"default"},
    ".avi": set[str](),
}
# An encoder's priming samples are before time 0. mp4 and mov hide them with an edit list; the other containers would
# start with them and delay all frames.
_NO_LEAD_IN = (".mkv", ".avi")
# These codecs are kept when the sound must be re-encoded.
LOSSLESS = {"flac", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_f32le", "pcm_u8"}
# An avi has no timestamps: sound that starts late or has gaps would be early. Few editors respect gaps in mp4 and mov.
_LATEST_IN_AVI = 0.015  # seconds
_LONGEST_GAPS = {".avi": 0.015, ".mp4": 0.1, ".mov": 0.1}  # seconds, total
PACKET_SAMPLES = {"aac": 1024, "ac3": 1536, "mp2": 1152, "mp3": 1152}  # codecs with a constant number per packet
_LONGEST_SUBTITLE = 15  # seconds
AAC_BITRATE = 96_000  # per channel
# Layouts that AAC supports, and those used where only the channel count is known. Demuxers guess 2.1 for three
# channels, of which AAC would low-pass the third.
# fmt: off
AAC_LAYOUTS = (
    "mono", "stereo", "3.0", "3.0(back)", "4.0", "quad", "quad(side)", "3.1", "4.1", "5.0", "5.0(side)", "5.1",
    "5.1(side)", "6.0", "6.1", "7.0", "7.1", "7.1(wide)", "7.1(wide-side)", "hexagonal", "octagonal",
)
# fmt: on
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
AAC_RATES = (44100, 48000)  # samples a second; others are resampled to 48000


@dataclass(frozen=True)
class SoundCut:
    """The sound to copy: a span in seconds from the clip's start, `end` None for all; one track, or all (None)."""

    path: Path | None
    start: Fraction = Fraction(0)
    end: Fraction | None = None
    track: int | None = None
    is_copied: bool = False  # copy any codec, as the container is of the same type
    reading: Reading = field(default_factory=Reading)  # options that the pictures are read with

    @property
    def is_whole(self) -> bool:
        """Whether it is all sound of the clip."""
        return self.track is None and not self.is_copied and not self.start and self.end is None


class SoundTrack:
    """Copies or transcodes the audio streams of a source container into an output container.

    Also subtitles, chapters and timecode, where the container supports them. Packets are muxed in step with the frames,
    so that memory stays bounded. `losses`: messages about what could not be copied.
    """

    def __init__(self, source: Any, output: Any, suffix: str, cut: SoundCut, clip: Clip | None) -> None:
        self._source, self._output, self._suffix, self._cut = source, output, suffix.lower(), cut
        self._clip = clip
        self._timeline = clip.timeline if clip else Timeline()
        self._name = cut.path.name if cut.path else ""
        self._streams: dict[int, Any] = {}  # index in the source -> stream of the output
        self._coders: dict[int, SoundCoder] = {}  # of those that are re-encoded
        self._offsets: dict[int, int] = {}
        self._ends: dict[int, int] = {}  # end of the packets copied into an avi so far
        self._packets: Iterator[tuple[Fraction, Any]] = iter(())
        self._next: tuple[Fraction, Any] | None = None
        self.losses: list[str] = []

    @classmethod
    @contextmanager
    def of(cls, cut: "SoundCut | Path | None", output: Any, suffix: str) -> Iterator[Self]:
        """The sound of a clip, or a cut of it; without a clip, or without sound in it, a track that does nothing."""
        cut = cut if isinstance(cut, SoundCut) else SoundCut(cut)
        if cut.path is None:
            yield cls(None, output, suffix, cut, None)
            return
        with open_clip(cut.path) as source:
            clip = read_clip(cut.path, cut.reading) if picture_streams(source) else None  # else it is sound alone
            yield cls(source, output, suffix, cut, clip)

    def add_streams(self) -> None:
        """Add one stream to the output for each of the source. After the video stream, before the first packet."""
        if self._source is None:
            return
        streams = list(self._source.streams.audio)
        for stream in streams if self._cut.track is None else streams[self._cut.track : self._cut.track + 1]:
            context = stream.codec_context
            if context is None:
                self.losses.append(f"A sound track of {self._name} is of an unknown kind and was left out.")
                continue
            why = "" if self._cut.is_copied else self._why_coded(stream)
            if not why:
                self._take(stream, self._output.add_stream_from_template(stream))
            elif context.sample_rate and kind_of(stream) in LOSSLESS & COPIED[self._suffix]:
                self._code_alike(stream)
                self.losses.append(why)
            else:
                rate = context.sample_rate if context.sample_rate in AAC_RATES else AAC_RATES[-1]
                layout_name = context.layout.name
                layout = layout_name if layout_name in AAC_LAYOUTS else _USUAL_LAYOUTS.get(context.channels, "stereo")
                coded = self._output.add_stream("aac", rate=rate, layout=layout)
                coded.codec_context.bit_rate = AAC_BITRATE * max(2, coded.codec_context.channels)
                self._take(stream, coded)
                self._coders[stream.index] = SoundCoder(coded)
                lost = (
                    f" Of its {context.channels} channels {layout} is left."
                    if layout != layout_name and layout == "stereo"
                    else ""
                )
                self.losses.append(why + lost)
        self._add_subtitles()
        self._add_chapters()
        if self._clip:
            self._add_timecode(self._clip)
        self._packets = self._demux()
        self._next = next(self._packets, None)

    def _why_coded(self, stream: Any) -> str:
        """Why a sound stream cannot be copied; empty when it can."""
        if not stream.codec_context.sample_rate:  # for example where it starts late
            return f"Sound of {self._name}: its format is known only after decoding, so it was coded anew."
        is_bare = kind_of(stream) == "aac" and not stream.codec_context.extradata
        if is_bare and (self._suffix == ".avi" or self._source.format.name == "flv"):  # in an flv it is damage
            return f"Sound of {self._name} has no header of its own, which {self._suffix} needs: it was coded anew."
        if kind_of(stream) not in COPIED[self._suffix]:
            return f"Sound of {self._name}: {kind_of(stream)} became AAC, as {self._suffix} needs it."
        times = next((sound for sound in self._timeline.sounds if sound.index == stream.index), None)
        what = _irregularities(times, self._suffix, self._cut) if times else ""
        return f"Sound of {self._name} {what}, so it was coded anew." if what else ""

    def _code_alike(self, stream: Any) -> None:
        """Re-encode a stream with its own lossless codec."""
        context = stream.codec_context
        taken = self._output.add_stream(kind_of(stream), rate=context.sample_rate, layout=context.layout.name)
        if kind_of(stream) in ("flac", "alac"):
            taken.codec_context.format = context.format.name
        self._take(stream, taken)
        self._coders[stream.index] = SoundCoder(taken)

    def _take(self, stream: Any, taken: Any) -> None:
        """Register a stream's output stream and time offset; copy its language, title and flags."""
        self._streams[stream.index] = taken
        offset = start_ticks(self._source, stream.time_base)
        self._offsets[stream.index] = offset + round(self._cut.start / stream.time_base)
        if "language" in stream.metadata:
            taken.metadata["language"] = stream.metadata["language"]
        title = stream.metadata.get("title") or stream.metadata.get("name", "")  # mp4 and mov: name
        if title:
            taken.metadata["title"] = title
        taken.disposition = stream.disposition
        is_alone = sum(other.type == stream.type for other in self._source.streams) == 1  # then it is the default
        flags = [name for name, flag in _FLAG_NAMES.items() if stream.disposition & flag]
        flags = [name for name in flags if name != "default" or not is_alone]
        lost = [name for name in flags if name not in _KEPT_FLAGS.get(self._suffix, flags)]
        if lost:
            self.losses.append(
                f"{self._suffix} does not store these flags of a track of {self._name} ({stream.type}): "
                f"{', '.join(lost)}."
            )

    def _add_subtitles(self) -> None:
        """Subtitles, and the attached fonts that they use."""
        taken = 0
        for stream in self._source.streams.subtitles:
            kind = kind_of(stream) if stream.codec_context else "unknown"
            known = SUBTITLES.get(self._suffix, {kind})
            if kind in known or (self._cut.is_copied and stream.codec_context):
                self._take(stream, self._output.add_stream_from_template(stream))
                taken += 1
            else:
                self.losses.append(
                    f"Subtitles of {self._name} ({kind}) were left out: {self._suffix} does not take them."
                )

        for font in self._source.streams.attachments if taken and self._suffix == ".mkv" else ():
            self._output.add_attachment(font.name or "font", font.mimetype or "application/octet-stream", font.data)

    def _add_timecode(self, clip: Clip) -> None:
        """The timecode of the first frame."""
        text = timecode_after(clip.timecode, clip.rate, round(self._cut.start * clip.rate))
        if text and self._suffix in (".mp4", ".mov"):
            self._output.streams.video[0].metadata["timecode"] = text
        elif text and self._suffix == ".mkv":
            self._output.metadata["timecode"] = text
        elif clip.timecode:
            self.losses.append(f"The timecode of {self._name} ({clip.timecode}) is not in {self._suffix}.")

    def _add_chapters(self) -> None:
        """Chapters with titles and times, relative to the start of the clip or of the cut."""
        chapters = []
        for chapter in self._source.chapters() if self._suffix != ".avi" else ():
            begin = start_ticks(self._source, chapter["time_base"])
            title = {name: text for name, text in chapter["metadata"].items() if name == "title"}
            times = [self._timeline.moved((chapter[name] - begin) * chapter["time_base"]) for name in ("start", "end")]
            last = times[1] if self._cut.end is None else min(times[1], self._cut.end)
            start, end = (round(max(0, time - self._cut.start) / chapter["time_base"]) for time in (times[0], last))
            if start < end:
                chapters.append(chapter | {"start": start, "end": end, "metadata": title})
        if chapters:
            self._output.set_chapters(chapters)

    def mux_until(self, time: Fraction | None) -> None:
        """Write the packets up to `time` seconds; None: all remaining ones."""
        while self._next is not None and (time is None or self._next[0] <= time):
            packet = self._next[1]
            stream = self._streams[packet.stream.index]
            if packet.stream.index in self._coders:
                self._mux_coded(stream, self._coders[packet.stream.index].take(packet))
            elif self._suffix != ".avi" or self._append_in_avi(packet, *self._packet_form(packet.stream)):
                packet.stream = stream
                self._mux_copied(packet)
            self._next = next(self._packets, None)
        if time is None:
            for index, coder in self._coders.items():
                self._mux_coded(self._streams[index], coder.finish())

    def _mux_copied(self, packet: Any) -> None:
        """Write a packet unchanged; one that the muxer rejects is left out."""
        try:
            self._output.mux(packet)
        except (av.InvalidDataError, av.error.PatchWelcomeError):
            loss = f"The sound of {self._name} is damaged: what could not be copied was left out."
            if loss not in self.losses:
                self.losses.append(loss)

    def _packet_form(self, stream: Any) -> tuple[int, int]:
        """Number of samples in each packet of a stream (0: not constant), and the sample rate."""
        samples, rate = PACKET_SAMPLES.get(kind_of(stream), 0), stream.codec_context.sample_rate
        return (samples // 2 if kind_of(stream) == "mp3" and rate < 32000 else samples), rate

    def _append_in_avi(self, packet: Any, samples: int, rate: int) -> bool:
        """Place a sound packet right after the one before, as an avi plays them; False where it would be too late.

        samples: number in every packet; 0 where it is not constant, and for PCM.
        """
        index = packet.stream_index
        if samples:
            length = Fraction(
                samples, rate
            )  # a tick of an avi's stream: of two that are rounded to one, none is written
            position = packet.pts * packet.time_base / length
            packet.pts = packet.dts = max(round(position), self._ends.get(index, -(2**62)))
            packet.duration, packet.time_base = 1, length
            # Priming samples, or sound before time 0.
            if position < -Fraction(1, 2) or packet.pts - position > Fraction(3, 4):
                return False
        else:
            end = self._ends.get(index, packet.pts)
            if end - packet.pts > (packet.duration or 0) / 2:
                return False
            packet.pts = packet.dts = max(packet.pts, end)
        self._ends[index] = packet.pts + (packet.duration or 0)
        return True

    def _mux_coded(self, stream: Any, packets: Iterator[Any]) -> None:
        for packet in packets:
            if self._suffix in _NO_LEAD_IN and packet.pts + (packet.duration or 0) <= 0:
                continue
            packet.stream = stream
            self._output.mux(packet)

    def _demux(self) -> Iterator[tuple[Fraction, Any]]:
        """Packets of the chosen streams, timestamps relative to the cut's start, each with its time in seconds."""
        wanted = [stream for stream in self._source.streams if stream.index in self._streams]
        if not wanted:
            return
        try:
            if self._cut.start and self._timeline.is_plain:
                self._source.seek(self._source_start(), backward=True)
            for packet in self._timeline.mended(read_packets(self._source, wanted)):
                if packet.size == 0 or packet.dts is None:
                    continue
                offset = self._offsets[packet.stream.index]
                packet.dts -= offset
                packet.pts = packet.dts if packet.pts is None else packet.pts - offset
                if packet.stream.type == "subtitle" and self._is_cut_off(packet):
                    continue
                if self._cut.start and packet.pts < 0:
                    continue
                if self._cut.end is not None and packet.dts * packet.time_base >= self._cut.end - self._cut.start:
                    if packet.stream.type == "subtitle":
                        continue
                    return
                if self._suffix in _NO_LEAD_IN and packet.pts + (packet.duration or 0) <= 0:
                    continue
                yield packet.dts * packet.time_base, packet
        except av.FFmpegError:
            self.losses.append(f"The sound of {self._name} is damaged or cut; what could be read was kept.")

    def _is_cut_off(self, packet: Any) -> bool:
        """Trim a subtitle to the cut; returns whether nothing is left of it."""
        length = packet.duration or 0
        if self._cut.start and packet.pts < 0 < packet.pts + length and kind_of(packet.stream) in _TEXTS:
            packet.duration = length + packet.pts
            packet.pts = packet.dts = 0
        if self._cut.end is not None and length:
            left = int((self._cut.end - self._cut.start) / packet.time_base) - packet.pts
            packet.duration = max(0, min(packet.duration, left))
        return bool(length) and not packet.duration

    def _source_start(self) -> int:
        """Start of reading in the container's time (microseconds); earlier if a subtitle may be shown already."""
        has_subtitles = any(stream.type == "subtitle" for stream in self._streams.values())
        begin = max(Fraction(0), self._cut.start - has_subtitles * _LONGEST_SUBTITLE)
        return int(self._source.start_time or 0) + int(begin * 1_000_000)


def _irregularities(times: SoundTimes, suffix: str, cut: SoundCut) -> str:
    """Irregular times that a container cannot store when a sound stream is copied; empty if none."""
    if times.has_changes:
        return "changes its channels or its rate"
    late = times.late - float(cut.start)
    lacking = times.lacking if cut.is_whole else sum(_inside(gap, cut) for gap in times.gaps)
    is_late = suffix == ".avi" and late > _LATEST_IN_AVI
    if is_late and lacking > _LATEST_IN_AVI:
        return f"begins {late:.2f} s late and lacks {lacking:.2f} s: silence is filled in"
    if is_late:
        return f"begins {late:.2f} s late: silence is filled in"
    if suffix in _LONGEST_GAPS and lacking > _LONGEST_GAPS[suffix]:
        return f"lacks {lacking:.2f} s: silence is filled in"
    return ""


def _inside(gap: tuple[float, float], cut: SoundCut) -> float:
    """How many seconds of a gap (start, length) are in a cut."""
    end = gap[0] + gap[1] if cut.end is None else min(gap[0] + gap[1], float(cut.end))
    return max(0.0, end - max(gap[0], float(cut.start)))
