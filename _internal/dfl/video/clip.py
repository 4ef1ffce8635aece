"""What a clip is: its streams, size, rate, times, turn and sound, as read_clip found them.

All of video/ works through PyAV and not through the ffmpeg program: time stamps, rates and display matrices come as
exact numbers instead of text to be parsed, no process can hang, and a result can carry the source's own time stamps.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2

from dfl.base.pictures import Picture
from dfl.video.interlacing import Deinterlace, Fields
from dfl.video.timeline import Gaps, Timeline

MAX_PIXELS = 2**27  # of one frame: 16K. A header can claim any size; memory is taken only below this.
HDR_TRANSFERS = (16, 18)  # ITU-T H.273: PQ (SMPTE ST 2084), HLG (ARIB STD-B67)
UNTAGGED = 2  # ITU-T H.273: unspecified
BT709 = 1  # ITU-T H.273: matrix, primaries and transfer of ordinary video
DEFAULT_RATE = Fraction(25)


@dataclass(frozen=True)
class Turn:
    """How coded pictures are turned for display: first swapped over the diagonal, then mirrored."""

    is_swapped: bool = False
    is_mirrored: bool = False
    is_flipped: bool = False

    @property
    def clockwise_degrees(self) -> int:
        """The rotation in it, 0, 90, 180 or 270 (a mirrored clip has one too)."""
        if self.is_swapped:
            return 90 if self.is_mirrored else 270
        return 180 if self.is_flipped else 0

    def apply(self, picture: Picture) -> Picture:
        """Turn a coded picture (H, W, 3) to the displayed one."""
        if self.is_swapped:
            picture = cv2.transpose(picture)  # type: ignore[assignment]
        if self.is_mirrored or self.is_flipped:
            code = -1 if self.is_mirrored and self.is_flipped else 1 if self.is_mirrored else 0
            picture = cv2.flip(picture, code)  # type: ignore[assignment]
        return picture


@dataclass(frozen=True)
class Reading:
    """How a clip is read. video_stream: which of those that show pictures, from 0; None: the default one.

    gaps: whether times without pictures are closed, see `timeline.py`. deinterlace: see `interlacing.py`.
    """

    video_stream: int | None = None
    gaps: Gaps = "auto"
    deinterlace: Deinterlace = "auto"


@dataclass(frozen=True)
class Sound:
    """One audio stream."""

    codec: str
    rate: int  # samples a second
    channels: int


@dataclass(frozen=True)
class VideoStreamFacts:
    """A stream of pictures in a file that has several. Size in pixels as coded."""

    width: int
    height: int
    is_default: bool


@dataclass(frozen=True)
class Clip:
    """The properties of a clip, known without decoding it. Numbers are exact; times count from the clip's start."""

    path: Path
    codec: str
    width: int  # pixels, as displayed
    height: int  # pixels, as displayed
    pixel_aspect: Fraction  # width of a displayed pixel over its height
    turn: Turn
    rate: Fraction  # frames a second; the mean where frames have different lengths
    time_base: Fraction  # seconds of one tick of the video stream
    start: int  # ticks of the clip's start: what the file's time stamps are counted from
    frames: int | None  # what the header says
    duration: Fraction | None  # seconds of the video stream, what the header says
    length: Fraction | None  # seconds of the whole file, what the header says
    sound: tuple[Sound, ...]
    is_full_range: bool
    matrix: int  # colour matrix, primaries and transfer: code points of ITU-T H.273
    primaries: int
    transfer: int
    has_alpha: bool = False
    is_interlaced: bool = False  # what the first frame says of itself
    fields: Fields = ""  # how its frames are made whole where they are interlaced
    container: str = ""  # libav's name of the kind of file
    videos: tuple[VideoStreamFacts, ...] = ()  # all streams of pictures
    video_stream: int = 0  # which of them this clip is
    subtitles: tuple[str, ...] = ()  # kinds
    timecode: str = ""  # of the first frame
    unread: int = 0  # bytes of a second file behind the first one, which are not read
    reading: Reading = field(default_factory=Reading)
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def is_hdr(self) -> bool:
        """Whether its light values are PQ or HLG."""
        return self.transfer in HDR_TRANSFERS

    @property
    def expected_frames(self) -> int | None:
        """How many frames to expect: the header's number, else those that are there; of a file that was cut, and
        where a constant rate has a hole, those that should be there."""
        times = self.timeline
        found = times.packets + (times.missing if times.damaged or times.empty_spans else 0)
        return self.frames or (self._header_frames if self.ends_early else found) or self._header_frames or None

    @property
    def ends_early(self) -> bool:
        """Whether the packets end well before the length in the file's header."""
        expected = self._header_frames
        return expected * 9 > (self.timeline.packets + self.timeline.missing) * 10 + 30 and not self.has_longer_sound

    @property
    def _header_frames(self) -> int:
        """How many frames there are by the header's length; 0 where it has none."""
        length = self.duration or self.length
        return max(1, round(length * self.rate)) if length else 0

    @property
    def has_longer_sound(self) -> bool:
        """Whether the file's length is that of its sound."""
        return self.timeline.reach >= float(self.length or 0) * 0.95
