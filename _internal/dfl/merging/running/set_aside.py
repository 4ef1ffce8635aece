"""Pictures in the folders of merged ones that must not be lost; nothing is deleted or written over.

Those whose frames are not in data_dst at the moment are put into `data_dst/merged_set_aside/merged/`, and taken back
when the frames are back: only what merge wrote, by its journal. Pictures that somebody puts beside them stay. Pictures
of another program under the names of frames, and those that somebody edited, go to `data_dst/merged_before_1/` before
merge writes there.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.files import move_into, read_json
from dfl.base.unused_path import earlier_path
from dfl.merging.running.merge_journal import MergeJournal
from dfl.merging.running.output import FrameFiles
from dfl.video.marking import SOURCE_TYPE
from dfl.workspace import MERGED_SET_ASIDE

_MARK_BYTES = 8192


def set_aside(files: FrameFiles, made: set[str], stems: set[str]) -> int:
    """Put the pictures of frames aside that are not among `stems`; of how many frames. made: what the journal names."""
    count = 0
    for stem in made - stems:
        moved = [path for path in _files_of(files, stem, files.folders) if _move(path, _aside(path.parent))]
        count += bool(moved)
    return count


def take_back(files: FrameFiles, stems: set[str]) -> None:
    """Put back what was put aside of frames that are there again, unless they are merged already."""
    folders = [_aside(folder) for folder in files.folders]
    there = {path.stem for path in folders[0].iterdir()} if folders[0].is_dir() else set()
    for stem in there & stems:
        if files.picture_path(stem).exists():
            continue
        for path in _files_of(files, stem, folders):
            _move(path, path.parent.parent.with_name(path.parent.name))
    for folder in (*folders, folders[0].parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def part_from_others(files: FrameFiles, journal: MergeJournal, todo: Iterable[str]) -> Path | None:
    """Move what merge did not write so out of the way of what it will write; returns where to, None if there was none.

    todo: the stems of frames that will be written. What a killed run wrote and did not note is known by its mark.
    """
    made = journal.stems
    aside, found = earlier_path(files.folder), False
    for stem in todo:
        picture = files.picture_path(stem)
        if not picture.is_file():
            continue
        if not journal.is_changed(stem, files.size(stem)) if stem in made else _is_marked(picture):
            continue
        for path in _files_of(files, stem, files.folders):
            found |= _move(path, aside / path.parent.name)
    return aside if found else None


def _is_marked(path: Path) -> bool:
    """Whether a picture says that it was made so, as all that merge writes do, if they may."""
    with path.open("rb") as file:
        head = file.read(_MARK_BYTES)
        file.seek(max(0, path.stat().st_size - _MARK_BYTES))
        return SOURCE_TYPE.encode() in head + file.read()


def where(files: FrameFiles) -> Path:
    """Where the pictures of a format's folder are put."""
    return _aside(files.folder)


def _aside(folder: Path) -> Path:
    return folder.parent / MERGED_SET_ASIDE / folder.name


def _files_of(files: FrameFiles, stem: str, folders: list[Path]) -> Iterator[Path]:
    """What was written of a frame; `folders`: files.folders, or where they were put aside."""
    for folder, own in zip(folders, files.folders, strict=True):
        if own == files.crops:
            yield from _crops(folder / f"{stem}.json")
        else:
            name = files.picture_path(stem).name if own == files.folder else f"{stem}.png"
            yield folder / name


def _crops(facts: Path) -> Iterator[Path]:
    """A frame's face crops and the file that tells of them."""
    try:
        faces = read_json(facts)["faces"] if facts.is_file() else []
        names = [str(face["picture"]) for face in faces]
    except (UserError, KeyError, TypeError):
        names = []
    own = re.compile(rf"{re.escape(facts.stem)}_\d+\.png")
    yield from (facts.with_name(name) for name in names if own.fullmatch(name))
    yield facts


def _move(source: Path, folder: Path) -> bool:
    """Whether there was a file to be moved."""
    if not source.is_file():
        return False
    move_into(folder, source)
    return True
