"""The plan of a result: its frames, each with its exact time, and the clip of its sound."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.frames import list_frames
from dfl.base.listing import in_natural_order, list_pictures
from dfl.base.report import Report
from dfl.base.wording import first_few
from dfl.video.account import report_account
from dfl.video.clip import Clip, Reading
from dfl.video.colours import ColourTags
from dfl.video.facts import ClipFacts, fingerprint, read_facts
from dfl.video.read import clip_end, decode_as_coded, step_ticks
from dfl.video.read_clip import read_clip
from dfl.video.sound import SoundCut
from dfl.workspace import Workspace

MERGE_ADVICE = "Run merge first (4_merge), and let it finish."


@dataclass(frozen=True)
class TimedFrame:
    """One frame of the result: its name without suffix, and when it is shown, in ticks."""

    stem: str
    ticks: int
    duration: int


@dataclass(frozen=True)
class VideoPlan:
    """The frames and times of the result. `sound` is data_dst's clip, None without it; reading: how it is read.

    What goes along besides sound (subtitles, chapters, timecode) is of that clip too.
    """

    frames: list[TimedFrame]
    time_base: Fraction
    rate: Fraction
    pixel_aspect: Fraction
    colours: ColourTags
    sound: Path | None
    reading: Reading = field(default_factory=Reading)
    has_sound: bool = True

    @property
    def sound_cut(self) -> SoundCut:
        """The sound that goes with the frames: all of the clip's, read as they were."""
        return SoundCut(self.sound, reading=self.reading)


def read_plan(workspace: Workspace, default_rate: Fraction, report: Report) -> VideoPlan:
    """The frames in order with their times: of clip.json, else evenly at the rate of data_dst's clip or
    `default_rate`."""
    facts = read_facts(workspace.clip_facts("dst"))
    clip = _dst_clip(workspace, facts, report)
    sound, has_sound = (clip.path, bool(clip.sound)) if clip else (None, False)
    if facts:
        return _plan_of(with_mended_times(facts, clip, report) if clip else facts, sound, has_sound)
    if clip and clip.is_hdr:
        raise UserError(
            f"{clip.path} is HDR video, and nothing says how its frames were taken out: colours would be wrong.",
            "Start again with extract-frames dst, which maps them to ordinary (BT.709) colours.",
        )
    stems = [path.stem for path in list_frames(workspace.frames("dst"), report)]
    stems = stems or in_natural_order(_merged_stems(workspace))
    rate = clip.rate if clip else default_rate
    whose = f"as in {clip.path.name}" if clip else "give the right rate with --fps if that is not it"
    report.warn(
        f"There is no {workspace.clip_facts('dst').name}: frames are shown evenly, {float(rate):g} a second ({whose})."
    )
    aspect = clip.pixel_aspect if clip else Fraction(1)
    colours = ColourTags.of(clip) if clip else ColourTags()
    frames = _timed(stems, list(range(len(stems) + 1)))
    return VideoPlan(frames, 1 / rate, rate, aspect, colours, sound, has_sound=has_sound)


def read_clip_plan(workspace: Workspace, report: Report) -> tuple[Clip, VideoPlan]:
    """data_dst's clip and all its frames with their times: of clip.json, else found by decoding it once.

    A plan of a clip.json that leaves frames out leaves them out too.
    """
    path = workspace.clip("dst")
    facts = read_facts(workspace.clip_facts("dst"))
    if facts:
        _check_source(path, facts)
    clip = read_clip(path, facts.source.reading if facts else None)
    _report_hdr(clip, report)
    has_sound = bool(clip.sound)
    if facts:
        return clip, _plan_of(with_mended_times(facts, clip, report), path, has_sound)
    if not clip.timeline.is_plain or clip.fields:
        report_account(clip, report)
    ends = _read_times(clip, report)
    stems = [f"{number:05d}" for number in range(1, len(ends))]
    colours = ColourTags.of(clip)
    frames = _timed(stems, ends)
    plan = VideoPlan(frames, clip.time_base, clip.rate, clip.pixel_aspect, colours, path, clip.reading, has_sound)
    return clip, plan


