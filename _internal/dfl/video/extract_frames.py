"""The stage extract-frames: a clip becomes pictures 00001.png, 00002.png ... and a clip.json with their times.

Stopped at any moment and started again it goes on: every picture is written whole, so those that are there are
kept, and `clip.unfinished.json` says what they were taken from until clip.json does.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from pydantic import ValidationError

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import move, move_into, read_json, write_bytes, write_json
from dfl.base.frames import holds_other_pictures, list_frames, no_frames
from dfl.base.listing import list_pictures
from dfl.base.part_files import remove_parts
from dfl.base.pictures import announced_size, encode_picture
from dfl.base.processes import worker_count
from dfl.base.report import Progress, Report
from dfl.base.system_errors import error_path, to_user_error
from dfl.base.threads import in_order
from dfl.base.unused_path import earlier_path
from dfl.base.wording import first_few
from dfl.video.account import report_account
from dfl.video.clip import Clip, Reading
from dfl.video.colours import ColourTags
from dfl.video.encoders import coding_of, encoders_for, takes_size
from dfl.video.facts import NAME_DIGITS, ClipFacts, Source, fingerprint, read_facts, write_facts
from dfl.video.options import EncodingOptions, ExtractFramesOptions
from dfl.video.read import CodedFrame, PictureMaker, clip_end, decode, step_ticks
from dfl.video.read_clip import read_clip
from dfl.workspace import DENOISE_JOURNAL, Side, Workspace

JPEG_QUALITY = 95  # near ffmpeg's -q:v 2, which the original uses
_TIME_STEP_NS = 2_000_000_000  # the coarsest clock of a file system (FAT)
_HEADER_BYTES = 65536  # of a picture: its size is in there
_ENDS = {"png": b"IEND\xaeB`\x82", "jpg": b"\xff\xd9"}


def run(workspace: Workspace, options: ExtractFramesOptions, report: Report) -> None:
    """Take the frames of a side's clip out; see `dfl extract-frames --help`."""
    side = options.side
    if _uses_own_pictures(workspace, side, report):
        return
    workspace.create()
    clip = _read_clip(workspace, options, report)
    _report_clip(clip, options, report)
    expected = clip.expected_frames or 1
    source = Source(
        name=clip.path.name,
        size=clip.path.stat().st_size,
        fingerprint=fingerprint(clip.path),
        picture_format=options.format,
        fps=Fraction(str(options.fps)),
        digits=max(NAME_DIGITS, len(str(expected))),
        video_stream=clip.video_stream,
        gaps=options.gaps,
        fields=clip.fields,
    )
    present = _prepare_folder(workspace, side, source, clip, report)
    folder = workspace.frames(side)
    facts = read_facts(workspace.clip_facts(side))
    if facts and present.issuperset(facts.frame_names()) and _has_times_of(facts, clip):
        report.done(f"All {len(facts.times)} frames of {clip.path.name} are there already.", frames=len(facts.times))
        return
    write_json(workspace.clip_unfinished(side), source.model_dump(mode="json"))
    facts, written = _extract(clip, source, folder, present, expected, report)
    _move_away([path for path in _frames(folder, source) if int(path.stem) > len(facts.times)], report)
    write_facts(workspace.clip_facts(side), facts)
    with suppress(OSError):  # with clip.json there it is not used
        workspace.clip_unfinished(side).unlink()
    count = len(facts.times)
    there = f", {count - written} were there already" if written < count else ""
    report.done(
        f"{count} {'frame' if count == 1 else 'frames'} of {clip.path.name} are in {folder}{there}.",
        frames=count,
        written=written,
    )


def _read_clip(workspace: Workspace, options: ExtractFramesOptions, report: Report) -> Clip:
    """The side's clip with the reading options. Frames that are there keep their deinterlacing, unless asked."""
    path = workspace.clip(options.side)
    reading = Reading(options.video_stream, options.gaps, options.deinterlace)
    clip = read_clip(path, reading)
    earlier, _ = _earlier_source(workspace, options.side, clip)
    if options.deinterlace != "auto" or earlier is None or earlier.fields == clip.fields:
        return clip
    if (earlier.size, earlier.fingerprint) != (path.stat().st_size, fingerprint(path)):
        return clip
    if clip.fields:
        report.warn(
            f"{path.name} is interlaced, and its frames in {workspace.frames(options.side)} were taken without "
            "deinterlacing: they stay so. --deinterlace on takes them again."
        )
    return read_clip(path, replace(reading, deinterlace=earlier.fields or "off"))


def _has_times_of(facts: ClipFacts, clip: Clip) -> bool:
    """Whether frames that were taken before have the very times that the clip has as it is read now."""
    if clip.timeline.gaps and facts.source.gaps != clip.reading.gaps:
        return False
    return facts.has_mended_times or clip.timeline.has_plain_pictures


