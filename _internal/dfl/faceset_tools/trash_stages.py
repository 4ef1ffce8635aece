"""The stages `trash` and `restore`: faces chosen by name are taken out of a faceset, and put back."""

from fnmatch import fnmatchcase
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.report import Report
from dfl.base.wording import counted, first_few
from dfl.faceset.faceset import check_is_unpacked
from dfl.faceset.trash import list_trash, move_to_trash, restore, trash_folder
from dfl.faceset_tools.options import RestoreOptions, TrashOptions
from dfl.workspace import TRASH_JOURNAL, Workspace


def run(workspace: Workspace, options: TrashOptions, report: Report) -> None:
    """Take faces out of a side's faceset; see `dfl trash --help`."""
    aligned = workspace.aligned(options.side)
    if not options.names:
        raise UserError(
            "No file was named.",
            f'Name files of {aligned}, such as `dfl trash {options.side} 00012_0.jpg "0003*"`, or drop them on the '
            "batch file.",
        )
    check_is_unpacked(aligned, options.side)
    there = [path.name for path in list_pictures(aligned)]
    chosen: list[str] = []
    for pattern in options.names:
        found = _matching(_own_name(pattern, aligned), there)
        if not found:
            raise UserError(f"{aligned} holds no picture {pattern!r}.", "Check the name; nothing was moved.")
        chosen += found
    chosen = list(dict.fromkeys(chosen))
    folder = move_to_trash(aligned, chosen, options.reason)
    report.done(
        f"{counted(len(chosen), 'picture')} moved to {folder}; `dfl restore {options.side}` puts them back.",
        moved=len(chosen),
    )


def run_restore(workspace: Workspace, options: RestoreOptions, report: Report) -> None:
    """Put faces back from a side's trash; see `dfl restore --help`."""
    aligned = workspace.aligned(options.side)
    folder = trash_folder(aligned)
    if list_pictures(folder):
        check_is_unpacked(aligned, options.side)
    count = restore(aligned, reason=options.reason or None, all_runs=options.all)
    pictures = list_pictures(folder)
    listed = {row.trash_name for row in list_trash(aligned)}
    unlisted = [path.name for path in pictures if path.name not in listed]
    if unlisted:
        count_and_verb = f"{counted(len(unlisted), 'picture')} in {folder} {'is' if len(unlisted) == 1 else 'are'}"
        report.warn(
            f"{count_and_verb} not in its list {TRASH_JOURNAL}, which was damaged or deleted: {first_few(unlisted)}. "
            f"`dfl restore {options.side} --all` puts all pictures back, under the names that they have there."
        )
    if not count:
        asked = f' that was moved there as "{options.reason}"' if options.reason else ""
        text = f"Nothing to put back{asked}: {folder} holds {counted(len(pictures), 'picture')}."
        report.done(text, restored=0, left=len(pictures))
        return
    report.done(
        f"{counted(count, 'picture')} back in {aligned}; {len(pictures)} left in the trash.",
        restored=count,
        left=len(pictures),
    )


def _own_name(given: str, aligned: Path) -> str:
    """A name as given, or of a path into the faceset's folder (files dropped on the batch file)."""
    path = Path(given)
    return path.name if path.parent != Path() and path.parent.resolve() == aligned.resolve() else given


def _matching(pattern: str, names: list[str]) -> list[str]:
    """The names that a name or a pattern (* ? [..]) means, case ignored as on Windows."""
    if pattern in names:
        return [pattern]
    return [name for name in names if fnmatchcase(name.lower(), pattern.lower())]
