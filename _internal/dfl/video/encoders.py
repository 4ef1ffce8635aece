"""The encoders that a result can be written by: what each takes, and whether it works on this machine.

A build of libav may lack an encoder, and one for a graphics card may be there without the card; so an encoder counts
as working only after a trial frame came back as it was.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.video.options import EncodingOptions

_EVERYWHERE = (".mp4", ".mov", ".mkv", ".avi")
_NEWER = (".mp4", ".mov", ".mkv")
_TRIAL_SIZE = 256  # pixels; encoders of graphics cards refuse smaller ones
_TRIAL_ERROR = 12  # of 255: more than any encoder loses of a smooth ramp, less than a wrong picture
_CARD_MAKERS = {"nvenc": "NVIDIA", "qsv": "Intel", "amf": "AMD", "videotoolbox": "Apple"}
_RGB = ("bgr24", "bgr0", "bgra", "gbrp")


@dataclass(frozen=True)
class VideoEncoder:
    """One choice of --encoder. Option values hold `{}` for the number; `formats` is by (chroma, bits), default first.

    `lossless`: codec, pixel format and options that keep every RGB value; `alpha`: pixel format and options that add
    an alpha channel; None where there are none.
    """

    codec: str  # libav's name
    suffixes: tuple[str, ...]
    formats: dict[tuple[str, str], str]
    speeds: dict[str, dict[str, str]] = field(default_factory=dict)
    quality: dict[str, str] | None = None
    bitrate: dict[str, str] | None = None
    fixed: dict[str, str] = field(default_factory=dict)
    lossless: tuple[str, str, dict[str, str]] | None = None
    alpha: tuple[str, dict[str, str]] | None = None


@dataclass(frozen=True)
class Coding:
    """Encoder settings for libav: codec, pixel format and options."""

    codec: str
    pixels: str
    options: dict[str, str]

    @property
    def is_rgb(self) -> bool:
        return self.pixels in _RGB

    @property
    def even_edges(self) -> tuple[bool, bool]:
        """Whether width and height must be even, as the colours have half the resolution there."""
        is_420 = "420" in self.pixels or self.pixels in ("nv12", "p010le")
        return is_420 or "422" in self.pixels, is_420


def _presets(fast: str, medium: str, slow: str, name: str = "preset") -> dict[str, dict[str, str]]:
    return {"fast": {name: fast}, "medium": {name: medium}, "slow": {name: slow}}


def _planar(*kinds: str) -> dict[tuple[str, str], str]:
    """Pixel formats of kinds such as "420-10"."""
    pairs = [kind.split("-") for kind in kinds]
    return {(chroma, bits): f"yuv{chroma}p{'10le' if bits == '10' else ''}" for chroma, bits in pairs}


_SIX = _planar("420-8", "422-8", "444-8", "420-10", "422-10", "444-10")
X265_QUIET = "log-level=none"
_FFV1 = {"level": "3", "slicecrc": "1"}
_CARD_8, _CARD_10 = {("420", "8"): "nv12"}, {("420", "8"): "nv12", ("420", "10"): "p010le"}
_TO_BITRATE = {"b": "{}M"}
# Frames are never reordered (bf 0): every container then keeps length and times exactly, and editors cut anywhere.
_IN_ORDER = {"bf": "0"}


def _nvenc(codec: str, suffixes: tuple[str, ...], formats: dict[tuple[str, str], str]) -> VideoEncoder:
    quality = {"rc": "vbr", "cq": "{}", "b": "0"}
    return VideoEncoder(
        codec, suffixes, formats, _presets("p2", "p4", "p6"), quality, _TO_BITRATE | {"rc": "vbr"}, _IN_ORDER
    )


def _qsv(codec: str, suffixes: tuple[str, ...], formats: dict[tuple[str, str], str]) -> VideoEncoder:
    speeds = _presets("veryfast", "medium", "slow")
    return VideoEncoder(codec, suffixes, formats, speeds, {"global_quality": "{}"}, _TO_BITRATE, _IN_ORDER)


def _amf(codec: str, suffixes: tuple[str, ...], formats: dict[tuple[str, str], str]) -> VideoEncoder:
    speeds = _presets("speed", "balanced", "quality", name="quality")
    quality = {"rc": "cqp", "qp_i": "{}", "qp_p": "{}"}
    return VideoEncoder(codec, suffixes, formats, speeds, quality, _TO_BITRATE | {"rc": "vbr_peak"}, _IN_ORDER)


ENCODERS: dict[str, VideoEncoder] = {
    "libx264": VideoEncoder(
        "libx264",
        _EVERYWHERE,
        _SIX,
        _presets("veryfast", "medium", "slow"),
        {"crf": "{}"},
        _TO_BITRATE,
        _IN_ORDER,
        ("libx264rgb", "bgr24", {"qp": "0", "preset": "ultrafast", "bf": "0"}),
    ),
    "libx265": VideoEncoder(
        "libx265",
        _NEWER,
        _SIX,
        _presets("veryfast", "medium", "slow"),
        {"crf": "{}"},
        _TO_BITRATE,
        _IN_ORDER | {"x265-params": f"{X265_QUIET}:open-gop=0"},
        ("libx265", "gbrp", {"preset": "ultrafast", "bf": "0", "x265-params": f"{X265_QUIET}:lossless=1"}),
    ),
    "libsvtav1": VideoEncoder(
        "libsvtav1",
        (".mp4", ".mkv"),
        _planar("420-8", "420-10"),
        _presets("10", "7", "5"),
        {"crf": "{}"},
        _TO_BITRATE,
    ),
    # Profile HQ and 4444 by pixel format: about 220 and 330 Mbit/s at 1920x1080, 30 frames a second.
    "prores": VideoEncoder(
        "prores_ks",
        (".mov", ".mkv"),
        _planar("422-10", "444-10"),
        fixed={"vendor": "apl0"},
        alpha=("yuva444p10le", {"vendor": "apl0", "alpha_bits": "16"}),
    ),
    "ffv1": VideoEncoder("ffv1", (".mkv", ".avi"), {}, lossless=("ffv1", "bgr0", _FFV1), alpha=("bgra", _FFV1)),
    "h264_nvenc": _nvenc("h264_nvenc", _NEWER, _planar("420-8", "444-8")),
    "hevc_nvenc": _nvenc("hevc_nvenc", _NEWER, {("420", "8"): "yuv420p", ("420", "10"): "p010le"}),
    "av1_nvenc": _nvenc("av1_nvenc", (".mp4", ".mkv"), {("420", "8"): "yuv420p", ("420", "10"): "p010le"}),
    "h264_qsv": _qsv("h264_qsv", _NEWER, _CARD_8),
    "hevc_qsv": _qsv("hevc_qsv", _NEWER, _CARD_10),
    "av1_qsv": _qsv("av1_qsv", (".mp4", ".mkv"), _CARD_10),
    "h264_amf": _amf("h264_amf", _NEWER, _CARD_8),
    "hevc_amf": _amf("hevc_amf", _NEWER, _CARD_10),
    "av1_amf": _amf("av1_amf", (".mp4", ".mkv"), _CARD_10),
    # Constant quality is known to some of Apple's processors only.
    "h264_videotoolbox": VideoEncoder("h264_videotoolbox", _NEWER, _CARD_8, bitrate=_TO_BITRATE, fixed=_IN_ORDER),
    "hevc_videotoolbox": VideoEncoder("hevc_videotoolbox", _NEWER, _CARD_10, bitrate=_TO_BITRATE, fixed=_IN_ORDER),
}


def coding_of(options: EncodingOptions) -> Coding:
    """The encoder settings for a stage's options. UserError when they do not go together; nothing is tried."""
    name = "libx264" if options.encoder == "auto" else options.encoder
    encoder, suffix = ENCODERS[name], f".{options.format}"
    if suffix not in encoder.suffixes:
        kinds = " or ".join(kind[1:] for kind in encoder.suffixes)
        raise UserError(f"What {name} makes does not go into {options.format}.", f"Choose --format {kinds}.")
    if options.alpha:
        if encoder.alpha is None or (options.lossless and encoder.lossless is None):
            able = ", ".join(key for key, choice in ENCODERS.items() if choice.alpha)
            raise UserError(f"{name} cannot keep an alpha channel so.", f"--alpha goes with --encoder {able}.")
        return Coding(encoder.codec, *encoder.alpha)
    if options.lossless or not encoder.formats:
        if encoder.lossless is None:
            able = ", ".join(key for key, choice in ENCODERS.items() if choice.lossless)
            raise UserError(f"{name} cannot keep every value of a picture.", f"--lossless goes with --encoder {able}.")
        return Coding(*encoder.lossless)
    settings = encoder.fixed | encoder.speeds.get(options.speed, {})
    number, values = (options.bitrate, encoder.bitrate) if options.crf is None else (options.crf, encoder.quality)
    if options.crf is not None and values is None:
        raise UserError(f"{name} knows no --crf.", "Leave it out.")
    settings |= {key: value.format(number) for key, value in (values or {}).items()}
    return Coding(encoder.codec, _pixels(name, encoder, options), settings)


