"""The stage cut-video: write a part of a video as a new file in the same folder."""

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import replacing
from dfl.base.report import Report
from dfl.base.unused_path import unused_path
from dfl.video.account import report_account
from dfl.video.clip import Clip, Reading
from dfl.video.colours import ColourTags
from dfl.video.copy_part import copy_part
from dfl.video.encoders import coding_of, takes_size, works_here
from dfl.video.hdr import hdr_coding, hdr_colours, upright
from dfl.video.marking import COMMENT, SOURCE_TYPE, Marks, mark_result, read_marks
from dfl.video.options import CutVideoOptions, EncodingOptions
from dfl.video.read import CodedFrame, PictureMaker, step_ticks
from dfl.video.read_clip import read_clip
from dfl.video.segments import decode_segment, segments
from dfl.video.sound import SoundCut
from dfl.video.write import Shown, VideoForm, write_video
from dfl.workspace import Workspace

_WRITTEN = (".mp4", ".mov", ".mkv")  # containers for H.264 with variable frame rate; others become mp4
_HALF_MILLISECOND = Fraction(1, 2000)  # tolerance, as times are given in milliseconds: 1.033 means a frame at 1.0333
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?)")


def run(workspace: Workspace, options: CutVideoOptions, report: Report) -> None:
    """Cut a part out of a video; see `dfl cut-video --help`."""
    path = workspace.clip("src" if options.file == Path("src") else "dst") if _is_side(options.file) else options.file
    start, end = _span(options)
    clip = read_clip(path, Reading(options.video_stream, options.gaps, options.deinterlace))
    if not clip.timeline.is_plain or clip.fields or len(clip.videos) > 1:
        report_account(clip, report)
    if clip.length and start >= clip.length:
        raise UserError(f"{path} is {float(clip.length):.3f} s long, it cannot be cut at {float(start):.3f} s.", _TIMES)
    track = _track(clip, options, report)
    suffix = path.suffix if options.copy_only or path.suffix.lower() in _WRITTEN else ".mp4"
    target = unused_path(path.with_name(f"{path.stem}_cut{suffix}"))
    _need_space(clip, target.parent, start, end, options)
    marks = read_marks(path)
    is_made = COMMENT in marks.tag or marks.source_type == SOURCE_TYPE
    with replacing(target) as part:
        if options.copy_only:
            text, frames = _copy(clip, part, start, end, track, report)
        else:
            text, frames = _code(clip, part, (start, end), track, options.bitrate, COMMENT if is_made else "", report)
        now = mark_result(part, path) if is_made else None
    _report_marks(marks, now, target, report)
    report.done(f"{target}: {text}.", frames=frames)


_TIMES = "Give --from-time and --to-time within it, such as 00:01:30.000."


def _is_side(file: Path) -> bool:
    return str(file) in ("src", "dst")


def parse_time(text: str) -> Fraction:
    """Seconds of hours:minutes:seconds.fraction, minutes:seconds or seconds. UserError for anything else."""
    match = _TIME.fullmatch(text.strip()) if text.isascii() else None
    if not match or len(text) > 40:
        raise UserError(f"{text!r} is no time.", "Expected hours:minutes:seconds, such as 00:01:30.500, or seconds.")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(seconds.replace(",", "."))


def _span(options: CutVideoOptions) -> tuple[Fraction, Fraction | None]:
    """Seconds from the clip's start; the end is None for all."""
    start, end = parse_time(options.from_time), parse_time(options.to_time)
    if end and end <= start:
        raise UserError(f"--to-time {options.to_time} is not after --from-time {options.from_time}.", _TIMES)
    return start, end or None


def _track(clip: Clip, options: CutVideoOptions, report: Report) -> int | None:
    if options.audio_track < 0:
        return None
    if clip.sound and options.audio_track >= len(clip.sound):
        report.warn(
            f"{clip.path.name} has {len(clip.sound)} sound tracks, counted from 0, and no {options.audio_track}: the "
            "new video has no sound."
        )
    return options.audio_track


def _need_space(clip: Clip, folder: Path, start: Fraction, end: Fraction | None, options: CutVideoOptions) -> None:
    if options.copy_only:
        wanted = Fraction(clip.path.stat().st_size)
    else:
        wanted = max(Fraction(0), (end or clip.length or Fraction(0)) - start) * options.bitrate * 125_000
    need_space(folder, round(wanted), "The new video")


