"""Models of the original that lie in a folder, by their files' names: whether there are any is asked in many places."""

from pathlib import Path

from dfl.base.errors import UserError
from dfl.models.kinds import KINDS


def file_prefix(name: str, class_name: str) -> str:
    """What the names of a model's files begin with; those of XSeg have no name of the user's before the class."""
    return f"{name}_{class_name}" if KINDS[class_name].swaps_faces else class_name


def find_models(folder: Path) -> list[tuple[str, str]]:
    """(name, class) of the original's models in a folder, newest first; XSeg, whose name is "XSeg", last."""
    found = []
    for path in folder.glob("[!.]*_data.dat") if folder.is_dir() else []:
        name, _, class_name = path.name.removesuffix("_data.dat").rpartition("_")
        kind = KINDS.get(class_name)
        if kind and bool(name) == kind.swaps_faces:
            found.append((kind.swaps_faces, path.stat().st_mtime_ns, name or class_name, class_name))
    return [(name, class_name) for _, _, name, class_name in sorted(found, reverse=True)]


def not_imported(models: Path, name: str, class_name: str, otherwise: str) -> UserError:
    """The error for a model of the original where one of ours is needed. otherwise: what else the user can do."""
    return UserError(
        f"{models} holds {name} ({class_name}) of the original DeepFaceLab, which has not been imported yet.",
        f'Import it (`dfl import model "{models}" --name "{name}" --model {class_name}`). {otherwise}'.rstrip(),
    )
