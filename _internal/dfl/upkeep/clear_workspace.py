"""The stage `clear-workspace`: a workspace as new, with its videos and results."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dfl.base.asking import ask_yes
from dfl.base.errors import Stopped
from dfl.base.files import PICTURE_SUFFIXES, mendable, size_in_words
from dfl.base.report import Report
from dfl.upkeep.options import ClearWorkspaceOptions
from dfl.workspace import Workspace


@dataclass(frozen=True)
class Contents:
    """What would be deleted, in counts."""

    frames: int
    faces: int
    merged: int
    model_files: int
    other: int
    size: int  # bytes

    @property
    def files(self) -> int:
        return self.frames + self.faces + self.merged + self.model_files + self.other

    def __str__(self) -> str:
        named = {"frames": self.frames, "faces": self.faces, "merged pictures": self.merged}
        named |= {"model files": self.model_files, "other files": self.other}
        return ", ".join(f"{count} {name}" for name, count in named.items() if count) + f" ({size_in_words(self.size)})"


def run(workspace: Workspace, options: ClearWorkspaceOptions, report: Report) -> None:
    """Delete what is in data_src, data_dst and model, after asking, and make the folders anew.

    Videos and results stay. Links are removed, never followed; a folder that is itself a link to another place is left
    alone, and said so. Raises Stopped when the answer is no, UserError when a file is held by another program.
    """
    folders = []
    for folder in (workspace.frames("src"), workspace.frames("dst"), workspace.model):
        if _leads_elsewhere(folder, workspace.root):
            report.warn(f"{folder} is a link to {folder.resolve()}: left as it is. Clear that folder by hand.")
        elif folder.is_dir():
            folders.append(folder)
    contents = count(workspace, folders)
    if contents.files:
        report.line(f"In {workspace.root}: {contents}. Videos and results stay.")
        if not options.yes and not ask_yes("Delete frames, faces and models?", False, help="This cannot be undone."):
            report.line("Nothing was deleted.")
            raise Stopped
    for folder in folders:
        _remove(folder)
    workspace.create()
    report.done(
        f"Deleted: {contents}." if contents.files else "There was nothing to delete; the folders are there.",
        files=contents.files,
    )


def count(workspace: Workspace, folders: list[Path]) -> Contents:
    """Count the files of `folders`, all levels; links count as one file each."""
    frames = faces = merged = model_files = other = size = 0
    for path in (file for folder in folders for file in _files(folder)):
        size += path.lstat().st_size
        is_picture = path.suffix.lower() in PICTURE_SUFFIXES
        if workspace.model in path.parents:
            model_files += 1
        elif path.name == "faceset.pak" or (is_picture and path.parent.name.startswith("aligned")):
            faces += 1
        elif is_picture and path.parent in (workspace.merged, workspace.merged_mask):
            merged += 1
        elif is_picture:
            frames += 1
        else:
            other += 1
    return Contents(frames, faces, merged, model_files, other, size)


def _files(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        # os.walk does not go into links to folders: they are deleted as links.
        yield from (Path(path, name) for name in names)
        yield from (Path(path, name) for name in folders if Path(path, name).is_symlink())


def _leads_elsewhere(folder: Path, root: Path) -> bool:
    """Whether `folder` is a link or, on Windows, a junction: both resolve to another place."""
    there = os.path.normcase(folder.resolve())
    return folder.is_symlink() or there != os.path.normcase(root.resolve() / folder.name)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise mendable(error, folder) from error  # what shutil names may be relative