def _pixels(name: str, encoder: VideoEncoder, options: EncodingOptions) -> str:
    """The first pixel format that has the chroma and the bits that are wanted."""
    for (chroma, bits), pixels in encoder.formats.items():
        if options.chroma in ("auto", chroma) and options.bits in ("auto", bits):
            return pixels
    able = ", ".join(f"{chroma} with {bits} bits" for chroma, bits in encoder.formats)
    raise UserError(f"{name} takes no --chroma {options.chroma} --bits {options.bits}.", f"It takes {able}.")


def quiet() -> None:
    """Keep SVT-AV1 from writing to the terminal; the others have options for it."""
    os.environ.setdefault("SVT_LOG", "0")


def need_encoder(coding: Coding, size: tuple[int, int] | None = None) -> None:
    """Raise a UserError when this machine cannot encode so; says which encoders it has.

    size: height and width of the pictures, where they are known.
    """
    problem = _problem(coding.codec, coding.pixels, tuple(sorted(coding.options.items())))
    if problem:
        usable = ", ".join(name for name, why in tried_encoders() if not why)
        raise UserError(
            f"{coding.codec} cannot be used here ({coding.pixels}): {problem}", f"--encoder can be: {usable}."
        )
    if size and not takes_size(coding, *size):
        raise UserError(
            f"{coding.codec} takes no pictures of {size[1]} x {size[0]} pixels.",
            f"Encoders that do: {', '.join(encoders_for(*size)) or 'none'}.",
        )


