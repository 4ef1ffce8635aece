"""Opens a clip and reads what it is; where it cannot be used, a UserError says why."""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from dfl.base.errors import UserError
from dfl.base.files import reading
from dfl.base.pictures import MAX_EDGE
from dfl.video.boxes import top_level_boxes
from dfl.video.clip import (
    DEFAULT_RATE,
    MAX_PIXELS,
    Clip,
    Reading,
    Sound,
    Turn,
    VideoStreamFacts,
)
from dfl.video.demux import read_packets
from dfl.video.file_kinds import file_kind
from dfl.video.interlacing import Fields, fields_of
from dfl.video.read_timeline import read_timeline
from dfl.video.timeline import Timeline

# Container types that hold a video by themselves. Playlists and scripts, which make libav open other files and
# addresses, are left out on purpose.
CONTAINERS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,gif,flv,asf,ogg,h264,hevc,av1,obu,ivf,m4v,mxf,rm,nut,dv,wtv,apng,"
    "webp_anim,rawvideo"
)
_FILE_STARTS = {"matroska,webm": b"\x1a\x45\xdf\xa3", "flv": b"FLV\x01"}  # how files begin that others can follow
_SEARCHED_BYTES = 2**20  # behind the last packet, for the start of another file


def read_clip(path: Path, reading: Reading | None = None) -> Clip:
    """Read all packets of a clip and decode its first frame; the result is cached while the file is unchanged.

    UserError when there is no video in it that can be decoded.
    """
    need_file(path, "Check the name, or put the clip there.")
    kind = file_kind(path)
    if kind:
        raise UserError(f"{path} is not a video that can be read, but {kind.text}.", kind.todo)
    state = path.stat()
    return _read_clip(path, reading or Reading(), (state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=8)
def _read_clip(path: Path, reading: Reading, stamp: tuple[int, int]) -> Clip:
    """stamp: size and time of change; another one makes a new entry in the cache."""
    del stamp
    timeline = _read_timeline(path, reading)
    with open_clip(path) as container:
        stream = video_stream(container, path, reading.video_stream)
        first = _first_frame(container, stream, path)
        turn = _turn(first)
        width, height = (first.height, first.width) if turn.is_swapped else (first.width, first.height)
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        time_base = stream.time_base or Fraction(1, 90000)
        streams = picture_streams(container)
        is_plain = timeline.has_plain_pictures
        seconds = Fraction(timeline.seconds).limit_denominator(1_000_000)
        return Clip(
            path=path,
            codec=kind_of(stream),
            width=width,
            height=height,
            pixel_aspect=1 / aspect if turn.is_swapped else aspect,
            turn=turn,
            rate=_rate(stream, None if is_plain else (timeline.packets + timeline.missing) / seconds),
            time_base=time_base,
            start=start_ticks(container, time_base),
            # The header's count and length hold only for a file that is one recording.
            frames=(stream.frames or None) if is_plain else timeline.packets,
            duration=(Fraction(stream.duration * time_base) if stream.duration else None) if is_plain else seconds,
            length=(Fraction(container.duration, 1_000_000) if container.duration else None) if is_plain else seconds,
            sound=tuple(_sound(part) for part in container.streams.audio if part.codec_context is not None),
            is_full_range=first.color_range == 2 or first.format.name.startswith("yuvj"),
            matrix=int(first.colorspace),
            primaries=int(first.color_primaries),
            transfer=int(first.color_trc),
            has_alpha=any(part.is_alpha for part in first.format.components),
            is_interlaced=bool(first.interlaced_frame),
            fields=_fields(path, reading, first, is_plain),
            container=container.format.name,
            videos=tuple(_other_video(part) for part in streams),
            video_stream=streams.index(stream),
            subtitles=tuple(kind_of(part) if part.codec_context else "unknown" for part in container.streams.subtitles),
            timecode=_timecode(container, stream),
            unread=_unread(path, container.format.name, timeline),
            reading=reading,
            timeline=timeline,
        )


def _fields(path: Path, reading: Reading, first: Any, is_plain: bool) -> Fields:
    """How interlaced frames are made whole; a sample of them is decoded where that is not known."""
    with open_clip(path) as container:
        stream = video_stream(container, path, reading.video_stream)
        return fields_of(container, stream, first, reading.deinterlace, is_plain)


def _read_timeline(path: Path, reading: Reading) -> Timeline:
    """Read all packets of the streams that are used."""
    with open_clip(path) as container:
        stream = video_stream(container, path, reading.video_stream)
        others = [part for part in (*container.streams.audio, *container.streams.subtitles) if part.codec_context]
        return read_timeline(container, stream, others, reading.gaps, float(container.start_time or 0) / 1_000_000)


def need_file(path: Path, todo: str) -> None:
    """Raise a UserError when there is no file of that name, when it is empty, or when it may not be read."""
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file.", "Name a file in it.")
    if not path.is_file():
        raise UserError(f"{path} is not there.", todo)
    with reading(path), path.open("rb") as handle:
        is_empty = not handle.read(1)
    if is_empty:
        raise UserError(f"{path} is empty (0 bytes).", "Copy or download it again, or make it anew.")


@contextmanager
def open_clip(path: Path) -> Iterator[Any]:
    """Open a clip for reading (av.container.InputContainer). What libav cannot open is a UserError."""
    # A transport stream that goes on under other packet numbers is still one stream, as where two were joined.
    options = {"merge_pmt_versions": "1", "scan_all_pmts": "1"}  # the latter: a stream that begins later is known
    options |= {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        container = av.open(str(path.absolute()), metadata_errors="replace", container_options=options)
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    with container:
        yield container


def picture_streams(container: Any) -> list[Any]:
    """The streams that show pictures; cover pictures of music files, and thumbnails of chapters, do not count."""
    covers = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & covers]


def video_stream(container: Any, path: Path, number: int | None = None) -> Any:
    """The stream that holds the clip's pictures: of that number, else the first that is a default one, else the
    largest."""
    streams = picture_streams(container)
    if not streams:
        what = "has sound but no video" if container.streams.audio else "has no video"
        raise UserError(f"{path} {what} in it.", "Choose a clip that shows a picture when it is played.")
    if number is not None and number >= len(streams):
        raise UserError(
            f"{path} has {len(streams)} {'video stream' if len(streams) == 1 else 'video streams'}, counted from 0, "
            f"and no {number}.",
            "Give another --video-stream, or none for the default.",
        )
    stream = max(streams, key=_rank) if number is None else streams[number]
    if stream.codec_context is None:
        raise UserError(
            f"{path} holds a kind of video that is not known here.", "Convert it to H.264 in an mp4 and try again."
        )
    _check_size(stream.codec_context.width, stream.codec_context.height, path)
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def _rank(stream: Any) -> tuple[bool, bool, int]:
    """The sort key by which a video stream is chosen; of equal ones the first."""
    context = stream.codec_context
    is_default = bool(stream.disposition & av.stream.Disposition.default)
    return context is not None, is_default, context.width * context.height if context and not is_default else 0


def _other_video(stream: Any) -> VideoStreamFacts:
    context = stream.codec_context
    is_default = bool(stream.disposition & av.stream.Disposition.default)
    return VideoStreamFacts(context.width if context else 0, context.height if context else 0, is_default)


def _timecode(container: Any, stream: Any) -> str:
    """What the file says of the first frame's time of day."""
    tagged = (stream, *(part for part in container.streams if part.type == "data"), container)
    tags = ({name.lower(): text for name, text in part.metadata.items()} for part in tagged)  # mkv: in capitals
    return next((found["timecode"] for found in tags if "timecode" in found), "")


def kind_of(stream: Any) -> str:
    """The kind of coding, such as "mp3"; a context's own name is that of the decoder chosen, such as "mp3float"."""
    return str(stream.codec_context.codec.canonical_name)


def start_ticks(container: Any, time_base: Fraction) -> int:
    """The container's start in ticks of a stream's time base: all streams are counted from there."""
    return round(Fraction(container.start_time or 0, 1_000_000) / time_base)


def _check_size(width: int, height: int, path: Path) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_EDGE:
        raise UserError(
            f"{path} says that its frames have {width} x {height} pixels.",
            f"Expected {MAX_PIXELS} pixels at most: convert it to a smaller size.",
        )


def _first_frame(container: Any, stream: Any, path: Path) -> Any:
    """Decode until the first frame comes."""
    try:
        for packet in read_packets(container, stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                continue
            if frames:
                _check_size(frames[0].width, frames[0].height, path)
                return frames[0]
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    raise UserError(f"No frame of {path} can be decoded.", "The file is damaged: copy or download it again.")


def _turn(frame: Any) -> Turn:
    """The frame's display matrix as quarter turns and mirrors (ISO 14496-12: x' = ax + cy, y' = bx + dy)."""
    kind = av.sidedata.sidedata.Type.DISPLAYMATRIX
    if kind not in [part.type for part in frame.side_data]:
        return Turn()
    a, b, _, c, d = np.frombuffer(bytes(frame.side_data[kind]), np.int32)[:5].tolist()
    if abs(b) > abs(a):
        return Turn(True, c < 0, b < 0)
    return Turn(False, a < 0, d < 0)


def _rate(stream: Any, mean: Fraction | None) -> Fraction:
    """Frames a second: the stream's base rate where the mean agrees to half a percent, else the mean.

    mean: the measured one, where the file's own is not reliable.
    """
    mean, base = mean or stream.average_rate or Fraction(0), stream.base_rate or Fraction(0)
    if not mean or abs(base - mean) <= mean / 200:
        mean = base
    return Fraction(mean).limit_denominator(1_000_000) if 0 < mean <= 1000 else DEFAULT_RATE


def _sound(stream: Any) -> Sound:
    context = stream.codec_context
    return Sound(kind_of(stream), int(context.sample_rate or 0), int(context.channels or 0))


def _unreadable(path: Path, error: av.FFmpegError) -> UserError:
    """Why libav could not open or decode a file, and the way out."""
    if isinstance(error, PermissionError | FileNotFoundError | IsADirectoryError):
        return UserError(f"{path} cannot be opened: {error.strerror}.", "Check that it is there and may be read.")
    if _lacks_index(path):
        return UserError(
            f"{path} cannot be played: its index (moov) is missing, so the recording or the copy was cut.",
            "Copy or download it again; a camera's own recording may be saved by a repair tool such as untrunc.",
        )
    return UserError(
        f"{path} is not a video that can be read ({error.strerror}).",
        "Check that it plays in a video player; convert it to mp4 if it does.",
    )


def _unread(path: Path, kind: str, timeline: Timeline) -> int:
    """How many bytes follow the file's own end, as where two files were concatenated; 0 for a few."""
    size = end = path.stat().st_size
    with path.open("rb") as handle:
        if kind in _FILE_STARTS and timeline.end_byte:
            handle.seek(timeline.end_byte)
            found = handle.read(_SEARCHED_BYTES).find(_FILE_STARTS[kind])
            end = timeline.end_byte + found if found >= 0 else size
        elif kind.startswith("mov"):
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
                boxes = list(top_level_boxes(content))
            heads = [box.start for box in boxes if box.kind in (b"ftyp", b"moov")]
            if sum(box.kind == b"moov" for box in boxes) > 1:
                end = heads[-2 if boxes[0].kind == b"ftyp" else -1]
    return size - end if size - end > size // 20 else 0


def _lacks_index(path: Path) -> bool:
    """Whether it starts as an mp4 or mov does and has no moov box."""
    try:
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            kinds = [box.kind for box in top_level_boxes(content)]
    except (OSError, ValueError, struct.error):
        return False
    return b"ftyp" in kinds[:1] and b"moov" not in kinds
