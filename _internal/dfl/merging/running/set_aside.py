"""Move pictures away that must not be lost, in the folders of merged ones; nothing is deleted or overwritten.

Those whose frames are not in data_dst at the moment go to `data_dst/merged_set_aside/merged/`, and come back with their
frames: only what merge wrote, by its journal. Other pictures there stay. Pictures
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
    """Move away the pictures of frames that are not among `stems`; returns of how many frames.

    made: the frames that the journal names.
    """
    count = 0
    for stem in made - stems:
        moved = [path for path in _files_of(files, stem, files.folders) if _move(path, set_aside_folder(path.parent))]
        count += bool(moved)
    return count


def restore(files: FrameFiles, stems: set[str]) -> None:
    """Restore the pictures of frames that are there again, unless they are merged already."""
    folders = [set_aside_folder(folder) for folder in files.folders]
    moved = {path.stem for path in folders[0].iterdir()} if folders[0].is_dir() else set()
    for stem in moved & stems:
        if files.picture_path(stem).exists():
            continue
        for path in _files_of(files, stem, folders):
            _move(path, path.parent.parent.with_name(path.parent.name))
    for folder in (*folders, folders[0].parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def move_foreign(files: FrameFiles, journal: MergeJournal, todo: Iterable[str]) -> Path | None:
    """Move foreign and edited pictures out of merge's way; returns where to, None if there was none.

    todo: the stems of frames that will be written. What a killed run wrote and did not note is recognised by its mark.
    """
    made = journal.stems
    target, found = earlier_path(files.folder), False
    for stem in todo:
        picture = files.picture_path(stem)
        if not picture.is_file():
            continue
        if not journal.is_changed(stem, files.size(stem)) if stem in made else _is_marked(picture):
            continue
        for path in _files_of(files, stem, files.folders):
            found |= _move(path, target / path.parent.name)
    return target if found else None


def _is_marked(path: Path) -> bool:
    """Whether a picture is marked as made, as all that merge writes is by default."""
    with path.open("rb") as file:
        head = file.read(_MARK_BYTES)
        file.seek(max(0, path.stat().st_size - _MARK_BYTES))
        return SOURCE_TYPE.encode() in head + file.read()


def set_aside_folder(folder: Path) -> Path:
    """Where the pictures of a folder are moved to."""
    return folder.parent / MERGED_SET_ASIDE / folder.name


def _files_of(files: FrameFiles, stem: str, folders: list[Path]) -> Iterator[Path]:
    """What was written of a frame; `folders`: files.folders, or where they were moved to."""
    for folder, own in zip(folders, files.folders, strict=True):
        if own == files.crops:
            yield from _crops(folder / f"{stem}.json")
        else:
            name = files.picture_path(stem).name if own == files.folder else f"{stem}.png"
            yield folder / name


def _crops(facts: Path) -> Iterator[Path]:
    """A frame's face crops and their JSON file."""
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