def works_here(coding: Coding) -> bool:
    """Whether this machine can encode so."""
    return not _problem(coding.codec, coding.pixels, tuple(sorted(coding.options.items())))


def takes_size(coding: Coding, height: int, width: int) -> bool:
    """Whether an encoder can be opened for pictures of that size, made even where it needs that."""
    quiet()
    right, below = coding.even_edges
    context: Any = av.CodecContext.create(coding.codec, "w")
    context.width, context.height = width + (width % 2) * right, height + (height % 2) * below
    context.pix_fmt, context.time_base, context.framerate = coding.pixels, Fraction(1, 25), Fraction(25)
    context.options = dict(coding.options)
    try:
        context.open()
    except (av.FFmpegError, ValueError):
        return False
    return True


def encoders_for(height: int, width: int) -> list[str]:
    """The choices of --encoder that work here for pictures of that size, each with its --format.

    Limits hold for each edge, so strips are tried: opened for 16384 x 8192 pixels, some take gigabytes.
    """
    able = []
    for name, why in tried_encoders():
        formats = [suffix[1:] for suffix in ENCODERS[name].suffixes]
        coding = coding_of(EncodingOptions.model_validate({"encoder": name, "format": formats[0]}))
        if not why and takes_size(coding, height, min(width, 64)) and takes_size(coding, min(height, 64), width):
            able.append(f"--encoder {name} --format {formats[0]}")
    return able


def list_encoders(report: Report) -> None:
    """List every encoder: whether it works here, and what it takes."""
    for name, why in tried_encoders():
        encoder = ENCODERS[name]
        kinds = ", ".join(f"{chroma} {bits}-bit" for chroma, bits in encoder.formats)
        takes = "; ".join(part for part in (kinds, "lossless" if encoder.lossless else "") if part)
        containers = ", ".join(suffix[1:] for suffix in encoder.suffixes)
        report.line(f"{name}: {f'not here: {why}' if why else f'{takes}; into {containers}'}")


def tried_encoders() -> Iterator[tuple[str, str]]:
    """Every choice of --encoder, and why it cannot be used here (empty: it can)."""
    for name, encoder in ENCODERS.items():
        suffix = encoder.suffixes[0][1:]
        coding = coding_of(EncodingOptions.model_validate({"encoder": name, "format": suffix}))
        yield name, _problem(coding.codec, coding.pixels, tuple(sorted(coding.options.items())))


@cache
def _problem(codec: str, pixels: str, options: tuple[tuple[str, str], ...]) -> str:
    """Why one frame does not come back from this encoder; empty when it does."""
    quiet()
    ramp = np.add.outer(np.arange(_TRIAL_SIZE), np.arange(_TRIAL_SIZE)) * (200 / (2 * _TRIAL_SIZE)) + 28
    picture = np.repeat(ramp.astype(np.uint8)[:, :, None], 3, axis=2)
    try:
        context: Any = av.CodecContext.create(codec, "w")
        context.width = context.height = _TRIAL_SIZE
        context.pix_fmt, context.time_base, context.framerate = pixels, Fraction(1, 25), Fraction(25)
        context.options = dict(options)
        frame: Any = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=pixels)
        frame.pts, frame.time_base = 0, context.time_base
        packets = context.encode(frame) + context.encode(None)
        back = _decoded(context, packets)
    except (av.FFmpegError, ValueError, IndexError) as error:
        return _reason(codec, error)
    if back is None or np.abs(back.astype(np.int16) - picture).mean() > _TRIAL_ERROR:
        return "the frame that it was tried with came back wrong."
    return ""


def _reason(codec: str, error: Exception) -> str:
    """What libav's error means, in words."""
    if isinstance(error, av.codec.codec.UnknownCodecError):
        return "this build of libav lacks it."
    maker = _CARD_MAKERS.get(codec.rpartition("_")[2])
    if maker:
        return f"it needs a graphics card of {maker} that can do it, and its driver."
    return f"{getattr(error, 'strerror', None) or error}."


def _decoded(encoder: Any, packets: list[Any]) -> Any:
    """The frame (H, W, 3) uint8 BGR that the packets hold; None without one."""
    kind = encoder.codec.canonical_name
    decoder: Any = av.CodecContext.create("libdav1d" if kind == "av1" else kind, "r")  # libav's own needs a card
    decoder.extradata = encoder.extradata
    decoder.width, decoder.height, decoder.pix_fmt = encoder.width, encoder.height, encoder.pix_fmt
    frames = [frame for packet in packets for frame in decoder.decode(packet)] + list(decoder.decode(None))
    return frames[0].to_ndarray(format="bgr24") if frames else None