def _copy(
    clip: Clip, target: Path, start: Fraction, end: Fraction | None, track: int | None, report: Report
) -> tuple[str, int]:
    """Copy packets; returns a text for the summary and the number of frames."""
    copied = copy_part(clip, target, start, end, track)
    for loss in copied.losses:
        report.warn(loss)
    if start - copied.start > Fraction(1, 100):
        report.line(
            f"It begins at the key frame at {float(copied.start):.3f} s, {float(start - copied.start):.3f} s early."
        )
    return f"{copied.frames} frames, from {float(copied.start):.3f} to {float(copied.end):.3f} s, copied", copied.frames


def _code(
    clip: Clip,
    target: Path,
    span: tuple[Fraction, Fraction | None],
    track: int | None,
    bitrate: int,
    comment: str,
    report: Report,
) -> tuple[str, int]:
    """Re-encode the part; returns a text for the summary and the number of frames."""
    start, end = span
    frames = _frames_between(clip, start, end, report)
    first = next(frames, None)
    if first is None:
        raise UserError(f"{clip.path} has no frame from {float(start):.3f} s on.", _TIMES)
    # The new video starts with the first frame; a cut from 0 keeps the offset, as sound may come before it.
    shift = first.ticks if start else 0
    coding, colours = coding_of(EncodingOptions(bitrate=bitrate)), ColourTags.of(clip)
    is_hdr = clip.is_hdr and works_here(hdr_coding(first, bitrate))
    if is_hdr:
        coding, colours = hdr_coding(first, bitrate), hdr_colours(clip)
        report.line(f"{clip.path.name} is HDR, and so is the new video (HEVC of 10 bits).")
    elif clip.is_hdr:
        report.warn(f"{clip.path.name} is HDR: the new video is converted to SDR (BT.709); --copy-only keeps HDR.")
    if not takes_size(coding, clip.height, clip.width):
        size = f"{clip.width} x {clip.height}"
        raise UserError(f"{clip.path} has frames of {size}, more than {coding.codec} takes.", "Add --copy-only.")
    form = VideoForm(coding, clip.time_base, clip.rate, clip.pixel_aspect, colours, comment)
    last = end or clip.duration or clip.length
    total = max(1, round((last - start) * clip.rate)) if last else None
    count = _Count()
    maker = PictureMaker(clip)
    coded = chain([first], frames)
    pictures = upright(coded, clip) if is_hdr else ((frame, maker.make(frame)) for frame in coded)
    shown = report.track(_shown(pictures, shift, step_ticks(clip), count), target.suffix[1:], total)
    sound = SoundCut(clip.path, shift * clip.time_base, end, track, reading=clip.reading)
    for loss in write_video(target, shown, form, sound):
        report.warn(loss)
    seconds = float(count.ticks * clip.time_base)
    return f"{count.frames} frames, {seconds:.3f} s from {float(first.ticks * clip.time_base):.3f} s on", count.frames


class _Count:
    """Number and total duration of the frames that were written."""

    frames = 0
    ticks = 0


def _shown(pictures: Iterator[tuple[CodedFrame, Any]], shift: int, step: int, count: _Count) -> Iterator[Shown]:
    """Pictures with time and duration, which lasts until the next frame. pictures: decoded frames and pictures."""
    now = next(pictures, None)
    while now is not None:
        following = next(pictures, None)
        frame, picture = now
        duration = following[0].ticks - frame.ticks if following else step
        count.frames += 1
        count.ticks += duration
        yield Shown(picture, frame.ticks - shift, duration)
        now = following


def _frames_between(clip: Clip, start: Fraction, end: Fraction | None, report: Report) -> Iterator[CodedFrame]:
    """The frames whose time is in the span; decoding begins at the last key frame before it."""
    low = (start - _HALF_MILLISECOND) / clip.time_base
    high = None if end is None else (end - _HALF_MILLISECOND) / clip.time_base
    parts = [part for part in segments(clip) if part.start is None or part.start - clip.start <= low]
    for frame in decode_segment(clip, replace(parts[-1], end=None), report.warn):
        if high is not None and frame.ticks >= high:
            return
        if frame.ticks >= low:
            yield frame


def _report_marks(marks: Marks, now: Marks | None, target: Path, report: Report) -> None:
    """Report that the mark of synthetic media was copied; other marks are not valid for a changed file."""
    if now is not None:
        report.line(f"{target.name} is {now.line()}, as the video that it was cut from.")
    elif marks.source_type or marks.credentials in ("valid", "changed"):
        report.warn(
            f"The marks of the video (XMP or Content Credentials) are not in {target.name}: it is another file."
        )
