"""A clip's properties and defects in a few lines, for extract-frames and the doctor."""

from collections.abc import Iterator
from fractions import Fraction

from dfl.base.report import Report
from dfl.video.clip import Clip
from dfl.video.picture_runs import PAUSE_SECONDS
from dfl.video.timeline import Gap, SoundTimes

_LATE_SECONDS = 0.1
_NEAR_SECONDS = 1.5  # what is missing so near to damage is reported with it
_CHANNELS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_SHOWN_TIMES = 3  # of joins and the like


def report_account(clip: Clip, report: Report) -> None:
    """Report all of it."""
    for text in account(clip):
        report.line(text)
    for text in account_warnings(clip):
        report.warn(text)


def account(clip: Clip) -> Iterator[str]:
    """What the clip is: pictures, sound, what else is in it, and what was done to its times."""
    name = clip.path.name
    yield f"{name}: {_pictures(clip)}"
    if len(clip.videos) > 1:
        yield f"{name} has {len(clip.videos)} video streams: {_streams(clip)}. --video-stream takes another."
    if clip.sound:
        yield f"Sound: {'; '.join(_sounds(clip))}"
    more = [f"subtitles ({', '.join(clip.subtitles)})"] if clip.subtitles else []
    more += [f"timecode {clip.timecode}"] if clip.timecode else []
    if more:
        yield f"Besides: {', '.join(more)}"
    if clip.fields:
        is_film = clip.fields.startswith("film")
        what = "film brought to video by repeated fields (telecine)" if is_film else "interlaced"
        done = (
            "its frames are put together again" if is_film else "its frames are deinterlaced, the first field of each"
        )
        yield f"{name} is {what}: {done}. --deinterlace off leaves them as they are."
    elif clip.is_interlaced and clip.reading.deinterlace == "auto":
        yield f"{name} calls itself interlaced, but its frames are whole: they are left so."
    times = clip.timeline
    if times.joins:
        yield (
            f"{name} is {len(times.joins) + 1} recordings joined, whose times begin anew "
            f"({_times_in_words([join.at for join in times.joins])}): they follow each other, pictures and sound alike."
        )


def account_warnings(clip: Clip) -> Iterator[str]:
    """What is lost, missing or doubtful in the clip."""
    name, times = clip.path.name, clip.timeline
    if clip.is_hdr:
        yield f"{name} is HDR video: its frames are mapped to ordinary (BT.709) colours."
    if clip.has_alpha:
        yield f"{name} has transparency (alpha): frames have none, what was transparent shows what lies behind it."
    if clip.is_interlaced and not clip.fields and clip.reading.deinterlace == "off":
        yield f"{name} is interlaced, and its frames are left so: where something moves they show combs, as the result."
    if abs(clip.pixel_aspect - 1) > Fraction(1, 100):
        yield f"{name} has pixels that are not square: the frames keep them, the result says so."
    reported = list(times.damaged)
    yield from _gaps(name, [gap for gap in times.gaps if gap.is_closed or not _is_near(gap.at, reported)])
    reported += [gap.at for gap in times.gaps if gap.is_closed or not gap.has_sound]
    empty_spans = [(at, length) for at, length in times.empty_spans if not _is_near(at, reported)]
    if empty_spans:
        where = _times_in_words([at for at, _ in empty_spans])
        yield f"{name} has neither pictures nor sound for {sum(length for _, length in empty_spans):.2f} s ({where})."
    if times.damaged:
        lost = f", about {times.missing} frames are missing" if times.missing else ""
        yield f"{name} is damaged ({_times_in_words(list(times.damaged))}){lost}. Copy or download it again if you can."
    if clip.unread:
        share = f"{100 * clip.unread / clip.path.stat().st_size:.0f} %"
        yield (
            f"{name} looks like several files put one behind the other: the last {share} of it are not read, or not "
            "all of it. Join them with a video program."
        )
    if clip.ends_early and times.packets:
        length = float(clip.duration or clip.length or 0)
        yield f"{name} can be read up to {times.seconds:.2f} s of {length:.2f} s: it is damaged or was cut."
    for number, sound in enumerate(times.sounds):
        which = "The sound" if len(times.sounds) == 1 else f"Sound track {number}"
        lacking = [gap for gap in sound.gaps if not _is_near(gap[0], reported)]
        for what in _irregularities(sound, lacking, bool(times.joins or times.gaps)):
            yield f"{which} of {name} {what}"