def _uses_own_pictures(workspace: Workspace, side: Side, report: Report) -> bool:
    """Whether the user gave pictures instead of a clip: they are the frames."""
    if workspace.clips(side):
        return False
    pictures = list_frames(workspace.frames(side), report)
    if not pictures:
        if holds_other_pictures(workspace.frames(side)):
            raise no_frames(workspace.frames(side), "")
        return False
    with suppress(OSError), pictures[0].open("rb") as file:
        size = announced_size(file.read(_HEADER_BYTES))
        if side == "dst" and all(size):
            _report_size(*size, report)
    report.done(
        f"No data_{side} video in {workspace.root}: the {len(pictures)} pictures in {workspace.frames(side)} are used.",
        frames=len(pictures),
    )
    return True


def _report_clip(clip: Clip, options: ExtractFramesOptions, report: Report) -> None:
    """Report the clip's properties and defects."""
    report_account(clip, report)
    rate = f"{float(clip.rate):.3f}".rstrip("0").rstrip(".")
    if options.side == "dst":
        _report_size(clip.height, clip.width, report)
    if options.fps > clip.rate * Fraction(1001, 1000):
        report.warn(f"{clip.path.name} has {rate} frames a second, not {options.fps:g}: each is taken once.")


def _report_size(height: int, width: int, report: Report) -> None:
    """Warn now, and not after days of work, when a result of that size needs another encoder."""
    if not takes_size(coding_of(EncodingOptions()), height, width):
        able = " or ".join(encoders_for(height, width)) or "another size: no encoder here takes it"
        report.warn(f"Frames of {width} x {height} are larger than libx264 takes: make the result with {able}.")


def _prepare_folder(workspace: Workspace, side: Side, source: Source, clip: Clip, report: Report) -> set[str]:
    """Remove frames that were taken with other options; returns the names of whole frames that can stay."""
    folder = workspace.frames(side)
    remove_parts(folder)
    earlier, is_sure = _earlier_source(workspace, side, clip)
    pictures = list_pictures(folder)
    if earlier is None:
        if pictures:
            raise UserError(
                f"{folder} holds {len(pictures)} pictures that were not taken from {source.name} by this program.",
                f"To take the frames of {source.name}, move them to another folder and start again. "
                f"To use them as they are, go on with `dfl extract-faces {side}`.",
            )
        return set()
    if earlier.gives_same_frames(source) and is_sure:
        return {path.name for path in pictures if _is_whole(path, source.picture_format)}
    frames = _frames(folder, earlier)
    left = sorted({*pictures} - {*frames})
    if left:  # before anything is removed
        raise UserError(
            f"{folder} also holds {len(left)} pictures that are no frames: {first_few([path.name for path in left])}.",
            "Move them to another folder and start again.",
        )
    why = "with other options" if earlier.is_from(source) else f"from another clip ({earlier.name})"
    report.warn(f"The frames in {folder} were taken {why}: they are taken again.")
    if list_pictures(workspace.aligned(side)):
        report.warn(
            f"{workspace.aligned(side)} still holds faces of the old frames: move them away or make them again."
        )
    in_this_format = earlier.model_copy(update={"picture_format": source.picture_format})
    if side == "dst" and not in_this_format.gives_same_frames(source):
        _move_merged_away(workspace, report)
    _move_away(_changed_since(workspace.clip_facts(side), frames), report)
    workspace.clip_facts(side).unlink(missing_ok=True)
    for path in frames:
        path.unlink(missing_ok=True)
    workspace.clip_unfinished(side).unlink(missing_ok=True)
    return set()


def _earlier_source(workspace: Workspace, side: Side, clip: Clip) -> tuple[Source | None, bool]:
    """What the pictures in the folder were taken from, by a finished run or by one that was stopped.

    And whether the same source gives the same pictures: not where frames were chosen by times that are mended now.
    """
    facts = read_facts(workspace.clip_facts(side))
    path = workspace.clip_unfinished(side)
    if facts:
        return facts.source, not facts.source.fps or _has_times_of(facts, clip)
    if not path.is_file():
        return None, True
    try:
        return Source.model_validate(read_json(path)), True
    except ValidationError as error:
        raise UserError(f"{path} is damaged.", "Delete it and the pictures beside it, then start again.") from error


def _is_whole(path: Path, picture_format: str) -> bool:
    """Whether a picture ends as it should; a power cut can leave a file of the right name without its content."""
    end = _ENDS[picture_format]
    with path.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - len(end)))
        return handle.read() == end


def _frames(folder: Path, source: Source) -> list[Path]:
    """Files that have the name of a frame of this source exactly."""
    numbered = [path for path in list_pictures(folder) if path.stem.isascii() and path.stem.isdigit()]
    return [path for path in numbered if path.name == source.frame_name(int(path.stem)) and int(path.stem) > 0]


def _changed_since(clip_facts: Path, frames: list[Path]) -> list[Path]:
    """The frames that somebody changed after they were taken out; the journal of denoise-frames has its own."""
    if not clip_facts.is_file():
        return []
    journal = clip_facts.with_name(DENOISE_JOURNAL)
    journalled = read_json(journal) if journal.is_file() else None
    denoised = journalled.get("frames") if isinstance(journalled, dict) else None
    stamps = {name: one.get("stamp") for name, one in denoised.items()} if isinstance(denoised, dict) else {}
    taken = clip_facts.stat().st_mtime_ns + _TIME_STEP_NS
    stats = [(path, path.stat()) for path in frames]
    return [
        path
        for path, state in stats
        if state.st_mtime_ns > taken and stamps.get(path.name) != [state.st_size, state.st_mtime_ns]
    ]


