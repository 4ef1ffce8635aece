"""The stage `clear-workspace`: a workspace as new, with its videos, its results, and all that is not the program's."""

import os
from pathlib import Path

from dfl.base.asking import ask_yes
from dfl.base.disk_space import size_in_words
from dfl.base.errors import Stopped, UserError
from dfl.base.listing import in_natural_order
from dfl.base.report import Report
from dfl.base.system_errors import error_path, to_user_error
from dfl.base.wording import first_few
from dfl.diagnostics.options import ClearWorkspaceOptions
from dfl.diagnostics.own_files import OwnFiles, find_own_files
from dfl.models.lock import hold_model
from dfl.workspace import Workspace


def run(workspace: Workspace, options: ClearWorkspaceOptions, report: Report) -> None:
    """Delete what the program made in data_src, data_dst and model, after asking, and make the folders anew.

    Videos and results stay, and every file there that the program did not make: these are counted and named. Links are
    never followed; a folder that is itself a link to another place is left alone, and said so. Raises Stopped when the
    answer is no, UserError when a file is held by another program.
    """
    folders = []
    for folder in (workspace.frames("src"), workspace.frames("dst"), workspace.model):
        if _leads_elsewhere(folder, workspace.root):
            report.warn(f"{folder} is a link to {folder.resolve()}: left as it is. Clear that folder by hand.")
        elif folder.is_dir():
            folders.append(folder)
    found = find_own_files(workspace, folders)
    files = [path for paths in found.own.values() for path in paths]
    if found.foreign:
        names = in_natural_order(path.relative_to(workspace.root).as_posix() for path in found.foreign)
        report.line(f"{len(names)} files there are not the program's and stay: {first_few(names)}")
    words = in_words(found) if files else ""
    if files:
        report.line(f"In {workspace.root}: {words}. Videos and results stay.")
        _check(options)
    _delete(files, folders)
    workspace.create()
    report.done(
        f"Deleted: {words}." if files else "There was nothing to delete; the folders are there.",
        files=len(files),
        kept=len(found.foreign),
    )


def _check(options: ClearWorkspaceOptions) -> None:
    """Raise unless everything may be deleted."""
    if options.delete:
        return
    if options.yes:
        raise UserError(
            "Nothing was deleted: --yes takes the default answers, and here that is no.",
            "Give --delete to delete without a question.",
        )
    if not ask_yes("Delete frames, faces and models?", False, help="This cannot be undone."):
        raise Stopped


def in_words(found: OwnFiles) -> str:
    """What there is to delete, in counts: `2 frames, 3 faces (0.1 MB)`."""
    size = sum(path.lstat().st_size for paths in found.own.values() for path in paths)
    drawn = {"faces": f" ({found.outlined} with outlines that somebody drew)"} if found.outlined else {}
    order = ("frames", "faces", "merged pictures", "model files", "other files")
    counts = {kind: len(found.own.get(kind, ())) for kind in order}  # type: ignore[call-overload]
    return ", ".join(f"{count} {kind}{drawn.get(kind, '')}" for kind, count in counts.items() if count) + (
        f" ({size_in_words(size)})"
    )


def _leads_elsewhere(folder: Path, root: Path) -> bool:
    """Whether `folder` is a link or, on Windows, a junction: both resolve to another place."""
    there = os.path.normcase(folder.resolve())
    return folder.is_symlink() or there != os.path.normcase(root.resolve() / folder.name)


def _delete(files: list[Path], folders: list[Path]) -> None:
    """Delete files, journals last, so that a stopped run can go on; then folders that are empty."""
    for folder in {path.parent for path in files if path.name == "training.lock"}:
        with hold_model(folder):
            pass  # UserError while it is being trained
    evidence = (".json", ".jsonl", ".journal")
    emptied = {path.parent for path in files}
    try:
        for path in sorted(files, key=lambda path: path.suffix in evidence):
            path.unlink(missing_ok=True)
        while emptied:
            folder = max(emptied, key=lambda path: len(path.parts))
            emptied.remove(folder)
            if folder not in folders and not any(folder.iterdir()):
                folder.rmdir()
                emptied.add(folder.parent)
    except OSError as error:
        raise to_user_error(error, error_path(error, folders[0])) from error
