"""Backups of a model: `backups/01` (the newest) to `24` in its folder, each a model folder with one whole checkpoint.

    model/new_SAEHD/backups/01/   set-000007/   preview.png

A checkpoint's files never change once they are written, so a backup is made of hard links where the disk has them: it
costs no time, and no space until the checkpoint itself is removed.
"""

import os
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import move, sync_file, sync_folder
from dfl.base.system_errors import error_path, to_user_error
from dfl.models.checkpoint import MANIFEST, finished_checkpoints, peek, read_checkpoint, write_checkpoint

MAX_BACKUPS = 24
_NUMBER = re.compile(r"\d\d")
_PART, _OLD = "part-", "old-"
_UNFINISHED = re.compile(rf"({_PART}|{_OLD})[0-9a-f]{{8}}")


@dataclass(frozen=True)
class Backup:
    """One backup: its number (1 is the newest), what iteration it is of, and when that was saved (seconds, Unix).

    session_name: the user's word for the stretch of training that it is of, or empty.
    """

    number: int
    folder: Path
    iteration: int
    saved_at: float
    session_name: str


def backups_folder(folder: Path) -> Path:
    """Where a model's backups are."""
    return folder / "backups"


def list_backups(folder: Path) -> list[Backup]:
    """Backups of a model, newest first; those that cannot be read are left out."""
    found = []
    for path in _numbered(backups_folder(folder)):
        try:
            facts = peek(path)
            saved_at = (finished_checkpoints(path)[-1] / MANIFEST).stat().st_mtime
        except (UserError, OSError, IndexError):
            continue
        session = str(facts["options"].get("session_name", ""))
        found.append(Backup(int(path.name), path, int(facts["iteration"]), saved_at, session))
    return found


def make_backup(folder: Path) -> Path:
    """Back up the newest checkpoint and the previews beside it; the oldest of more than 24 goes.

    Whenever this is interrupted, every numbered backup is whole and they are in order: the new one is finished before
    the others move up, and they move one by one into the first free number. UserError when there is nothing to back
    up or no space; the model itself is never touched.
    """
    finished = finished_checkpoints(folder)
    if not finished:
        raise UserError(f"{folder} holds no finished model to back up.", "Save first.")
    files = [path for path in finished[-1].iterdir() if path.is_file()]
    wanted = sum(path.stat().st_size for path in files)
    need_space(folder, wanted + 2**20, "A backup of the model")
    backups = backups_folder(folder)
    part = backups / f"{_PART}{uuid.uuid4().hex[:8]}"
    try:
        backups.mkdir(exist_ok=True)
        _remove_unfinished(backups)
        (part / finished[-1].name).mkdir(parents=True)
        for path in sorted(files, key=lambda path: path.name == MANIFEST):  # the manifest last
            _link_or_copy(path, part / finished[-1].name / path.name)
        for path in folder.glob("preview*.png"):
            shutil.copyfile(path, part / path.name)  # these are written anew: no links
        sync_folder(part / finished[-1].name)
        _move_up(backups)
        move(part, backups / "01")
        sync_folder(backups)
    except OSError as error:
        raise to_user_error(error, error_path(error, part)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return backups / "01"


def restore_backup(folder: Path, number: int, warn: Callable[[str], None] = lambda _: None) -> int:
    """Put a backup back as the newest checkpoint; the former newest stays as the one before. Returns its iteration.

    `warn` is called for damaged parts that training can do without. UserError when there is no such backup or its
    weights are damaged: then nothing was changed.
    """
    path = backups_folder(folder) / f"{number:02d}"
    if not path.is_dir():
        have = ", ".join(f"{backup.number:02d}" for backup in list_backups(folder)) or "none"
        raise UserError(f"{folder.name} has no backup {number:02d}. Backups: {have}.", "Choose one of these.")
    try:
        saved = read_checkpoint(path, warn)
    except UserError as error:
        older = next((backup.number for backup in list_backups(folder) if backup.number > number), None)
        todo = f"Take an older one: --backup {older}." if older else "There is no older one; nothing was changed."
        raise UserError(error.what, todo) from error
    write_checkpoint(folder, saved)
    return saved.iteration


def _numbered(backups: Path) -> list[Path]:
    """Backup folders, newest first."""
    if not backups.is_dir():
        return []
    return sorted(path for path in backups.iterdir() if path.is_dir() and _NUMBER.fullmatch(path.name))


def _move_up(backups: Path) -> None:
    """Make 01 free: 01 becomes 02 and so on, up to the first number that is free."""
    taken = {int(path.name) for path in _numbered(backups)}
    free = next((number for number in range(1, MAX_BACKUPS + 1) if number not in taken), MAX_BACKUPS)
    last = backups / f"{MAX_BACKUPS:02d}"
    if free == MAX_BACKUPS and last.exists():
        # A renamed folder is no backup any more, however far its removal comes.
        gone = backups / f"{_OLD}{uuid.uuid4().hex[:8]}"
        move(last, gone)
        shutil.rmtree(gone, ignore_errors=True)
    for number in range(free, 1, -1):
        move(backups / f"{number - 1:02d}", backups / f"{number:02d}")


def _remove_unfinished(backups: Path) -> None:
    """Remove what a killed run left unfinished."""
    for path in backups.iterdir():
        if _UNFINISHED.fullmatch(path.name) and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file, or a synced copy where the disk has no hard links (FAT)."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        with target.open("rb+") as handle:
            sync_file(handle)
