"""The doctor's checks of a workspace's state: folders, models, the program's own files, and which stages run."""

from collections.abc import Iterator
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.files import read_json
from dfl.diagnostics.findings import Finding
from dfl.workspace import FACESET_INDEX, Side, Workspace

_FOLDERS = ("data_src/aligned", "data_dst/aligned", "data_dst/merged", "model")


def check_state(workspace: Workspace) -> Iterator[Finding]:
    """What blocks a folder, what is damaged, which stages run."""
    obstacle = workspace.obstacle(_FOLDERS)
    if obstacle:
        yield Finding("Workspace", obstacle.what.rstrip("."), obstacle.todo, must=True)
        return
    if not workspace.root.is_dir():
        yield Finding("Workspace", f"{workspace.root} is not there yet")
        return
    yield from _stored_files(workspace)
    yield from _models(workspace.model)
    yield from _running(workspace.running)


def _stored_files(workspace: Workspace) -> Iterator[Finding]:
    """Files of the program that a power cut, or an editor, has damaged; a damaged answers.json costs nothing else."""
    sides: tuple[Side, Side] = ("src", "dst")
    files = [workspace.clip_facts(side) for side in sides]
    files += [workspace.aligned(side) / FACESET_INDEX for side in sides]
    files += [workspace.merge_session, workspace.merge_facts]
    for path in files:
        if _is_damaged(path):
            yield Finding("Workspace", f"{path} is damaged", "Put an older copy of it back, or move it away.")
    if _is_damaged(workspace.answers):
        todo = "The next stage renames it and asks its questions again."
        yield Finding("Workspace", f"{workspace.answers} is damaged", todo)


def _is_damaged(path: Path) -> bool:
    try:
        return path.exists() and not isinstance(read_json(path), dict)
    except UserError:
        return True


def _models(models: Path) -> Iterator[Finding]:
    """Folders without a model in them, and models that cannot be read."""
    from dfl.models.checkpoint import finished_checkpoints, peek

    for folder in sorted(models.iterdir()) if models.is_dir() else []:
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        if not finished_checkpoints(folder):
            todo = "Delete the folder, or put the model's files back. Files of the original come in with `dfl import`."
            yield Finding("Workspace", f"{folder} holds no saved model", todo)
            continue
        try:
            peek(folder)
        except UserError as error:
            yield Finding("Workspace", error.what.rstrip("."), error.todo)


def _running(folder: Path) -> Iterator[Finding]:
    from dfl.base.locks import running

    # Training takes its folders in two steps, and holds a lock for each.
    for holder in {(one.host, one.pid): one for one in running(folder)}.values():
        yield Finding("Running", str(holder))
