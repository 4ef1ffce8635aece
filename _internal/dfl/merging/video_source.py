"""Frames of data_dst straight from its clip, with their faces: merged without pictures on disk."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.files import list_pictures
from dfl.base.pictures import Picture
from dfl.base.report import Report
from dfl.merging.faces_of_clip import ClipFrame, add_faces
from dfl.merging.frame import CutFrame, FrameWork
from dfl.merging.masks import FacePrediction
from dfl.video.clip import Clip
from dfl.video.encoders import coding_of, need_encoder
from dfl.video.options import EncodingOptions
from dfl.video.plan import Plan, Timed, at_constant_rate, read_clip_plan
from dfl.video.read import CodedFrame, PictureMaker, decode
from dfl.workspace import Workspace

PART_FRAMES = 250  # of one file that is kept when the program stops; H.264 puts a key frame as often anyway


@dataclass(frozen=True)
class Part:
    """Consecutive frames, and when each is shown; one that an avi repeats is shown several times."""

    number: int
    frames: tuple[ClipFrame, ...]
    shown: dict[str, tuple[Timed, ...]]  # by the frame's stem

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
    plan: Plan
    frames: list[ClipFrame]
    ticks: list[int]

    def parts(self, frames: Sequence[ClipFrame]) -> list[Part]:
        """The parts in which the result is written. frames: those of this clip, perhaps changed."""
        shown: dict[str, list[Timed]] = defaultdict(list)
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
    frames = add_faces(workspace, [Path(f"{timed.stem}.png") for timed in plan.frames], report)
    ticks = [timed.ticks for timed in plan.frames]
    _say_what_is_not_looked_at(workspace, plan, report)
    return VideoSource(clip, at_constant_rate(plan, report) if options.format == "avi" else plan, frames, ticks)


def _say_what_is_not_looked_at(workspace: Workspace, plan: Plan, report: Report) -> None:
    """Pictures of data_dst that were changed or deleted do not matter here; they do without --to-video."""
    if (workspace.frames("dst") / "denoise.json").is_file():
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
    """Cuts and blends frames as FrameWork does, but from the clip and into memory. `finish` gives picture and mask."""

    work: FrameWork
    pictures: PictureMaker
    _coded: dict[str, CodedFrame] = field(default_factory=dict)  # decoded, not yet a picture

    def feed(self, source: VideoSource, parts: Iterable[Part]) -> Iterator[ClipFrame]:
        """Decode the frames of `parts`, in order. What lies between is decoded too, but becomes no picture."""
        coded = decode(source.clip, _stay_silent)
        ticks = dict(zip((frame.stem for frame in source.frames), source.ticks, strict=True))
        found: CodedFrame | None = None
        for frame in (frame for part in parts for frame in part.frames):
            while found is None or found.ticks < ticks[frame.stem]:
                found = next(coded, None)
                if found is None:
                    break
            if found is not None and found.ticks == ticks[frame.stem]:
                self._coded[frame.stem] = found
            yield frame

    def cut(self, frame: ClipFrame) -> CutFrame:
        """Make the picture and cut the faces out. UserError when a face's landmarks cannot be used."""
        coded = self._coded.pop(frame.stem, None)
        if coded is None:
            raise UserError(f"Frame {frame.stem} of the clip cannot be decoded.", "The file may have changed.")
        return self.work.cut_picture(frame, self.pictures.make(coded))

    def finish(self, cut: CutFrame, predictions: Sequence[FacePrediction]) -> tuple[Picture, NDArray[Any]]:
        """Blend the faces in: picture (H, W, 3) uint8 BGR and mask (H, W) uint8."""
        return self.work.blend(cut, predictions)
