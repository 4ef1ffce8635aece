"""Models of the original that lie in a folder, by their files' names: whether there are any is asked in many places."""

from pathlib import Path

from dfl.base.errors import UserError

CLASSES = ("SAEHD", "Quick96", "AMP", "XSeg")
# XSeg has no user name: its files begin with its class alone.
NAMELESS = "XSeg"


def find_models(folder: Path) -> list[tuple[str, str]]:
    """(name, class) of the original's models in a folder, newest first; XSeg, whose name is "XSeg", last."""
    found = []
    for path in folder.glob("[!.]*_data.dat") if folder.is_dir() else []:
        name, _, class_name = path.name.removesuffix("_data.dat").rpartition("_")
        if class_name in CLASSES and bool(name) == (class_name != NAMELESS):
            found.append((class_name != NAMELESS, path.stat().st_mtime_ns, name or NAMELESS, class_name))
    return [(name, class_name) for _, _, name, class_name in sorted(found, reverse=True)]


def not_taken_over(models: Path, name: str, class_name: str, otherwise: str) -> UserError:
    """The error for a model of the original where one of ours is needed. otherwise: what else the user can do."""
    return UserError(
        f"{models} holds {name} ({class_name}) of the original DeepFaceLab, which was not taken over yet.",
        f'Take it over (`dfl import model "{models}" --name "{name}" --model {class_name}`). {otherwise}'.rstrip(),
    )