def _pictures(clip: Clip) -> str:
    seconds = clip.duration or clip.length
    length = f", {float(seconds):.2f} s" if seconds else ""
    turned = f", turned {clip.turn.clockwise_degrees} degrees as the file says" if clip.turn.clockwise_degrees else ""
    rate = f"{float(clip.rate):.3f}".rstrip("0").rstrip(".")
    return f"{clip.width} x {clip.height}, {rate} frames a second{length}, {clip.codec}{turned}"


def _streams(clip: Clip) -> str:
    reported = []
    for number, video in enumerate(clip.videos):
        what = f"{number} ({video.width} x {video.height}{', the default' if video.is_default else ''})"
        reported.append(f"{what} is taken" if number == clip.video_stream else what)
    return ", ".join(reported)


def _sounds(clip: Clip) -> Iterator[str]:
    for sound in clip.sound:
        yield f"{sound.codec}, {sound.rate} Hz, {_CHANNELS.get(sound.channels, f'{sound.channels} channels')}"


def _gaps(name: str, gaps: list[Gap]) -> Iterator[str]:
    """What is done with times without pictures. Short ones with sound are usual in clips of variable frame rate."""
    closed = [gap for gap in gaps if gap.is_closed]
    if closed:
        yield (
            f"{_lacks_pictures(name, closed)}: the recording paused. What follows was moved forward; --gaps keep "
            "leaves it."
        )
    silent = [gap for gap in gaps if not gap.is_closed and not gap.has_sound]
    sounding = [gap for gap in gaps if not gap.is_closed and gap.has_sound and gap.length >= PAUSE_SECONDS]
    for found, what in ((silent, "nothing sounds"), (sounding, "sound goes on")):
        if found:
            yield (
                f"{_lacks_pictures(name, found)} ({what}): the picture before stands as long. --gaps close moves what "
                "follows forward."
            )


def _lacks_pictures(name: str, gaps: list[Gap]) -> str:
    length = sum(gap.length for gap in gaps)
    text = f"{length / 3600:.2f} hours" if length >= 3600 else f"{length:.2f} s"
    return f"{name} has no pictures for {text}, {_times_in_words([gap.at for gap in gaps])}"


def _is_near(at: float, others: list[float]) -> bool:
    return any(abs(at - other) <= _NEAR_SECONDS for other in others)


def _irregularities(sound: SoundTimes, gaps: list[tuple[float, float]], is_joined: bool) -> Iterator[str]:
    """Irregularities of a sound stream, as the end of a sentence. gaps: those that were not reported with others."""
    if sound.late > _LATE_SECONDS:
        yield f"begins {sound.late:.2f} s after the pictures."
    lacking = sum(length for _, length in gaps)
    if lacking > _LATE_SECONDS:
        yield f"lacks {lacking:.2f} s ({_times_in_words([at for at, _ in gaps])})."
    if sound.trimmed > (0.05 if is_joined else 0):
        yield f"overlaps itself: {sound.trimmed:.2f} s that would be heard twice are left out."
    if sound.rejoined:
        yield "has times that begin anew while the pictures' do not: it follows on where it ended."
    if sound.has_changes:
        yield "changes its rate or its channels on the way: it is coded anew in the first ones."


def _times_in_words(seconds: list[float]) -> str:
    """A few times in the clip, in words."""
    more = f" and {len(seconds) - _SHOWN_TIMES} more" if len(seconds) > _SHOWN_TIMES else ""
    return f"at {', '.join(_time(one) for one in seconds[:_SHOWN_TIMES])}{more}"


def _time(seconds: float) -> str:
    whole = max(0.0, seconds)
    hours, minutes = int(whole // 3600), int(whole // 60 % 60)
    return f"{hours}:{minutes:02d}:{whole % 60:05.2f}" if hours else f"{minutes}:{whole % 60:05.2f}"
