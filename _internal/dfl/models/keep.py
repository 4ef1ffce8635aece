"""Saved models as a user keeps them: list, rename, move to the trash."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.files import mendable, move, size_in_words
from dfl.models.backups import Backup, list_backups
from dfl.models.lock import hold_model
from dfl.models.saved_set import MANIFEST, finished_sets, list_models, model_folder, peek

_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
_LONGEST = 100


@dataclass(frozen=True)
class ModelFacts:
    """A saved model in brief. bytes: of all its files, backups included, each counted once."""

    name: str
    class_name: str
    iteration: int
    bytes: int
    saved_at: float
    backups: list[Backup]

    def line(self) -> str:
        """One line for people."""
        backups = f"{len(self.backups)} backup{'' if len(self.backups) == 1 else 's'}"
        return (
            f"{self.name} ({self.class_name}): iteration {self.iteration}, {size_in_words(self.bytes)}, "
            f"saved {when(self.saved_at)}, {backups}"
        )


def when(seconds: float) -> str:
    """A moment for people, in the local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def check_name(name: str) -> str:
    """The name, if every system can have a folder of it; UserError says what is wrong."""
    wrong = ""
    if not name.strip() or name != name.strip() or name.endswith("."):
        wrong = "is empty, or begins or ends with a space or a dot"
    elif any(letter in _FORBIDDEN or not letter.isprintable() for letter in name):
        wrong = 'has a letter that file names cannot have (< > : " / \\ | ? * and control letters)'
    elif name.startswith(".") or name.split(".")[0].lower() in _RESERVED:
        wrong = "is reserved by the system"
    elif len(name) > _LONGEST:
        wrong = f"is longer than {_LONGEST} letters"
    if wrong:
        raise UserError(f"The model name {name!r} {wrong}.", "Choose another name.")
    return name


def model_facts(models: Path) -> list[ModelFacts]:
    """All saved models, last saved first."""
    found = []
    for name, class_name in list_models(models):
        folder = model_folder(models, name, class_name)
        try:
            iteration = int(peek(folder)["iteration"])
        except UserError:
            continue  # every set of it is damaged: training says which
        saved_at = (finished_sets(folder)[-1] / MANIFEST).stat().st_mtime
        found.append(ModelFacts(name, class_name, iteration, _size(folder), saved_at, list_backups(folder)))
    return found


def rename_model(models: Path, name: str, class_name: str, new_name: str) -> Path:
    """Give a model another name; UserError when that is taken or cannot be, or the model is in use."""
    check_name(new_name)
    target = model_folder(models, new_name, class_name)
    if target.exists():
        raise UserError(f"There is a model {new_name} ({class_name}) already.", "Choose another name.")
    return _move(model_folder(models, name, class_name), target)


def trash_model(models: Path, name: str, class_name: str, trash: Path) -> Path:
    """Move a model with its backups and history into the trash folder; nothing is deleted. Returns where it is."""
    folder = model_folder(models, name, class_name)
    trash.mkdir(parents=True, exist_ok=True)
    target = next(place for place in _free_names(trash / folder.name) if not place.exists())
    return _move(folder, target)


def _free_names(path: Path) -> Iterator[Path]:
    yield path
    number = 1
    while True:
        yield path.with_name(f"{path.name}-{number}")
        number += 1


def _move(folder: Path, target: Path) -> Path:
    """Rename a model's folder while nobody trains it."""
    if not folder.is_dir():
        raise UserError(f"There is no {folder}.", "`dfl models` lists what there is.")
    with hold_model(folder, "models"):
        pass  # released before the move: Windows does not move a folder with an open file in it
    try:
        return move(folder, target)
    except OSError as error:
        raise mendable(error, target) from error


def _size(folder: Path) -> int:
    """Bytes of all files below a folder; a file with several names counts once."""
    sizes: dict[tuple[int, int], int] = {}
    for path in folder.rglob("*"):
        try:
            facts = path.stat()
        except OSError:
            continue
        if path.is_file():
            sizes[(facts.st_dev, facts.st_ino)] = facts.st_size
    return sum(sizes.values())
