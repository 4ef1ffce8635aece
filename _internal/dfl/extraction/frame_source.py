"""Source of an extraction's frames: pictures of a folder, or decoded directly from the clip.

The frames are divided into parts of consecutive frames, each handled by one process. Parts begin at fixed frames, so
that results do not depend on the number of processes.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.frames import list_frames, no_frames
from dfl.base.pictures import Picture, decode_frame
from dfl.base.report import Report
from dfl.base.unused_path import MAX_NAME_BYTES, name_size
from dfl.extraction.options import ExtractFacesOptions
from dfl.faceset.found_faces import FrameFacts
from dfl.video.account import report_account
from dfl.video.clip import Clip
from dfl.video.facts import NAME_DIGITS, reading_of
from dfl.video.read_clip import read_clip
from dfl.video.segments import ClipSegment, read_segment, segments
from dfl.workspace import Workspace

PART_FRAMES = 64
_FACE_NAME_BYTES = len("_99.jpeg")  # of a face's name after the stem of its frame


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """A frame: its file name (also when it comes from the clip), its picture, or why it cannot be read."""

    name: str
    facts: FrameFacts
    picture: Picture | None
    problem: str = ""


@dataclass(frozen=True)
class PicturePart:
    """Consecutive pictures of a folder. may_be_turned: whether they may have an EXIF orientation."""

    paths: tuple[Path, ...]
    may_be_turned: bool = False

    @property
    def names(self) -> list[str]:
        """File names of the frames."""
        return [path.name for path in self.paths]

    def read(self, wanted: frozenset[str] | None = None) -> Iterator[SourceFrame]:
        """The frames in order; only those of `wanted`, if given."""
        for path in self.paths:
            if wanted is None or path.name in wanted:
                yield _read_picture(path)

    def facts(self, name: str) -> FrameFacts:
        """Size and time of a frame's file, without reading it; the CRC is 0."""
        state = next(path for path in self.paths if path.name == name).stat()
        return FrameFacts(state.st_size, state.st_mtime_ns, 0)

    def __str__(self) -> str:
        return f"the frames {self.paths[0].name} to {self.paths[-1].name}"


@dataclass(frozen=True)
class ClipPart:
    """Consecutive frames of a clip. numbers: of the wanted ones, counted from 1 in the whole clip.

    digits: of the numbers in the frames' names.
    """

    clip: Clip
    segment: ClipSegment
    first: int
    numbers: tuple[int, ...]
    digits: int

    @property
    def names(self) -> list[str]:
        """The file names that the frames would have as pictures."""
        return [self.name(number) for number in self.numbers]

    def name(self, number: int) -> str:
        """The file name that extract-frames gives to a frame, counted from 1."""
        return f"{number:0{self.digits}d}.png"

    def read(self, wanted: frozenset[str] | None = None) -> Iterator[SourceFrame]:
        """The frames in order; only those of `wanted`, if given. Decoding stops behind the last one."""
        names = set(self.names) if wanted is None else wanted & set(self.names)
        facts = self.facts("")
        for number, frame in enumerate(read_segment(self.clip, self.segment, _ignore_warning), self.first):
            name = self.name(number)
            if name in names:
                names = names - {name}
                yield SourceFrame(name, facts, frame.picture)
            if not names:
                return
        for name in sorted(names):
            yield SourceFrame(name, facts, None, "it cannot be decoded")

    def facts(self, name: str) -> FrameFacts:
        """Size and time of the clip's file; the same for every frame."""
        state = self.clip.path.stat()
        return FrameFacts(state.st_size, state.st_mtime_ns, 0)

    def __str__(self) -> str:
        return f"the frames {self.names[0]} to {self.names[-1]} of {self.clip.path.name}"


Part = PicturePart | ClipPart


def part_of(part: Part, names: set[str]) -> Part:
    """The frames of a part that have these names, without those in between: faces are not tracked across them."""
    if isinstance(part, PicturePart):
        return replace(part, paths=tuple(path for path in part.paths if path.name in names))
    return replace(part, numbers=tuple(number for number in part.numbers if part.name(number) in names))


