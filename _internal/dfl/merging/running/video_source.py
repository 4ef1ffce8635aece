"""Frames of data_dst decoded directly from its clip, with their faces: merging without pictures on disk."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import Picture
from dfl.base.report import Report
from dfl.merging.planning.clip_faces import add_faces
from dfl.merging.planning.tasks import FrameTask
from dfl.video.clip import Clip
from dfl.video.encoders import coding_of, need_encoder
from dfl.video.options import EncodingOptions
from dfl.video.plan import TimedFrame, VideoPlan, at_constant_rate, read_clip_plan
from dfl.video.read import CodedFrame, PictureMaker, decode
from dfl.video.segments import SEGMENT_FRAMES, read_segment, segments
from dfl.workspace import Workspace

PART_FRAMES = 250  # of one part file, the unit in which a stopped merge continues; the default key-frame interval


@dataclass(frozen=True)
class Part:
    """Consecutive frames and their presentation times; a frame that an avi repeats has several."""

    number: int
    frames: tuple[FrameTask, ...]
    shown: dict[str, tuple[TimedFrame, ...]]  # by the frame's stem

    @property
    def times(self) -> list[tuple[int, int]]:
        """Presentation time and duration of every picture, in ticks."""
        return [(timed.ticks, timed.duration) for frame in self.frames for timed in self.shown[frame.stem]]


@dataclass(frozen=True)
class VideoSource:
    """data_dst's clip: its frames with their faces, named as extract-frames names them, and the plan of the result.

    ticks: presentation time of each frame in the clip.
    """

    clip: Clip
    plan: VideoPlan
    frames: list[FrameTask]
    ticks: list[int]

    def pictures(self, frames: Sequence[FrameTask]) -> Iterator[Picture | None]:
        """Pictures of frames of this clip, in order; None for one that cannot be decoded."""
        if len(frames) * SEGMENT_FRAMES < len(self.frames):
            yield from self._some(frames)
            return
        maker = PictureMaker(self.clip)
        for _, coded in self.decoded([frame.stem for frame in frames]):
            yield None if coded is None else maker.make(coded)

    def _some(self, frames: Sequence[FrameTask]) -> Iterator[Picture | None]:
        """Pictures of a few frames: decodes only the clip's segments that they are in."""
        ticks = dict(zip((frame.stem for frame in self.frames), self.ticks, strict=True))
        parts = segments(self.clip)
        ends = [part.end - self.clip.start if part.end is not None else 2**62 for part in parts]
        for frame in frames:
            wanted = ticks[frame.stem]
            part = parts[bisect_right(ends, wanted)]
            frames_on = (one for one in read_segment(self.clip, part, _ignore_warning) if one.ticks >= wanted)
            found = next(frames_on, None)
            yield found.picture if found is not None and found.ticks == wanted else None

    def decoded(self, stems: Sequence[str]) -> "Iterator[tuple[str, CodedFrame | None]]":
        """Decoded frames by stem, in order, None for a missing one. Frames between are decoded but not converted."""
        coded = decode(self.clip, _ignore_warning)
        ticks = dict(zip((frame.stem for frame in self.frames), self.ticks, strict=True))
        found: CodedFrame | None = None
        for stem in stems:
            while found is None or found.ticks < ticks[stem]:
                found = next(coded, None)
                if found is None:
                    break
            yield stem, found if found is not None and found.ticks == ticks[stem] else None

    def with_pictures(self, tasks: Sequence[FrameTask]) -> Iterator[FrameTask]:
        """The tasks, in order, each with a `read` that converts its decoded frame to a picture; callable once."""
        maker, waiting = PictureMaker(self.clip), dict[str, CodedFrame]()
        for task, (stem, coded) in zip(tasks, self.decoded([task.stem for task in tasks]), strict=True):
            if coded is not None:
                waiting[stem] = coded
            yield replace(task, read=partial(_picture, maker, waiting, stem))

    def parts(self, frames: Sequence[FrameTask]) -> list[Part]:
        """The parts in which the result is written. frames: all of this clip."""
        shown: dict[str, list[TimedFrame]] = defaultdict(list)
        for timed in self.plan.frames:
            shown[timed.stem].append(timed)
        groups = [tuple(frames[start : start + PART_FRAMES]) for start in range(0, len(frames), PART_FRAMES)]
        return [
            Part(number, group, {frame.stem: tuple(shown[frame.stem]) for frame in group})
            for number, group in enumerate(groups)
        ]


def open_video_source(workspace: Workspace, options: EncodingOptions, report: Report) -> VideoSource:
    """Read data_dst's clip, the times of its frames, and their faces.

    UserError when the encoder does not work here, when there is no clip, or when no face is from one of its frames.
    """
    need_encoder(coding_of(options))
    clip, plan = read_clip_plan(workspace, report)
    need_encoder(coding_of(options), (clip.height, clip.width))
    frames = add_faces(workspace, [Path(f"{timed.stem}.png") for timed in plan.frames], report)
    ticks = [timed.ticks for timed in plan.frames]
    _warn_of_ignored_changes(workspace, plan, report)
    return VideoSource(clip, at_constant_rate(plan, report) if options.format == "avi" else plan, frames, ticks)


def _warn_of_ignored_changes(workspace: Workspace, plan: VideoPlan, report: Report) -> None:
    """Warn that denoised or deleted pictures of data_dst have no effect with --to-video."""
    if workspace.denoise_journal("dst").is_file():
        report.warn("The frames of data_dst were denoised: --to-video takes those of the clip, with their noise.")
    stems = {path.stem for path in list_pictures(workspace.frames("dst"))}
    gone = [timed.stem for timed in plan.frames if timed.stem not in stems]
    if stems and gone:
        report.warn(
            f"{len(gone)} frames were taken out of data_dst, such as {gone[0]}: --to-video takes all of the clip."
        )


def _ignore_warning(text: str) -> None:
    """Damage of the clip was reported when its frames were counted or extracted."""


def _picture(maker: PictureMaker, waiting: dict[str, CodedFrame], stem: str) -> Picture:
    """The picture of a waiting frame, which is removed from `waiting` to free the decoded frame."""
    coded = waiting.pop(stem, None)
    if coded is None:
        raise UserError(f"Frame {stem} of the clip cannot be decoded.", "The file may have changed.")
    return maker.make(coded)
