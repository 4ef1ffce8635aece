"""Rename many files of a faceset at once, so that a killed run loses no file and is finished by the next one.

Round 1 moves every file into the folder `renaming`, there already under its new name; round 2 moves them back up. So
names may be swapped in any way. `renaming.json`, written first, says what goes where and which round is on.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dfl.base.errors import UserError
from dfl.base.files import move, read_json, sync_folder, write_json
from dfl.base.listing import is_hidden
from dfl.base.locks import Held, hold_file
from dfl.base.report import Report
from dfl.base.system_errors import error_path, to_user_error
from dfl.faceset.file_names import name_key, why_unsafe
from dfl.faceset.meta_dat import rename_in_meta_dat
from dfl.faceset.sidecar import gather_notes, rename_in_index
from dfl.workspace import FACESET_INDEX, META_DAT, RENAMING, RENAMING_JOURNAL, RENAMING_LOCK

_FORMAT = 1


@dataclass(frozen=True)
class _Plan:
    """The journal: `names` from old to new; the round that is on; checksums of the tables of names before it began."""

    names: dict[str, str]
    round: int = 1
    tables: tuple[tuple[str, int], ...] = ()


def rename_all(folder: Path, names: Mapping[str, str], report: Report | None = None) -> None:
    """Rename files of `folder`, from old name to new; names may be swapped. faceset.json and meta.dat follow.

    UserError before anything is touched when a file is missing, or when two files would have one name (case ignored).
    UserError when the system refuses in the middle: the next call, or finish_renaming, does the rest.
    """
    finish_renaming(folder, report)
    moved = {old: new for old, new in names.items() if old != new}
    if not moved:
        return
    _check(folder, moved)
    with _alone(folder):
        plan = _Plan(moved, 1, _tables(folder))
        _write(folder, plan)
        _carry_out(folder, plan, report)


def finish_renaming(folder: Path, report: Report | None = None) -> bool:
    """Finish what a killed run of rename_all left; returns whether there was anything. Costs one stat call.

    UserError when another program is at it, or when the journal is damaged.
    """
    if not (folder / RENAMING_JOURNAL).exists():
        return False
    with _alone(folder):
        if (folder / RENAMING_JOURNAL).exists():  # not finished by another program meanwhile
            _carry_out(folder, _read(folder), report)
    return True


def _check(folder: Path, names: Mapping[str, str]) -> None:
    """Refuse what cannot be done before anything is touched."""
    present = {path.name for path in folder.iterdir()}
    missing = sorted(names.keys() - present)
    if missing:
        raise UserError(f"{folder / missing[0]} is not there to be renamed.", "Start again: the folder has changed.")
    staging = folder / RENAMING
    if staging.exists() and any(not is_hidden(path) for path in staging.iterdir()):
        raise UserError(f"{staging} holds files of unknown origin.", f"Move them out of it, then delete {staging}.")
    taken = {name_key(name): name for name in present - names.keys()}
    for old, new in names.items():
        reason = why_unsafe(new)
        if reason:
            raise UserError(f"{folder / old} cannot be renamed to {new!r}: {reason}.", "Rename it by hand.")
        other = taken.setdefault(name_key(new), old)
        if other != old:
            raise UserError(
                f"{folder / old} cannot be renamed to {new}: {other} has that name or gets it too.",
                f"Move {other} away, or rename it.",
            )


def _carry_out(folder: Path, plan: _Plan, report: Report | None) -> None:
    """From the round that is on to the end. Each step checks what is there, so it may be repeated."""
    staging, count = folder / RENAMING, len(plan.names)
    try:
        if plan.round == 1:
            staging.mkdir(exist_ok=True)
            pairs = plan.names.items()
            for old, new in report.track(pairs, "Renaming, round 1 of 2", count) if report else pairs:
                _move(folder / old, staging / new)
            plan = _next_round(folder, plan)
        if plan.round == 2:
            names = plan.names.values()
            for new in report.track(names, "Renaming, round 2 of 2", count) if report else names:
                _move(staging / new, folder / new)
            plan = _next_round(folder, plan)
        _rename_in_tables(folder, plan, report)
        if staging.is_dir() and not any(staging.iterdir()):
            staging.rmdir()
        (folder / RENAMING_JOURNAL).unlink()
    except OSError as error:
        raise to_user_error(error, error_path(error, folder)) from error


def _move(source: Path, target: Path) -> None:
    """Rename unless that is done already. Never over another file."""
    if target.exists():
        if source.exists():
            raise UserError(
                f"{source} cannot be renamed: {target} is in the way.", f"Move {target} away and start again."
            )
    elif source.exists():
        move(source, target)


def _next_round(folder: Path, plan: _Plan) -> _Plan:
    sync_folder(folder)
    plan = replace(plan, round=plan.round + 1)
    _write(folder, plan)
    return plan


def _tables(folder: Path) -> tuple[tuple[str, int], ...]:
    """The files in the faceset that list its files by name, with their checksums."""
    with suppress(UserError):  # a damaged index is reported by the stages that need it
        gather_notes(folder)
    return tuple((name, _checksum(folder / name)) for name in _RENAMED_IN if (folder / name).is_file())


def _rename_in_tables(folder: Path, plan: _Plan, report: Report | None) -> None:
    """Rename in the tables that are still as they were; the others were rewritten before the run was killed."""
    for name, checksum in plan.tables:
        path = folder / name
        try:
            if path.is_file() and _checksum(path) == checksum:
                _RENAMED_IN[name](folder, plan.names)
        except UserError as error:  # the files have their names; a damaged table must not hold them up
            if report:
                report.warn(f"{error.what} Its names stay as they were.")


def _checksum(path: Path) -> int:
    return zlib.crc32(path.read_bytes())


# What lists a faceset's files by name, and how names change in it.
_RENAMED_IN: dict[str, Callable[[Path, Mapping[str, str]], None]] = {
    FACESET_INDEX: rename_in_index,
    META_DAT: lambda folder, names: rename_in_meta_dat(folder / META_DAT, names),
}


def _write(folder: Path, plan: _Plan) -> None:
    write_json(folder / RENAMING_JOURNAL, {"format": _FORMAT} | asdict(plan))


def _read(folder: Path) -> _Plan:
    """The journal. It may come with a faceset of unknown origin: nothing in it may lead out of the folder."""
    found: Any = read_json(folder / RENAMING_JOURNAL)
    try:
        names = {str(old): str(new) for old, new in found["names"].items()}
        plan = _Plan(names, int(found["round"]), tuple((str(name), int(value)) for name, value in found["tables"]))
        is_whole = found["format"] == _FORMAT and plan.round in (1, 2, 3)
        is_whole = is_whole and all(name in _RENAMED_IN for name, _ in plan.tables)
    except (KeyError, TypeError, ValueError, AttributeError):
        is_whole = False
    if (
        not is_whole
        or any(why_unsafe(new) for new in plan.names.values())
        or any(Path(old).name != old or "\\" in old or old in ("", ".", "..") for old in plan.names)
        or len({name_key(new) for new in plan.names.values()}) < len(plan.names)
    ):
        raise UserError(
            f"{folder / RENAMING_JOURNAL} is damaged.",
            f"Move the files of {folder / RENAMING} back by hand, then delete it.",
        )
    return plan


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second program away while files of the folder change their names."""
    try:
        with hold_file(folder / RENAMING_LOCK):
            yield
    except Held:
        raise UserError(
            f"Another program is renaming the files of {folder}.", "Wait until it has finished, then start again."
        ) from None
    _drop_lock(folder / RENAMING_LOCK)


def _drop_lock(path: Path) -> None:
    """Remove the empty lock file; another program may hold it (Windows)."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