def _read_times(clip: Clip, report: Report) -> list[int]:
    """The ticks of all frames of a clip and of its end, found by decoding it."""
    times, end = [], 0
    for frame in report.track(decode_as_coded(clip, report.warn), f"Times of {clip.path.name}", clip.expected_frames):
        times.append(frame.ticks)
        end = frame.ticks + (frame.duration or step_ticks(clip))
    return [*times, clip_end(clip, times[0], times[-1], end)]


def with_mended_times(facts: ClipFacts, clip: Clip, report: Report) -> ClipFacts:
    """The facts with the clip's times as they are mended now; those of an earlier version have them as in the file."""
    if facts.has_mended_times or clip.timeline.has_plain_pictures:
        return facts
    advice = f"Run extract-frames dst again: it takes the frames of {clip.path.name} with their right times."
    if facts.source.fps:
        raise UserError(f"The times of {clip.path} jump, and its frames were taken by an earlier version.", advice)
    report.warn(
        f"The times of {clip.path.name} jump: they are read anew, those in clip.json are of an earlier version."
    )
    *times, end = _read_times(clip, report)
    if len(times) != len(facts.times):
        raise UserError(f"{clip.path} has {len(times)} frames, {len(facts.times)} were taken out of it.", advice)
    changed = {"times": times, "end": end, "rate": clip.rate, "time_base": clip.time_base, "has_mended_times": True}
    return facts.model_copy(update=changed)


def _plan_of(facts: ClipFacts, sound: Path | None, has_sound: bool) -> VideoPlan:
    """The frames of a clip.json."""
    return VideoPlan(
        frames=_timed([Path(name).stem for name in facts.frame_names()], [*facts.times, facts.end]),
        time_base=facts.time_base,
        rate=_mean_rate(facts),
        pixel_aspect=facts.pixel_aspect,
        colours=ColourTags(facts.matrix, facts.primaries, facts.transfer, facts.is_full_range),
        sound=sound,
        reading=facts.source.reading,
        has_sound=has_sound,
    )


def _dst_clip(workspace: Workspace, facts: ClipFacts | None, report: Report) -> Clip | None:
    """data_dst's clip, for its sound; None without it. UserError when the frames come from another one."""
    try:
        path = workspace.clip("dst")
    except UserError as error:
        report.warn(f"{error.what} The result will have no sound.")
        return None
    if facts:
        _check_source(path, facts)
    clip = read_clip(path, facts.source.reading if facts else None)
    _report_hdr(clip, report)
    return clip


def _check_source(path: Path, facts: ClipFacts) -> None:
    """UserError when the frames come from another clip."""
    if (facts.source.size, facts.source.fingerprint) != (path.stat().st_size, fingerprint(path)):
        raise UserError(
            f"{path} is not the clip that the frames were taken from ({facts.source.name}, {facts.source.size} bytes).",
            "Put that clip back, or start again with extract-frames dst. Move it away for a result without sound.",
        )


def _report_hdr(clip: Clip, report: Report) -> None:
    if clip.is_hdr:
        report.warn(f"{clip.path.name} is HDR: the result is not, its colours are mapped to ordinary ones (BT.709).")


def _timed(stems: list[str], times: list[int]) -> list[TimedFrame]:
    """Frames with their times; `times` has one entry more, the end."""
    return [TimedFrame(stem, start, end - start) for stem, (start, end) in zip(stems, pairwise(times), strict=True)]


def _mean_rate(facts: ClipFacts) -> Fraction:
    """Frames a second of the result: the clip's rate, or the mean when frames were left out."""
    length = (facts.end - facts.times[0]) * facts.time_base
    return Fraction(len(facts.times) / length).limit_denominator(100_000) if facts.source.fps else facts.rate


