"""Write a video from pictures, every frame at its own exact time, with the sound of another clip.

Three forms, all H.264, since it plays everywhere and is in every build of libav:
- ordinary: yuv420p, BT.709 matrix, limited range, tagged so;
- mask: the same at a fixed fine quantiser, so that a compositing program gets clean edges;
- lossless: libx264rgb with quantiser 0, which gives back every RGB value (the original's "lossless" rounds to YUV).
Frames are never reordered (no B-frames): at these bit rates nothing is lost by it, every container then keeps
length and times exactly, and editors cut anywhere.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2

from dfl.base.errors import UserError
from dfl.base.files import mendable
from dfl.base.pictures import Picture
from dfl.video.clip import BT709, HDR_TRANSFERS
from dfl.video.sound import SoundCut, SoundTrack

Kind = Literal["ordinary", "mask", "lossless"]
_GBR = 0  # ITU-T H.273: RGB, no matrix
_LIMITED, _FULL = 1, 2  # libav's numbers of the two ranges
MASK_QUANTISER = 4  # measured on soft masks: mean error under 0.2 of 255


@dataclass(frozen=True)
class Shown:
    """A picture (H, W, 3) uint8 BGR and when it is shown, in ticks of the form's time base."""

    picture: Picture
    ticks: int
    duration: int


@dataclass(frozen=True)
class VideoForm:
    """How a video is written. `rate` is the frame rate that the header names; `time_base` is seconds of one tick."""

    kind: Kind
    bitrate: int  # megabits a second, for "ordinary"
    time_base: Fraction
    rate: Fraction
    pixel_aspect: Fraction = Fraction(1)
    primaries: int = BT709  # of the pictures, ITU-T H.273
    transfer: int = BT709
    comment: str = ""  # goes into the container's tag `comment`


def write_video(
    path: Path, frames: Iterable[Shown], form: VideoForm, sound: SoundCut | Path | None = None
) -> list[str]:
    """Write `frames`, all of one size and in order of time, to `path` (.mp4, .mov, .mkv, .avi).

    `sound`: a clip whose audio streams are taken along, or a cut of it. Odd sizes are made even by repeating the last
    row or column, except in the lossless form. Returns what could not be kept, in words. UserError when the file cannot
    be written.
    """
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise UserError(f"{path} would have no frames.", "Run merge first.")
    try:
        with _opened(path, form) as output, SoundTrack.of(sound, output, path.suffix) as track:
            stream = _add_stream(output, first.picture, form)
            track.add_streams()
            pictures = _FrameMaker(form)
            for shown in _with_first(first, rest):
                track.mux_until(shown.ticks * form.time_base)
                output.mux(stream.encode(pictures.make(shown)))
            output.mux(stream.encode())
            track.mux_until(None)
            return track.losses
    except av.FFmpegError as error:
        if isinstance(error, OSError) and error.errno and error.errno > 0 and error.errno < 200:
            raise mendable(error, path) from error
        raise UserError(
            f"{path} cannot be written: {error}.", "Try another container (--format mkv takes nearly everything)."
        ) from error


def even_size(picture: Picture) -> Picture:
    """Repeat the last column or row where the size is odd: 4:2:0 video has even sizes only."""
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture
    return cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[return-value]


@contextmanager
def _opened(path: Path, form: VideoForm) -> Iterator[Any]:
    """The output container. An mp4 gets its index in front, so that it starts to play while it is loaded."""
    options = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    if path.suffix in (".mkv", ".avi"):
        options["avoid_negative_ts"] = "disabled"  # else a lead-in of the sound would move every frame
    with av.open(str(path), "w", container_options=options) as output:
        if form.comment:
            output.metadata["comment"] = form.comment
        yield output


def _add_stream(output: Any, picture: Picture, form: VideoForm) -> Any:
    """The video stream, its size, times and colour tags."""
    options = {
        "ordinary": {"b": f"{form.bitrate}M", "preset": "veryfast"},
        "mask": {"qp": str(MASK_QUANTISER), "preset": "veryfast"},
        "lossless": {"qp": "0", "preset": "ultrafast"},
    }[form.kind]
    if form.kind == "ordinary" and output.format.name == "avi":
        # Only with these time codes in the stream does libav read an avi's first frame at time 0, and not one later.
        limit = f"vbv-maxrate={2000 * form.bitrate}:vbv-bufsize={4000 * form.bitrate}"
        options["x264-params"] = f"nal-hrd=vbr:{limit}"
    codec = "libx264rgb" if form.kind == "lossless" else "libx264"
    stream = output.add_stream(codec, rate=form.rate, options=options | {"bf": "0"})
    shaped = picture if form.kind == "lossless" else even_size(picture)
    stream.height, stream.width = shaped.shape[:2]
    context = stream.codec_context
    context.pix_fmt = "bgr24" if form.kind == "lossless" else "yuv420p"
    stream.time_base = context.time_base = form.time_base
    context.flags |= av.codec.context.Flags.frame_duration  # else the last frame's length is guessed
    context.sample_aspect_ratio = form.pixel_aspect
    context.colorspace = _GBR if form.kind == "lossless" else BT709
    context.color_range = _FULL if form.kind == "lossless" else _LIMITED
    context.color_primaries = _tag(form.primaries)
    context.color_trc = _tag(form.transfer)
    return stream


def _tag(code: int) -> int:
    """A colour tag of the source for the result: BT.709 where the source names none."""
    return code if 1 <= code <= 17 and code not in (2, 3, *HDR_TRANSFERS) else BT709


def _with_first(first: Shown, rest: Iterator[Shown]) -> Iterator[Shown]:
    yield first
    yield from rest


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
        is_rgb = self._form.kind == "lossless"
        picture = shown.picture if is_rgb else even_size(shown.picture)
        frame: Any = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts, frame.duration, frame.time_base = shown.ticks, shown.duration, self._form.time_base
        if is_rgb:
            return frame
        frame.color_range = _FULL
        if self._graph is None:
            self._graph = self._make_graph(frame)
        self._graph.push(frame)
        made = self._graph.pull()
        made.pts, made.duration, made.time_base = shown.ticks, shown.duration, self._form.time_base
        return made

    def _make_graph(self, frame: Any) -> Any:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=self._form.time_base
        )
        flags = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
        scale = graph.add("scale", f"out_color_matrix=bt709:out_range=tv:out_chroma_loc=left:flags={flags}")
        graph.link_nodes(source, scale, graph.add("format", "yuv420p"), graph.add("buffersink")).configure()
        return graph