def open_source(workspace: Workspace, options: ExtractFacesOptions, report: Report) -> list[Part]:
    """The parts of the chosen source: the folder's frames if it has any, else the clip. UserError if neither."""
    numbers = range(options.first_frame - 1, options.last_frame or 2**31, options.every_nth)
    folder = workspace.frames(options.side)
    if options.source != "video":
        paths = _one_of_each_stem(folder, report)
        if paths:
            is_own = not workspace.clip_facts(options.side).is_file()
            return _picture_parts(paths[numbers.start : numbers.stop : numbers.step], folder, is_own)
        if options.source == "frames":
            raise no_frames(folder, f"Run extract-frames {options.side} first.")
    path = _clip_of(workspace, options)
    clip = read_clip(path, reading_of(workspace.clip_facts(options.side), path))
    report.line(f"The frames are decoded directly from {clip.path.name}; no pictures are needed.")
    report_account(clip, report)
    parts = _clip_parts(clip, numbers)
    if not parts:
        raise _empty_range(str(clip.path))
    return parts


def _clip_of(workspace: Workspace, options: ExtractFacesOptions) -> Path:
    try:
        return workspace.clip(options.side)
    except UserError as error:
        if options.source == "video":
            raise
        reason = no_frames(workspace.frames(options.side), error.todo)
        raise UserError(f"{reason.what} And there is no clip: {error.what}", reason.todo) from error


def _one_of_each_stem(folder: Path, report: Report) -> list[Path]:
    """Pictures of the folder in order; of several with one stem only the first, as their faces would share names."""
    by_stem: dict[str, Path] = {}
    doubles, too_long = [], []
    for path in list_frames(folder, report):
        if name_size(path.stem) + _FACE_NAME_BYTES > MAX_NAME_BYTES:
            too_long.append(path.name)
        elif by_stem.setdefault(path.stem, path) is not path:
            doubles.append(path.name)
    if doubles:
        report.warn(f"Left out, as another picture has the same name with another ending: {', '.join(doubles[:5])}")
    if too_long:
        report.warn(
            f"Left out, as their names are too long for the names of their faces: {', '.join(too_long[:5])}. "
            f"Rename them: at most {MAX_NAME_BYTES - _FACE_NAME_BYTES} bytes before the ending."
        )
    return list(by_stem.values())


def _picture_parts(paths: list[Path], folder: Path, is_own: bool) -> list[Part]:
    """is_own: the pictures are the user's, not frames that extract-frames made."""
    if not paths:
        raise _empty_range(str(folder))
    turned = is_own and any(path.suffix.lower() != ".png" for path in paths)
    return [
        PicturePart(tuple(paths[start : start + PART_FRAMES]), turned) for start in range(0, len(paths), PART_FRAMES)
    ]


def _clip_parts(clip: Clip, numbers: range) -> list[Part]:
    """The clip's segments that hold wanted frames; `numbers` count from 0."""
    parts: list[Part] = []
    first = 0
    found = segments(clip)
    expected = clip.expected_frames or sum(segment.frames for segment in found)
    digits = max(NAME_DIGITS, len(str(expected)))
    for segment in found:
        inside = [number + 1 for number in range(first, first + segment.frames) if number in numbers]
        if inside:
            parts.append(ClipPart(clip, segment, first + 1, tuple(inside), digits))
        first += segment.frames
    return parts


def _empty_range(what: str) -> UserError:
    return UserError(f"No frame of {what} is in the range.", "Change --first-frame, --last-frame or --every-nth.")


def _read_picture(path: Path) -> SourceFrame:
    facts = FrameFacts(0, 0, 0)
    try:
        state = path.stat()
        content = path.read_bytes()
        facts = FrameFacts(len(content), state.st_mtime_ns, zlib.crc32(content))
        return SourceFrame(path.name, facts, decode_frame(content, str(path)))
    except OSError as error:
        return SourceFrame(path.name, facts, None, f"{path} cannot be read: {error.strerror}.")
    except UserError as error:
        return SourceFrame(path.name, facts, None, f"{error.what} {error.todo}")


def _ignore_warning(text: str) -> None:
    """Ignored: damage shows as missing frames."""
    del text