def only_merged(plan: VideoPlan, workspace: Workspace, failed: Collection[str], report: Report) -> VideoPlan:
    """The plan without frames that the user took out of data_dst, and without those that merge could not make.

    `failed`: the stems of the latter. UserError when frames are not merged yet.
    """
    merged = _merged_stems(workspace)
    wanted = {frame.stem for frame in plan.frames}
    there = {path.stem for path in list_pictures(workspace.frames("dst"))}
    missing = in_natural_order((wanted - merged - set(failed)) & (there or wanted))
    others = [path for path in list_pictures(workspace.merged) if path.suffix.lower() != ".png"]
    if missing or not wanted & merged:
        what = f"{workspace.merged} holds {len(wanted & merged)} merged frames of {len(wanted & there or wanted)}"
        what += f"; the first that is missing is {missing[0]}.png." if missing else "."
        if {path.stem for path in others} & wanted:
            raise UserError(
                f"{what} {len(others)} pictures are of another type: {first_few([path.name for path in others])}.",
                "Only PNG pictures are taken: convert those to PNG, or run merge again.",
            )
        raise UserError(what, MERGE_ADVICE)
    if others:
        names = first_few([path.name for path in others])
        report.warn(f"{len(others)} pictures in {workspace.merged} are not PNG and are left out: {names}")
    frames: list[TimedFrame] = []
    for frame in plan.frames:
        if frame.stem in merged:
            frames.append(frame)
        elif frames:
            frames[-1] = replace(frames[-1], duration=frame.ticks + frame.duration - frames[-1].ticks)
    if len(frames) < len(plan.frames):
        lost = wanted.intersection(failed) - merged
        gone = len(plan.frames) - len(frames) - len(lost)
        if lost:
            names = first_few(in_natural_order(lost))
            report.warn(f"{len(lost)} frames failed in merge ({names}): the frame before each stays longer.")
        if gone:
            report.warn(
                f"{gone} frames were taken out of {workspace.frames('dst')}: the frame before each stays longer."
            )
    if len(merged) > len(frames):
        report.warn(f"{workspace.merged} holds {len(merged) - len(frames)} pictures that are no frames of data_dst.")
    return replace(plan, frames=frames)


def _merged_stems(workspace: Workspace) -> set[str]:
    return {path.stem for path in list_pictures(workspace.merged) if path.suffix.lower() == ".png"}


def at_constant_rate(plan: VideoPlan, report: Report) -> VideoPlan:
    """The plan in frames of one constant length, all that an avi knows: none is lost, long ones are repeated."""
    middle = sorted(frame.duration for frame in plan.frames)[len(plan.frames) // 2]
    # The mean rate, or where frames have different lengths perhaps the rate of most of them.
    rates = (plan.rate, max(plan.rate, 1 / (middle * plan.time_base)))
    rate = min(rates, key=lambda rate: _most_moved(plan, _slots(plan, rate), rate))
    slots = _slots(plan, rate)
    moved = _most_moved(plan, slots, rate)
    last = plan.frames[-1]
    end = max(slots[-1] + 1, round((last.ticks + last.duration) * plan.time_base * rate))
    frames = [
        TimedFrame(frame.stem, slot, 1)
        for frame, (start, stop) in zip(plan.frames, pairwise([*slots, end]), strict=True)
        for slot in range(start, stop)
    ]
    if moved > Fraction(1, 10) or len(frames) > len(plan.frames):
        report.warn(
            f"An avi has one constant rate ({float(rate):.3f}): {len(frames) - len(plan.frames)} frames are repeated, "
            f"and frames come up to {float(moved / rate):.3f} s off their time. mp4, mov and mkv keep every time."
        )
    return replace(plan, frames=frames, rate=rate, time_base=1 / rate)


def _slots(plan: VideoPlan, rate: Fraction) -> list[int]:
    """The nearest whole frame at `rate` for every frame, or the next free one."""
    slots: list[int] = []
    for frame in plan.frames:
        nearest = round(frame.ticks * plan.time_base * rate)
        slots.append(max(nearest, slots[-1] + 1) if slots else nearest)
    return slots


def _most_moved(plan: VideoPlan, slots: list[int], rate: Fraction) -> Fraction:
    """How far the worst frame is from its time, in frames."""
    return max(abs(slot - frame.ticks * plan.time_base * rate) for slot, frame in zip(slots, plan.frames, strict=True))
