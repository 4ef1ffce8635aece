"""Frames of data_dst straight from its clip, with their faces: merged without pictures on disk."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import Picture
from dfl.base.report import Report
from dfl.merging.blending.face_masks import FacePrediction
from dfl.merging.planning.clip_faces import ClipFrame, add_faces
from dfl.merging.planning.tasks import FrameTask
from dfl.merging.running.frame_processor import CroppedFrame, FrameProcessor, PredictedFaces, PredictedFrame
from dfl.video.clip import Clip
from dfl.video.encoders import coding_of, need_encoder
from dfl.video.options import EncodingOptions
from dfl.video.plan import TimedFrame, VideoPlan, at_constant_rate, read_clip_plan
from dfl.video.read import CodedFrame, PictureMaker, decode
from dfl.video.segments import SEGMENT_FRAMES, read_segment, segments
from dfl.workspace import Workspace

PART_FRAMES = 250  # of one file that is kept when the program stops; H.264 puts a key frame as often anyway


@dataclass(frozen=True)
class Part:
    """Consecutive frames, and when each is shown; one that an avi repeats is shown several times."""

    number: int
    frames: tuple[FrameTask, ...]
    shown: dict[str, tuple[TimedFrame, ...]]  # by the frame's stem

    @property
    def times(self) -> list[tuple[int, int]]:
        """Time and length of everything that is shown, in ticks."""
        return [(timed.ticks, timed.duration) for frame in self.frames for timed in self.shown[frame.stem]]


@dataclass(frozen=True)
class VideoSource:
    """data_dst's clip: its frames with their faces, named as extract-frames names them, and the plan of the result.

    ticks: when each frame is shown in the clip.
    """

    clip: Clip
    plan: VideoPlan
    frames: list[ClipFrame]
    ticks: list[int]

    def pictures(self, frames: Sequence[ClipFrame]) -> Iterator[Picture | None]:
        """Pictures of frames of this clip, in order; None for one that cannot be decoded."""
        if len(frames) * SEGMENT_FRAMES < len(self.frames):
            yield from self._some(frames)
            return
        maker = PictureMaker(self.clip)
        for _, coded in self.decoded([frame.stem for frame in frames]):
            yield None if coded is None else maker.make(coded)

    def _some(self, frames: Sequence[ClipFrame]) -> Iterator[Picture | None]:
        """Pictures of a few frames: only those parts of the clip are decoded that they lie in."""
        ticks = dict(zip((frame.stem for frame in self.frames), self.ticks, strict=True))
        parts = segments(self.clip)
        ends = [part.end - self.clip.start if part.end is not None else 2**62 for part in parts]
        for frame in frames:
            wanted = ticks[frame.stem]
            part = parts[bisect_right(ends, wanted)]
            found = (seen for seen in read_segment(self.clip, part, _stay_silent) if seen.ticks >= wanted)
            seen = next(found, None)
            yield seen.picture if seen is not None and seen.ticks == wanted else None

    def decoded(self, stems: Sequence[str]) -> "Iterator[tuple[str, CodedFrame | None]]":
        """Frames by stem, in order, None for one that is not there. What lies between is decoded, no more."""
        coded = decode(self.clip, _stay_silent)
        ticks = dict(zip((frame.stem for frame in self.frames), self.ticks, strict=True))
        found: CodedFrame | None = None
        for stem in stems:
            while found is None or found.ticks < ticks[stem]:
                found = next(coded, None)
                if found is None:
                    break
            yield stem, found if found is not None and found.ticks == ticks[stem] else None

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
    """Read data_dst's clip, the times of its frames and the faces that belong to them.

    UserError when the encoder does not work here, when there is no clip, or when no face belongs to one of its frames.
    """
    need_encoder(coding_of(options))
    clip, plan = read_clip_plan(workspace, report)
    need_encoder(coding_of(options), (clip.height, clip.width))
    frames = add_faces(workspace, [Path(f"{timed.stem}.png") for timed in plan.frames], report)
    ticks = [timed.ticks for timed in plan.frames]
    _say_what_is_not_looked_at(workspace, plan, report)
    return VideoSource(clip, at_constant_rate(plan, report) if options.format == "avi" else plan, frames, ticks)


def _say_what_is_not_looked_at(workspace: Workspace, plan: VideoPlan, report: Report) -> None:
    """Pictures of data_dst that were changed or deleted do not matter here; they do without --to-video."""
    if workspace.denoise_journal("dst").is_file():
        report.warn("The frames of data_dst were denoised: --to-video takes those of the clip, with their noise.")
    stems = {path.stem for path in list_pictures(workspace.frames("dst"))}
    gone = [timed.stem for timed in plan.frames if timed.stem not in stems]
    if stems and gone:
        report.warn(
            f"{len(gone)} frames were taken out of data_dst, such as {gone[0]}: --to-video takes all of the clip."
        )


def _stay_silent(text: str) -> None:
    """What is wrong with the clip was said when its frames were counted or taken out."""


@dataclass
class VideoWork:
    """Does what FrameProcessor does, from the clip and into memory. `finish` returns picture and mask."""

    work: FrameProcessor
    pictures: PictureMaker
    _coded: dict[str, CodedFrame] = field(default_factory=dict)  # decoded, not yet a picture

    def feed(self, source: VideoSource, tasks: Sequence[FrameTask]) -> Iterator[FrameTask]:
        """Decode the frames of `tasks`, in order."""
        decoded = source.decoded([task.stem for task in tasks])
        for task, (stem, coded) in zip(tasks, decoded, strict=True):
            if coded is not None:
                self._coded[stem] = coded
            yield task

    def cut(self, task: FrameTask) -> CroppedFrame:
        """Make the picture and cut the faces out. UserError when a face's landmarks cannot be used."""
        coded = self._coded.pop(task.stem, None)
        if coded is None:
            raise _undecoded(task.stem)
        return self.work.cut_picture(task, self.pictures.make(coded))

    def look(self, cut: CroppedFrame, predictions: Sequence[FacePrediction]) -> PredictedFrame:
        return self.work.look(cut, predictions)

    def finish(self, frame: PredictedFrame, around: Sequence[PredictedFaces]) -> tuple[Picture, NDArray[Any]]:
        """Blend the faces in: picture (H, W, 3) uint8 BGR and mask (H, W) uint8."""
        return self.work.blend(frame, around).as_bytes()


def _undecoded(stem: str) -> UserError:
    return UserError(f"Frame {stem} of the clip cannot be decoded.", "The file may have changed.")
