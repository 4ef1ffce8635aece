"""Saved models as a user keeps them: list, rename, move to the trash."""

import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dfl.base.disk_space import size_in_words
from dfl.base.errors import UserError
from dfl.base.files import move
from dfl.base.options import Choice
from dfl.base.system_errors import to_user_error
from dfl.models.backups import Backup, list_backups
from dfl.models.checkpoint import MANIFEST, finished_checkpoints, list_models, model_folder, peek
from dfl.models.kinds import KINDS
from dfl.models.lock import LOCK_NAME, hold_model

_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
_MAX_LETTERS = 100
# File systems count bytes, 255 of them, and a letter may have four; the class and what is put behind need some.
_MAX_BYTES = 200
# What a start of training that came to nothing may have left in a model's folder.
_LEFTOVERS = (LOCK_NAME, f"{LOCK_NAME}.json", "history.csv")


@dataclass(frozen=True)
class ModelFacts:
    """A saved model in brief. bytes: of all its files, backups included, each counted once.

    iteration: None where no checkpoint of it can be read; its backups may be whole.
    """

    name: str
    class_name: str
    iteration: int | None
    bytes: int
    saved_at: float
    backups: list[Backup]

    def line(self) -> str:
        """One line for people."""
        backups = f"{len(self.backups)} backup{'' if len(self.backups) == 1 else 's'}"
        state = "damaged" if self.iteration is None else f"iteration {self.iteration}"
        size = size_in_words(self.bytes)
        return f"{self.name} ({self.class_name}): {state}, {size}, saved {when(self.saved_at)}, {backups}"


def when(seconds: float) -> str:
    """A moment for people, in the local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def check_name(name: str, class_name: str = "") -> str:
    """The name, if every system can have a folder of it, and a model of that class; UserError says what is wrong."""
    kind = KINDS.get(class_name)
    if kind and not kind.swaps_faces and name != class_name:
        raise UserError(
            f"The {class_name} model cannot be called {name!r}: a workspace has one, and stages look for the name "
            f"{class_name}.",
            "To keep another one, copy its folder to another workspace; xseg-apply takes it with --models FOLDER.",
        )
    wrong = ""
    if not name.strip() or name != name.strip() or name.endswith("."):
        wrong = "is empty, or begins or ends with a space or a dot"
    elif any(letter in _FORBIDDEN or not letter.isprintable() for letter in name):
        wrong = 'has a letter that file names cannot have (< > : " / \\ | ? * and control letters)'
    elif name.startswith(".") or name.split(".")[0].lower() in _RESERVED:
        wrong = "is reserved by the system"
    elif len(name) > _MAX_LETTERS or len(name.encode("utf-8", "replace")) > _MAX_BYTES:
        wrong = f"is longer than {_MAX_LETTERS} letters, or {_MAX_BYTES} bytes (a Chinese letter has three)"
    if wrong:
        raise UserError(f"The model name {name!r} {wrong}.", "Choose another name.")
    return name


def model_facts(models: Path) -> list[ModelFacts]:
    """All saved models, last saved first; then what has whole backups only."""
    found = []
    known = list_models(models)
    for name, class_name in known + _with_backups_only(models, known):
        folder = model_folder(models, name, class_name)
        backups = list_backups(folder)
        try:
            iteration = int(peek(folder)["iteration"])
            saved_at = (finished_checkpoints(folder)[-1] / MANIFEST).stat().st_mtime
        except (UserError, OSError, IndexError):
            iteration, saved_at = None, backups[0].saved_at if backups else folder.stat().st_mtime
        found.append(ModelFacts(name, class_name, iteration, _size(folder), saved_at, backups))
    return found


def model_choices(models: Path, classes: Collection[str]) -> list[Choice]:
    """The saved models of these classes to choose from, last saved first; of several of one name the first."""
    found: dict[str, Choice] = {}
    for name, class_name in list_models(models):
        if class_name not in classes or name in found:
            continue
        folder = model_folder(models, name, class_name)
        try:
            saved = peek(folder)
            face_type, resolution = KINDS[class_name].face(saved["options"])
            state = f"{face_type.file_name}, {resolution} pixels, iteration {saved['iteration']}"
        except UserError:
            state = "damaged"
        latest = "" if found else ", the latest"
        found[name] = Choice(name, f"{name}: {class_name}, {state}, {size_in_words(_size(folder))}{latest}")
    return list(found.values())


def _with_backups_only(models: Path, known: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """(name, class) of folders whose checkpoints are all gone, but not their backups."""
    folders = sorted(path for path in models.iterdir() if path.is_dir()) if models.is_dir() else []
    split = [(folder, folder.name.rpartition("_")) for folder in folders]
    return [
        (name, kind) for folder, (name, _, kind) in split if name and (name, kind) not in known and list_backups(folder)
    ]


def rename_model(models: Path, name: str, class_name: str, new_name: str) -> Path:
    """Give a model another name; UserError when that is taken or cannot be, or the model is in use."""
    check_name(new_name, class_name)
    folder, target = model_folder(models, name, class_name), model_folder(models, new_name, class_name)
    if new_name == name:
        raise UserError(f"The model is called {name} already.", "Give another name with --new-name NAME.")
    _remove_leftovers(target)
    # Where file names ignore case, the same name in other case exists and is the model itself.
    if target.exists() and not (folder.exists() and target.samefile(folder)):
        taken = f"a model {new_name} ({class_name})" if finished_checkpoints(target) else f"a folder {target.name}"
        raise UserError(f"There is {taken} already.", "Choose another name, or move that one away.")
    return _move(folder, target)


@contextmanager
def model_path(folder: Path) -> Iterator[None]:
    """A model's folder, made where it is missing; what was made goes again unless a whole checkpoint was saved in it.

    So a refused start, or one that failed before its first save, leaves nothing that would block the name.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if folder in missing and not finished_checkpoints(folder):
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # one of them holds something else by now
                for path in missing[1:]:
                    path.rmdir()


def _remove_leftovers(folder: Path) -> None:
    """Remove a model's folder that holds only what a killed start of training made. UserError if it is in use."""
    if not folder.is_dir() or not all(path.name in _LEFTOVERS and path.is_file() for path in folder.iterdir()):
        return
    with hold_model(folder):
        pass  # released before it goes: Windows does not delete open files
    shutil.rmtree(folder, ignore_errors=True)


def trash_model(models: Path, name: str, class_name: str, trash: Path) -> Path:
    """Move a model with its backups and history into the trash folder; nothing is deleted. Returns where it is."""
    folder = model_folder(models, name, class_name)
    target = next(path for path in _free_names(trash / folder.name) if not path.exists())
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
        target.parent.mkdir(parents=True, exist_ok=True)
        return move(folder, target)
    except OSError as error:
        raise to_user_error(error, target) from error


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
