"""Options of the video stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dfl.base.errors import UserError
from dfl.base.frames import no_frames
from dfl.base.listing import list_pictures
from dfl.base.options import Options, option
from dfl.shared_options import FramesOptions
from dfl.video.timeline import Gaps
from dfl.workspace import Side, Workspace

Label = Literal["none", "corner", "start"]


_VIDEO_STREAM = option(
    None, "Which video stream of a clip that has several, counted from 0; the default one if not given.", minimum=0
)
_GAPS = option(
    "auto",
    "Times without pictures, as where a recorder paused: close moves what follows forward, pictures and sound; "
    "auto closes those of more than 10 seconds in which nothing sounds.",
)
_DEINTERLACE = option(
    "auto",
    "Make whole frames of interlaced ones, one of each: auto does where the frames show two moments, or the file "
    "says so and nothing moves.",
)


class ExtractFramesOptions(FramesOptions):
    """Options of extract-frames."""

    side: Side = option(..., "src: the face that is put in; dst: the video it goes into.", argument=True)
    fps: float = option(
        0.0,
        "Frames a second to take; 0 takes all. Frames are left out by their time, none is taken twice.",
        ask="Frames a second to take, 0 for all",
        only_if={"side": ("src",)},  # a data_dst with frames left out makes a jerky result
        minimum=0,
    )
    format: Literal["png", "jpg"] = option(
        "png", "Picture type: png keeps every value, jpg is several times smaller.", ask="Picture format"
    )
    video_stream: int | None = _VIDEO_STREAM
    gaps: Gaps = _GAPS
    deinterlace: Literal["auto", "on", "off"] = _DEINTERLACE


class EncodingOptions(Options):
    """How a result is encoded and marked."""

    format: Literal["mp4", "mov", "mkv", "avi"] = option(
        "mp4", "Container of result and result_mask.", ask="Video format"
    )
    encoder: Literal[
        "auto",
        "list",
        "libx264",
        "libx265",
        "libsvtav1",
        "prores",
        "ffv1",
        "h264_nvenc",
        "hevc_nvenc",
        "av1_nvenc",
        "h264_qsv",
        "hevc_qsv",
        "av1_qsv",
        "h264_amf",
        "hevc_amf",
        "av1_amf",
        "h264_videotoolbox",
        "hevc_videotoolbox",
    ] = option("auto", "What encodes; auto is libx264; list says what works on this machine, and makes nothing.")
    lossless: bool = option(
        False,
        "Keep every pixel value (H.264 in RGB): for further editing, large, not for every player.",
        ask="Lossless?",
    )
    bitrate: int = option(
        16,
        "Bit rate of the result in megabits a second; prores and ffv1 take what they need.",
        ask="Bit rate in megabits a second",
        only_if={"lossless": (False,)},
        minimum=1,
        maximum=1000,
    )
    crf: int | None = option(
        None,
        "An even quality instead of a bit rate, 0 the best: 18 of libx264 and 21 of libx265 are about alike.",
        minimum=0,
        maximum=63,
    )
    speed: Literal["fast", "medium", "slow"] = option(
        "fast", "How long the encoder may think: slower ones keep more at the same bit rate."
    )
    chroma: Literal["auto", "420", "422", "444"] = option(
        "auto", "Resolution of the colours; auto is 420, which every player knows, and 422 for prores."
    )
    bits: Literal["auto", "8", "10"] = option("auto", "Bits of every value; auto is 8, and 10 for prores.")
    mask: bool = option(True, "Make result_mask, where white is the swapped face, for compositing.")
    alpha: bool = option(
        False,
        "Put the mask into the result's alpha channel, not multiplied in, instead of result_mask: prores and ffv1.",
    )
    label: Label = option(
        "none", 'Write "Contains AI-altered faces" into a corner of every frame, or of the first three seconds.'
    )
    mark: bool = option(True, "Mark the result in a machine-readable way as made (tag, XMP, Content Credentials).")
    certificate: Path | None = option(None, "Your own certificate chain (PEM) to sign the result with.")
    key: Path | None = option(None, "The private key (PEM) of that certificate.")


class MakeVideoOptions(EncodingOptions):
    """Options of make-video."""

    fps: float = option(
        25.0,
        "Frames a second, used only when the frames come neither from extract-frames nor with a data_dst video.",
        minimum=0.1,
        maximum=1000,
    )
    scale: bool = option(
        False, "Scale frames of another size to fit into the size of the first one, with black beside where needed."
    )

    @classmethod
    def check_input(cls, workspace: Path, known: Mapping[str, Any]) -> None:
        """Merged pictures must be there."""
        folder = Workspace(workspace).merged
        if known.get("encoder") != "list" and not list_pictures(folder):
            raise UserError(f"There are no merged frames in {folder}.", "Run 4_merge.bat (`dfl merge`) first.")


class CutVideoOptions(Options):
    """Options of cut-video."""

    file: Path = option(
        ...,
        "The video; src or dst for the clip of the workspace.",
        argument=True,
        ask="Which video: src, dst or a file",
    )
    from_time: str = option(
        "00:00:00.000",
        "Where to begin: hours:minutes:seconds, or seconds.",
        ask="Begin at, as hours:minutes:seconds or in seconds",
    )
    to_time: str = option(
        "00:00:00.000", "Where to end, as --from-time; 0 takes all to the end.", ask="End at, 0 for its end"
    )
    audio_track: int = option(
        -1,
        "Which of the video's sound tracks to take, counted from 0; -1 takes all.",
        ask="Sound track, counted from 0, or -1 for all",
        minimum=-1,
    )
    bitrate: int = option(
        25,
        "Bit rate of the new video in megabits a second.",
        ask="Bit rate in megabits a second",
        minimum=1,
        maximum=1000,
    )
    copy_only: bool = option(
        False,
        "Cut without coding anew: nothing is lost and it takes no time, but it can begin at key frames only.",
    )
    video_stream: int | None = _VIDEO_STREAM
    gaps: Gaps = _GAPS
    deinterlace: Literal["auto", "on", "off"] = _DEINTERLACE

    @classmethod
    def check_answer(cls, name: str, known: Mapping[str, Any]) -> None:
        """A file must be there; src and dst are none."""
        if str(known[name]) not in ("src", "dst"):
            _need_file(name, known)


class DenoiseFramesOptions(FramesOptions):
    """Options of denoise-frames."""

    factor: int = option(
        7, "How much: 1 little to 20 much.", ask="How much, 1 little to 20 much", minimum=1, maximum=20
    )
    keep: bool = option(
        True,
        "Keep the frames as they were in frames_before_denoise.",
        ask="Keep the frames as they were, in frames_before_denoise?",
    )

    @classmethod
    def check_input(cls, workspace: Path, known: Mapping[str, Any]) -> None:
        """Pictures alone can be changed, not a clip."""
        folder = Workspace(workspace).frames(known["side"])
        if not list_pictures(folder):
            raise no_frames(folder, f"Run extract-frames {known['side']} first.")


class VerifyOptions(Options):
    """Options of verify."""

    file: Path = option(..., "The video or picture to look at.", argument=True, ask="Which video or picture")

    @classmethod
    def check_answer(cls, name: str, known: Mapping[str, Any]) -> None:
        """A file must be there."""
        _need_file(name, known)


def _need_file(name: str, known: Mapping[str, Any]) -> None:
    if name == "file" and not Path(known[name]).is_file():
        raise UserError(f"There is no file {known[name]}.", "Name another, or drop it on this window.")