def _move_away(frames: list[Path], report: Report) -> None:
    """Move frames that are perhaps somebody's work into a folder of their own."""
    if frames:
        earlier = earlier_path(frames[0].with_name("frames"))
        for path in frames:
            move_into(earlier, path)
        names = first_few([path.name for path in frames])
        report.warn(f"{len(frames)} frames that were changed or added by somebody are in {earlier} now: {names}")


def _move_merged_away(workspace: Workspace, report: Report) -> None:
    """Move merged pictures of old frames away: make-video would show them with times and sound of the new ones."""
    folders = [folder for folder in (workspace.merged, workspace.merged_mask) if list_pictures(folder)]
    if not folders:
        return
    earlier = earlier_path(workspace.merged)
    try:
        earlier.mkdir()
        for folder in folders:
            move(folder, earlier / folder.name)
    except OSError as error:
        raise to_user_error(error, error_path(error, earlier)) from error
    report.warn(f"What was merged of the old frames is in {earlier} now.")


def _extract(
    clip: Clip, source: Source, folder: Path, present: set[str], expected: int, report: Report
) -> tuple[ClipFacts, int]:
    """Write the frames that are missing; returns the facts of all, and how many were written."""
    if source.fps:
        expected = min(expected, max(1, round(expected * source.fps / clip.rate)))
    with report.progress(f"Frames of {clip.path.name}", expected) as progress:
        writing = _Writing(clip, source, folder, present, expected, progress)
        workers = worker_count()
        missing = writing.missing(_chosen(clip, source.fps, report))
        for _ in in_order(writing.write, missing, workers=workers, ahead=2 * workers):
            progress.advance()
    taken = writing.taken
    if not taken:
        raise UserError(f"No frame of {clip.path} can be decoded.", "The file is damaged: copy or download it again.")
    colours = ColourTags.of(clip)
    facts = ClipFacts(
        source=source,
        width=clip.width,
        height=clip.height,
        pixel_aspect=clip.pixel_aspect,
        rate=clip.rate,
        time_base=clip.time_base,
        times=taken,
        end=clip_end(clip, writing.first, taken[-1], writing.end),
        primaries=colours.primaries,
        transfer=colours.transfer,
        matrix=colours.matrix,
        is_full_range=colours.is_full_range,
        has_mended_times=True,
    )
    return facts, writing.count


def _chosen(clip: Clip, fps: Fraction, report: Report) -> Iterator[tuple[CodedFrame, bool]]:
    """Every frame, and whether it is taken: all of them, or (fps) the nearest to each tick of a slower clock."""
    clock, first = 0, None
    for frame in decode(clip, report.warn):
        first = frame.ticks if first is None else first
        # Half a frame of tolerance, so that time stamps rounded to milliseconds lose no frame.
        passed = ((frame.ticks - first) * clip.time_base + 1 / (2 * clip.rate)) * fps
        if fps and passed < clock:
            yield frame, False
        else:
            clock = passed.__floor__() + 1
            yield frame, True


class _Writing:
    """Which frames of a clip are taken, and the files of those that are missing.

    taken: time stamps of the frames that are taken so far; first: of the clip's first frame; end: where the last frame
    ends. All in the clip's time base. count: files that were written.
    """

    def __init__(
        self, clip: Clip, source: Source, folder: Path, present: set[str], expected: int, progress: Progress
    ) -> None:
        self._pictures = PictureMaker(clip)
        self._clip, self._source, self._folder, self._kept, self._progress = clip, source, folder, present, progress
        self._expected = max(1, expected - len(present))
        self.taken: list[int] = []
        self.first = self.end = self.count = 0

    def missing(self, frames: Iterable[tuple[CodedFrame, bool]]) -> Iterator[tuple[CodedFrame, str]]:
        """The frames that are to be written, with their file names. UserError when the disk has no room for them."""
        for frame, is_taken in frames:
            self.first = frame.ticks if frame.number == 1 else self.first
            self.end = frame.ticks + (frame.duration or step_ticks(self._clip))
            if not is_taken:
                continue
            self.taken.append(frame.ticks)
            name = self._source.frame_name(len(self.taken))
            if name in self._kept:
                self._progress.advance()
                continue
            if self.count == 0:
                size = round(len(self._encoded(frame)) * self._expected * 1.1)
                need_space(self._folder, size, f"{self._expected} frames")
            self.count += 1
            yield frame, name

    def write(self, task: tuple[CodedFrame, str]) -> None:
        """Write one frame, in any thread. A full disk is a UserError."""
        frame, name = task
        write_bytes(self._folder / name, self._encoded(frame), durable=False)

    def _encoded(self, frame: CodedFrame) -> bytes:
        return encode_picture(self._pictures.make(frame), f".{self._source.picture_format}", JPEG_QUALITY)
