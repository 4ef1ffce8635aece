"""The trash of a faceset: faces taken out of `aligned` lie in `aligned_trash` beside it until they are put back.

Nothing is ever deleted. `trash.jsonl` there has one line a file, on disk before the file moves: a run that is killed
between any two moves leaves every file either in the faceset or in the trash, with a line that says where it belongs.
A line whose file is not in the trash means nothing: the file never moved, or is back.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from dfl.base.errors import UserError
from dfl.base.files import move, write_text
from dfl.base.json_lines import append_lines, objects_in, to_lines
from dfl.base.listing import list_pictures
from dfl.base.system_errors import error_path, to_user_error
from dfl.base.unused_path import unused_path
from dfl.faceset.sidecar import add_to_index, read_index
from dfl.workspace import TRASH_JOURNAL


@dataclass(frozen=True)
class Trashed:
    """One file in the trash: its name in the faceset, its name here, why and in which run it was moved."""

    name: str
    trash_name: str
    reason: str
    run: str


def trash_folder(aligned: Path) -> Path:
    """The trash of a faceset's folder."""
    return aligned.with_name(f"{aligned.name}_trash")


def move_to_trash(aligned: Path, names: Iterable[str], reason: str) -> Path:
    """Move files of the faceset's folder into its trash, as one run that `restore` can undo; returns the trash.

    UserError, before anything has moved, when one is not there.
    """
    folder = trash_folder(aligned)
    wanted = list(dict.fromkeys(names))
    missing = [name for name in wanted if not _is_plain(name) or not (aligned / name).is_file()]
    if missing:
        raise UserError(f"{aligned} holds no file {missing[0]!r}.", "Check the name; nothing was moved.")
    if not wanted:
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = _names(folder) | {TRASH_JOURNAL}
        run = uuid.uuid4().hex
        rows = [Trashed(name, _take_name(name, taken), reason, run) for name in wanted]
        append_lines(folder / TRASH_JOURNAL, map(asdict, rows))
        _copy_face_data(aligned, folder, {row.name: row.trash_name for row in rows})
        for row in rows:
            _move(aligned / row.name, folder / row.trash_name)
    except OSError as error:
        raise to_user_error(error, error_path(error, folder)) from error
    return folder


def restore(aligned: Path, *, reason: str | None = None, all_runs: bool = False) -> int:
    """Put files back from the trash into the faceset; returns how many.

    Those of the last run that still has files there; `all_runs`: of every run, and pictures that another program put
    there. `reason`: only runs with this reason. A name that is taken in the faceset by now gets `_1`, `_2`, ...
    """
    folder = trash_folder(aligned)
    rows = list_trash(aligned)
    chosen = [row for row in rows if reason is None or row.reason == reason]
    if not all_runs:
        chosen = [row for row in chosen if row.run == chosen[-1].run]
    elif reason is None:
        known = {row.trash_name for row in rows}
        chosen += [Trashed(path.name, path.name, "", "") for path in list_pictures(folder) if path.name not in known]
    if not chosen:
        return 0
    try:
        aligned.mkdir(parents=True, exist_ok=True)
        taken = _names(aligned)
        names = {row.trash_name: _take_name(row.name, taken) for row in chosen}
        _copy_face_data(folder, aligned, names)
        for trash_name, name in names.items():
            _move(folder / trash_name, aligned / name)
    except OSError as error:
        raise to_user_error(error, error_path(error, aligned)) from error
    write_text(folder / TRASH_JOURNAL, to_lines(map(asdict, list_trash(aligned))))
    return len(chosen)


def list_trash(aligned: Path) -> list[Trashed]:
    """The files in the trash that its journal names, in the order in which they were moved."""
    folder = trash_folder(aligned)
    try:
        content = (folder / TRASH_JOURNAL).read_bytes()
        there = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return []
    except OSError as error:
        raise to_user_error(error, error_path(error, folder)) from error
    rows: dict[str, Trashed] = {}
    for row in _rows(content):
        # A name was free in the trash when its line was written: an older line with that name is void.
        rows.pop(row.trash_name, None)
        rows[row.trash_name] = row
    return [row for row in rows.values() if row.trash_name in there]


def _take_name(name: str, taken: set[str]) -> str:
    """`name`, or with _1, _2 ... before its suffix when it is in `taken` (lower case), to which it is added."""
    free = unused_path(Path(name), first=1, is_used=lambda path: path.name.lower() in taken).name
    taken.add(free.lower())
    return free


def _copy_face_data(source: Path, target: Path, names: Mapping[str, str]) -> None:
    """Copy the faceset.json entries of pictures (PNG, WebP) to where the pictures go. `names`: from here to there."""
    with suppress(UserError):  # a damaged index is reported by the stages that need it; the pictures move
        index = read_index(source)
        entries = {new: index.get(old) for old, new in names.items()}
        found = {new: entry for new, entry in entries.items() if entry}
        if found:
            add_to_index(target, found)


def _names(folder: Path) -> set[str]:
    return {path.name.lower() for path in folder.iterdir()}


def _move(source: Path, target: Path) -> None:
    """Rename, never over another file."""
    if target.exists():
        raise FileExistsError(None, "there is a file of this name", str(target))
    move(source, target)


def _rows(content: bytes) -> Iterator[Trashed]:
    """The files of those lines that are whole and name nothing outside the two folders."""
    for values in objects_in(content):
        try:
            row = Trashed(**values)
        except TypeError:
            continue
        is_text = all(isinstance(value, str) for value in values.values())
        if is_text and _is_plain(row.name) and _is_plain(row.trash_name) and row.trash_name != TRASH_JOURNAL:
            yield row


def _is_plain(name: str) -> bool:
    """Whether it is a file's name and no path, on any system."""
    return name not in ("", ".", "..") and PureWindowsPath(name).name == name and PurePosixPath(name).name == name
