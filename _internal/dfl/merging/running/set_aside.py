"""Move away pictures in the merged folders instead of deleting or overwriting them.

Merged pictures (by the journal) whose frames are missing in data_dst go to `data_dst/merged_set_aside/merged/`, and are
restored when the frames are back; other pictures stay. Pictures of another program under the names of frames, and
merged ones that the user has edited, go to `data_dst/merged_before_1/` before merge writes there.
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


def set_aside(files: FrameFiles, merged: set[str], stems: set[str]) -> int:
    """Move away the pictures of frames that are not among `stems`; returns the number of these frames.

    merged: stems of the journal's frames.
    """
    count = 0
    for stem in merged - stems:
        moved = [path for path in _files_of(files, stem, files.folders) if _move(path, set_aside_folder(path.parent))]
        count += bool(moved)
    return count


def restore(files: FrameFiles, stems: set[str]) -> None:
    """Restore the pictures of frames that are in data_dst again, unless they are merged already."""
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
    """Move away foreign and edited pictures that merge would overwrite; returns the target folder, None if none.

    todo: the stems of frames that will be written. Pictures that a killed run wrote but did not record are recognised
    by their mark.
    """
    merged = journal.stems
    target, found = earlier_path(files.folder), False
    for stem in todo:
        picture = files.picture_path(stem)
        if not picture.is_file():
            continue
        if not journal.is_changed(stem, files.size(stem)) if stem in merged else _is_marked(picture):
            continue
        for path in _files_of(files, stem, files.folders):
            found |= _move(path, target / path.parent.name)
    return target if found else None


def _is_marked(path: Path) -> bool:
    """Whether a picture is marked as synthetic media, as merge does by default."""
    with path.open("rb") as file:
        head = file.read(_MARK_BYTES)
        file.seek(max(0, path.stat().st_size - _MARK_BYTES))
        return SOURCE_TYPE.encode() in head + file.read()


def set_aside_folder(folder: Path) -> Path:
    """Where the pictures of a folder are moved to."""
    return folder.parent / MERGED_SET_ASIDE / folder.name


def _files_of(files: FrameFiles, stem: str, folders: list[Path]) -> Iterator[Path]:
    """The files written for a frame; `folders`: files.folders, or the folders they were moved to."""
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
    """Move a file if it exists; returns whether it did."""
    if not source.is_file():
        return False
    move_into(folder, source)
    return True
