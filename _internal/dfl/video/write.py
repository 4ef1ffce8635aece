"""Write a video from pictures, every frame at its own exact time, with the sound of another clip.

Encoder settings are in encoders.py. What is not RGB is converted by the matrix and the range that the
source has, and tagged as the source is, so that every player shows the result as it shows the source.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import cv2
import numpy as np

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.base.system_errors import to_user_error
from dfl.video.clip import HDR_TRANSFERS
from dfl.video.colours import MATRICES, ColourTags
from dfl.video.encoders import X265_QUIET, Coding, quiet, takes_size
from dfl.video.sound import SoundCut, SoundTrack

_GBR = 0  # ITU-T H.273: RGB, no matrix
_LIMITED, _FULL = 1, 2  # libav's numbers of the two ranges
_AVI_LIMIT = 200  # megabits a second where none was asked for


@dataclass(frozen=True)
class Shown:
    """A picture and when it is shown, in ticks of the form's time base.

    picture: (H, W, 3) uint8 BGR or (H, W, 4) with alpha; or an av.VideoFrame that is coded as it is.
    """

    picture: Picture | Any
    ticks: int
    duration: int


@dataclass(frozen=True)
class VideoForm:
    """How a video is written. `rate` is the frame rate that the header names; `time_base` is seconds of one tick."""

    coding: Coding
    time_base: Fraction
    rate: Fraction
    pixel_aspect: Fraction = Fraction(1)
    colours: ColourTags = field(default_factory=ColourTags)
    comment: str = ""  # goes into the container's tag `comment`


def mask_form(form: VideoForm, size: tuple[int, int]) -> VideoForm:
    """How the mask of a result is written: lossless, of the result's size; as ProRes where the result is ProRes.

    The values lie in the brightness alone, in full range: so they come back exactly. size: height and width.
    """
    coding = form.coding
    if not coding.is_rgb and coding.codec != "prores_ks":
        chroma = "444" if "444" in coding.pixels else "422" if "422" in coding.pixels else "420"
        coding = Coding("libx264", f"yuv{chroma}p", {"qp": "0", "preset": "veryfast", "bf": "0"})
        if not takes_size(coding, *size):  # then the result is of libx265 too
            lossless = {"preset": "ultrafast", "bf": "0", "x265-params": f"{X265_QUIET}:lossless=1"}
            coding = Coding("libx265", coding.pixels, lossless)
    is_full_range = not coding.is_rgb and coding.codec != "prores_ks"
    return replace(form, coding=coding, colours=ColourTags(is_full_range=is_full_range), comment="")


class VideoWriter:
    """A video under way. Use as a context manager; `add` takes pictures in order of time, all of one size.

    Odd sizes are made even by repeating the last row or column where the colours' resolution needs it. `losses` says,
    at the end, what of the sound could not be kept. UserError when the file cannot be written.
    """

    def __init__(self, output: Any, form: VideoForm, track: SoundTrack) -> None:
        self._output, self._form, self._track = output, form, track
        self._pictures = _FrameMaker(form)
        self._stream: Any = None
        self._lengths: dict[int, int] = {}  # of pictures under way, by their time

    @classmethod
    @contextmanager
    def opened(cls, path: Path, form: VideoForm, sound: SoundCut | Path | None = None) -> Iterator[Self]:
        """Begin `path` (.mp4, .mov, .mkv, .avi). `sound`: a clip whose audio streams come along, or a cut of it."""
        with (
            writing(path),
            opened_output(path, form.comment) as output,
            SoundTrack.of(sound, output, path.suffix) as track,
        ):
            writer = cls(output, form, track)
            yield writer
            if writer._stream is None:
                raise UserError(f"{path} would have no frames.", "Run merge first.")
            writer._mux(writer._stream.encode())
            track.mux_until(None)

    def add(self, shown: Shown) -> None:
        """Encode one picture; the sound up to its time goes along."""
        if self._stream is None:
            self._stream = _add_stream(self._output, shown.picture, self._form)
            self._track.add_streams()
        self._track.mux_until(shown.ticks * self._form.time_base)
        self._lengths[shown.ticks] = shown.duration
        self._mux(self._stream.encode(self._pictures.make(shown)))

    def _mux(self, packets: list[Any]) -> None:
        """Write packets; not every encoder says how long a picture is shown, and the last one would be guessed."""
        for packet in packets:
            packet.duration = self._lengths.pop(packet.pts)
            self._output.mux(packet)

    @property
    def losses(self) -> list[str]:
        """What of the sound could not be kept, in words."""
        return self._track.losses


def write_video(
    path: Path, frames: Iterable[Shown], form: VideoForm, sound: SoundCut | Path | None = None
) -> list[str]:
    """Write `frames` to `path`, as VideoWriter does; returns what could not be kept, in words."""
    with VideoWriter.opened(path, form, sound) as writer:
        for shown in frames:
            writer.add(shown)
    return writer.losses


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn libav's errors while `path` is written into words."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError) and error.errno and 0 < error.errno < 200:
            raise to_user_error(error, path) from error
        raise UserError(
            f"{path} cannot be written: {error}.", "Try another container (--format mkv takes nearly everything)."
        ) from error


def even_size(picture: Picture, coding: Coding) -> Picture:
    """Repeat the last column or row of an odd size where the coding needs even ones."""
    height, width = picture.shape[:2]
    right, below = (
        length % 2 if is_even else 0 for length, is_even in zip((width, height), coding.even_edges, strict=True)
    )
    if not right and not below:
        return picture
    return cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def fitted(picture: Picture, height: int, width: int) -> Picture:
    """The picture scaled to fit into a size, its shape kept, centred on black."""
    if picture.shape[:2] == (height, width):
        return picture
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    made: Picture = np.zeros((height, width, *picture.shape[2:]), np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    made[top : top + size[1], left : left + size[0]] = scaled
    return made


@contextmanager
def opened_output(path: Path, comment: str) -> Iterator[Any]:
    """The output container. An mp4 gets its index in front, so that it starts to play while it is loaded."""
    options = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    if path.suffix in (".mkv", ".avi"):
        options["avoid_negative_ts"] = "disabled"  # else a lead-in of the sound would move every frame
    with av.open(str(path), "w", container_options=options) as output:
        if comment:
            output.metadata["comment"] = comment
        yield output


def _add_stream(output: Any, picture: Any, form: VideoForm) -> Any:
    """The video stream, its size, times and colour tags."""
    coding, colours = form.coding, form.colours
    is_frame = isinstance(picture, av.VideoFrame)
    if colours.transfer in HDR_TRANSFERS and not is_frame:
        raise UserError("HDR cannot be written: frames have 8 bits.", "Take the frames of the clip out again.")
    options = dict(coding.options)
    if coding.codec == "libx264" and output.format.name == "avi" and "qp" not in options:
        # Only with these time codes in the stream does libav read an avi's first frame at time 0, and not one later.
        megabits = int(options["b"].removesuffix("M")) if "b" in options else _AVI_LIMIT
        options["x264-params"] = f"nal-hrd=vbr:vbv-maxrate={2000 * megabits}:vbv-bufsize={4000 * megabits}"
    quiet()
    stream = output.add_stream(coding.codec, rate=form.rate, options=options)
    size = (picture.height, picture.width) if is_frame else even_size(picture, coding).shape[:2]
    stream.height, stream.width = size
    context = stream.codec_context
    context.pix_fmt = coding.pixels
    if "hevc" in coding.codec or "265" in coding.codec:
        context.codec_tag = "hvc1" if output.format.name in ("mp4", "mov") else context.codec_tag
    stream.time_base = context.time_base = form.time_base
    context.sample_aspect_ratio = form.pixel_aspect
    context.colorspace = _GBR if coding.is_rgb else colours.matrix
    context.color_range = _FULL if coding.is_rgb or colours.is_full_range else _LIMITED
    context.color_primaries, context.color_trc = colours.primaries, colours.transfer
    return stream


class _FrameMaker:
    """Makes libav's frames of shown pictures.

    To YUV through the filter `scale`, not through VideoReformatter: only there can the chroma samples be put where
    H.264 decoders expect them (left); otherwise colours move by half a pixel each time a clip is decoded and coded.
    """

    def __init__(self, form: VideoForm) -> None:
        self._form = form
        self._graph: Any = None

    def make(self, shown: Shown) -> Any:
        """The frame with its time."""
        if isinstance(shown.picture, av.VideoFrame):
            return self._with_times(shown.picture, shown)
        picture = even_size(shown.picture, self._form.coding)
        pixels = "bgr24" if picture.shape[2] == 3 else "bgra"
        frame: Any = av.VideoFrame.from_ndarray(picture, format=pixels)
        if self._form.coding.pixels != pixels:
            frame.color_range, frame.time_base = _FULL, self._form.time_base
            if self._graph is None:
                self._graph = self._make_graph(frame)
            self._graph.push(frame)
            frame = self._graph.pull()
        # ProRes takes its tags from here.
        frame.color_primaries, frame.color_trc = self._form.colours.primaries, self._form.colours.transfer
        return self._with_times(frame, shown)

    def _with_times(self, frame: Any, shown: Shown) -> Any:
        frame.pts, frame.duration, frame.time_base = shown.ticks, shown.duration, self._form.time_base
        frame.pict_type = 0  # else the encoder would take over the source's kinds of frames
        return frame

    def _make_graph(self, frame: Any) -> Any:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=self._form.time_base
        )
        colours, pixels = self._form.colours, self._form.coding.pixels
        scale_options = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
        if not self._form.coding.is_rgb:
            reach = "pc" if colours.is_full_range else "tv"
            scale_options += f":out_color_matrix={MATRICES[colours.matrix]}:out_range={reach}:out_chroma_loc=left"
        nodes = source, graph.add("scale", scale_options), graph.add("format", pixels), graph.add("buffersink")
        graph.link_nodes(*nodes).configure()
        return graph
