"""The stage `unpack`: the pictures of faceset.pak as files again, those of persons in a folder each.

The pack is deleted when every file has been compared with it. A run that is killed leaves the pack; starting again
takes over the files that are whole.
"""

from pathlib import Path

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import sync_file, sync_folder, write_bytes
from dfl.base.part_files import remove_parts
from dfl.base.report import Report
from dfl.base.system_errors import error_path, to_user_error
from dfl.faceset.pak_format import Member, read_at, read_members
from dfl.faceset_tools.options import UnpackOptions
from dfl.workspace import FACESET_PAK, Workspace

_BLOCK_BYTES = 4096


def run(workspace: Workspace, options: UnpackOptions, report: Report) -> None:
    """Unpack a side's faces. UserError, before anything is written, when another file stands where one would go."""
    folder = workspace.aligned(options.side)
    pak = folder / FACESET_PAK
    if not pak.is_file():
        raise UserError(f"There is no {pak}.", "Pack the faces first, or put the pack there.")
    members = read_members(pak)
    targets = [_target(folder, member) for member in members]
    try:
        missing = _missing(pak, members, targets)
        sizes = [member.length + _BLOCK_BYTES for member in members]
        need_space(folder, sum(size * is_missing for size, is_missing in zip(sizes, missing, strict=True)), "Unpacking")
        _write(pak, members, targets, missing, report)
        _verify(pak, members, targets, report)
        pak.unlink()
        sync_folder(folder)
    except OSError as error:
        raise to_user_error(error, error_path(error, pak)) from error
    persons = {member.person for member in members if member.person}
    more = f" of {len(persons)} persons, in a folder each" if persons else ""
    report.done(f"{folder}: {len(members)} faces{more}; the pack is deleted.", faces=len(members))


def _target(folder: Path, member: Member) -> Path:
    """Where a picture goes. Names were checked when the pack was read."""
    return folder / member.person / member.name if member.person else folder / member.name


def _missing(pak: Path, members: list[Member], targets: list[Path]) -> list[bool]:
    """Which pictures have no file yet; UserError when a file of that name is another one."""
    with pak.open("rb") as file:
        missing = []
        for member, target in zip(members, targets, strict=True):
            if target.parent != pak.parent and target.parent.is_symlink():
                raise UserError(f"{target.parent} is a link to another place.", "Move it away, then start again.")
            is_there = target.exists() or target.is_symlink()
            if is_there and (not target.is_file() or target.read_bytes() != read_at(file, member, pak)):
                raise UserError(
                    f"{target} is there already and is not the one in {pak.name}.",
                    "Move it away, or pack the folder without deleting; then start again.",
                )
            missing.append(not is_there)
    return missing


def _write(pak: Path, members: list[Member], targets: list[Path], missing: list[bool], report: Report) -> None:
    for folder in {target.parent for target in targets}:
        folder.mkdir(exist_ok=True)
        remove_parts(folder)
    with pak.open("rb") as file:
        rows = zip(members, targets, missing, strict=True)
        for member, target, is_missing in report.track(rows, "Unpacking", len(members)):
            if is_missing:
                write_bytes(target, read_at(file, member, pak), durable=False)  # _verify waits for the disk


def _verify(pak: Path, members: list[Member], targets: list[Path], report: Report) -> None:
    """Wait until every file is on the disk; UserError unless it is what the pack holds."""
    with pak.open("rb") as file:
        for member, target in report.track(zip(members, targets, strict=True), "Verifying", len(members)):
            with target.open("rb+") as written:
                sync_file(written)
                is_same = written.read() == read_at(file, member, pak)
            if not is_same:
                raise UserError(
                    f"{target} was not written as it is in {pak.name}.", "Check the disk. The pack was not deleted."
                )
