"""A model on disk: checkpoints, each a folder of files that becomes valid as a whole; the newest two are kept.

    model/new_SAEHD/
        set-000007/   weights.safetensors  optimizer.safetensors  history.f32  manifest.json
        set-000006/   the checkpoint before

The manifest is written last and holds every file's size and SHA-256. A checkpoint without a manifest was never
finished; one whose weights do not match is damaged: both are skipped, and the one before is used with a message. A
damaged optimizer or history is no reason to give whole weights up: that of the checkpoint before is used, or it begins
anew. A checkpoint is removed only when two newer valid ones are there.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import move, read_bytes, read_json, replacing, sync_folder, write_json
from dfl.base.system_errors import to_user_error

# By name. A trainer's are brought over from the engine one at a time, each time that they are asked for.
Arrays = Mapping[str, NDArray[Any]]
FORMAT = 1
MANIFEST = "manifest.json"
_FOLDER = re.compile(r"set-(\d{6,})")


@dataclass(frozen=True)
class Checkpoint:
    """All that a model is, and that training needs to go on.

    weights and optimizer: arrays by name. history: (iterations, losses) float32, the losses of every iteration: those
    of src and dst, or XSeg's one.
    state: what training needs beside arrays (seed and the like), JSON values. digest: SHA-256 of the weights' file that
    this was read from, by which a model is known whatever its name; empty for one that was not read.
    """

    class_name: str
    options: dict[str, Any]
    iteration: int
    weights: Arrays
    optimizer: Arrays = field(default_factory=dict)
    history: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    state: dict[str, Any] = field(default_factory=dict)
    digest: str = ""


def model_folder(models: Path, name: str, class_name: str) -> Path:
    """Where a model of that name lives: `model/new_SAEHD`."""
    return models / f"{name}_{class_name}"


def list_models(models: Path, class_name: str | None = None) -> list[tuple[str, str]]:
    """(name, class) of every saved model, last saved first; only of `class_name` if given."""
    found = []
    for folder in models.iterdir() if models.is_dir() else []:
        name, _, kind = folder.name.rpartition("_")
        manifests = [path / MANIFEST for path in finished_checkpoints(folder)]
        if name and manifests and class_name in (None, kind):
            found.append((max(path.stat().st_mtime_ns for path in manifests), name, kind))
    return [(name, kind) for _, name, kind in sorted(found, reverse=True)]


def write_checkpoint(folder: Path, saved: Checkpoint) -> Path:
    """Write a new checkpoint beside the older ones, then remove all but the newest two valid ones.

    Whenever this is interrupted, the newest finished checkpoint is as it was; what a full disk or a killed run left
    unfinished is removed, so that it takes no space. Returns the checkpoint's folder.

    UserError when it cannot be written. An old checkpoint that cannot be removed, since a virus scanner or a backup
    program reads it, is left for the next time.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in set(_checkpoint_folders(folder)) - set(finished_checkpoints(folder)):
            shutil.rmtree(path, ignore_errors=True)
        wanted = sum(array.nbytes for arrays in (saved.weights, saved.optimizer) for array in arrays.values())
        need_space(folder, int(1.05 * wanted) + 2**20, "Saving the model")
        target = folder / f"set-{_next_number(folder):06d}"
        target.mkdir()
        try:
            _fill(target, saved)
        except BaseException:
            if not (target / MANIFEST).is_file():
                shutil.rmtree(target, ignore_errors=True)
            raise
        sync_folder(folder)
    except OSError as error:
        raise to_user_error(error, folder) from error
    with suppress(OSError):
        _remove_old(folder)
    return target


def _next_number(folder: Path) -> int:
    """Of the next checkpoint: a number that nothing here has, be it a folder or not."""
    names = [_FOLDER.fullmatch(path.name) for path in folder.iterdir()]
    return max((int(name[1]) for name in names if name), default=0) + 1


def _fill(target: Path, saved: Checkpoint) -> None:
    """Write a checkpoint's files, the manifest last."""
    contents: dict[str, Iterable[memoryview | bytes]] = {
        "weights.safetensors": _safetensors(saved.weights),
        "optimizer.safetensors": _safetensors(saved.optimizer),
        "history.f32": [saved.history.astype("<f4").tobytes()],
    }
    files: dict[str, dict[str, Any]] = {}
    for name, pieces in contents.items():
        size, digest = 0, hashlib.sha256()
        with replacing(target / name) as part, part.open("wb") as handle:
            for piece in pieces:
                size += handle.write(piece)
                digest.update(piece)
        files[name] = {"bytes": size, "sha256": digest.hexdigest()}
    manifest = {
        "format": FORMAT,
        "class": saved.class_name,
        "iteration": saved.iteration,
        "losses": saved.history.shape[1],
        "options": saved.options,
        "state": saved.state,
        "files": files,
    }
    write_json(target / MANIFEST, manifest)


def _safetensors(arrays: Arrays) -> Iterator[memoryview | bytes]:
    """A safetensors file piece by piece: the library's own `save` holds all arrays twice more while it works.

    Byte for byte what the library makes: 8 bytes with the header's length, the header in JSON, filled up to a multiple
    of 8, then the arrays, those of wide numbers first, then by name (https://github.com/huggingface/safetensors).
    """
    facts = {name: (array.dtype, array.shape, array.nbytes) for name, array in arrays.items()}
    names = sorted(facts, key=lambda name: (-facts[name][0].itemsize, name))
    header, end = {}, 0
    for name in names:
        (dtype, shape, size), begin = facts[name], end
        end += size
        kind = {"f": "F", "i": "I", "u": "U"}[dtype.kind] + str(8 * dtype.itemsize)
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        array = arrays[name]
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        yield plain.reshape(-1).view(np.uint8).data


def read_checkpoint(
    folder: Path, warn: Callable[[str], None] = lambda _: None, *, set_aside: bool = False
) -> Checkpoint:
    """Read the newest checkpoint with whole weights; `warn` is called for damaged ones that were skipped.

    An optimizer or history that is damaged is taken from the checkpoint before, else it begins anew; `warn` is called
    with which. `set_aside` renames damaged checkpoints to `damaged-...`, so that the next save does not count them.
    Raises UserError when no valid checkpoint is there.
    """
    reasons = []
    damaged: list[Path] = []
    newest_first = finished_checkpoints(folder)[::-1]
    for index, path in enumerate(newest_first):
        try:
            manifest = _manifest(path)
            weights = _safetensors_of(path, manifest, "weights.safetensors")
        except UserError as error:
            reasons.append(error.what)
            damaged.append(path)
            continue
        rest = newest_first[index:]
        optimizer, _ = _spare_part(rest, "optimizer.safetensors", "The optimizer", _safetensors_of, warn)
        history, known_at = _spare_part(rest, "history.f32", "The loss history", _history_of, warn)
        for broken in damaged if set_aside else []:
            _set_aside(broken)
        for reason in reasons:
            warn(f"{reason} Using the checkpoint before it, of iteration {manifest['iteration']}.")
        return Checkpoint(
            manifest["class"],
            manifest["options"],
            manifest["iteration"],
            weights,
            {} if optimizer is None else optimizer,
            _aligned(history, manifest["iteration"] - known_at, manifest["losses"]),
            manifest["state"],
            manifest["files"]["weights.safetensors"]["sha256"],
        )
    raise UserError(" ".join(reasons) or f"{folder} holds no finished model.", _recovery_advice(folder))


_Part = TypeVar("_Part")


def _spare_part(
    newest_first: list[Path],
    name: str,
    what: str,
    read: Callable[[Path, dict[str, Any], str], _Part],
    warn: Callable[[str], None],
) -> tuple[_Part | None, int]:
    """A file of the newest checkpoint that has it whole, and that one's iteration; None where none has."""
    reason = ""
    for path in newest_first:
        try:
            manifest = _manifest(path)
            part = read(path, manifest, name)
        except UserError as error:
            reason = reason or error.what
            continue
        if reason:
            warn(f"{reason} The weights are whole. {what} is that of iteration {manifest['iteration']}.")
        return part, manifest["iteration"]
    warn(f"{reason} The weights are whole. {what} begins anew.")
    return None, 0


def _set_aside(broken: Path) -> None:
    """Rename a damaged checkpoint, so that it counts no more; UserError where the system refuses."""
    target, number = broken.with_name(f"damaged-{broken.name}"), 2
    while target.exists():
        target, number = broken.with_name(f"damaged-{broken.name}-{number}"), number + 1
    try:
        move(broken, target)
    except OSError as error:  # on Windows one open file is enough
        raise to_user_error(error, broken) from error


def _recovery_advice(folder: Path) -> str:
    """What the user can do about a model without a valid checkpoint."""
    backups = folder / "backups"
    if backups.is_dir() and any(finished_checkpoints(path) for path in backups.iterdir()):
        name, _, kind = folder.name.rpartition("_")
        return f'Put its newest backup back: `dfl models restore --name "{name}" --model {kind}`.'
    return "Put back a backup of this folder, or train a new model."


def peek(folder: Path) -> dict[str, Any]:
    """Manifest of the newest checkpoint that has one (class, iteration, options), without reading its arrays."""
    for path in reversed(finished_checkpoints(folder)):
        try:
            return _manifest(path)
        except UserError:
            continue
    raise UserError(f"{folder} holds no finished model.", "Train one, or import one with `dfl import model FOLDER`.")


def _checked(path: Path, manifest: dict[str, Any], name: str) -> bytes:
    """One file of a checkpoint, every byte checked."""
    if any(Path(one).name != one for one in manifest["files"]):
        raise UserError(f"{path / MANIFEST} names a file outside its folder.", "Use another copy of the model.")
    facts = manifest["files"].get(name)
    if not isinstance(facts, dict):
        raise UserError(f"{path / MANIFEST} does not name {name}.", "Put back a copy of it.")
    content = read_bytes(path / name, "Put back a copy of it.")
    if len(content) != facts.get("bytes") or hashlib.sha256(content).hexdigest() != facts.get("sha256"):
        raise UserError(f"{path / name} is damaged (its checksum does not match).", "Put back a copy of it.")
    return content


def _safetensors_of(path: Path, manifest: dict[str, Any], name: str) -> dict[str, NDArray[Any]]:
    """The arrays of one file of a checkpoint."""
    try:
        arrays: dict[str, NDArray[Any]] = load(_checked(path, manifest, name))
    except (KeyError, ValueError, TypeError, SafetensorError) as error:
        raise UserError(f"{path / name} cannot be read: {error}.", "Put back a copy of it.") from error
    return arrays


def _aligned(history: NDArray[np.float32] | None, since: int, columns: int) -> NDArray[np.float32]:
    """A history that ends `since` iterations ago, up to now: what happened after it is not known."""
    if history is None:
        return np.zeros((0, columns), np.float32)
    unknown = np.full((max(since, 0), history.shape[1]), np.nan, np.float32)
    return np.concatenate([history, unknown]) if len(unknown) else history


def _history_of(path: Path, manifest: dict[str, Any], name: str) -> NDArray[np.float32]:
    """The losses of every iteration, (iterations, losses)."""
    try:
        flat = np.frombuffer(_checked(path, manifest, name), "<f4")
        return flat.reshape(-1, manifest["losses"]).astype(np.float32)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path / name} cannot be read: {error}.", "Put back a copy of it.") from error


def _manifest(path: Path) -> dict[str, Any]:
    """Read a checkpoint's manifest and check its form."""
    manifest = read_json(path / MANIFEST)
    forms: Mapping[str, type] = {
        "class": str, "iteration": int, "losses": int, "options": dict, "state": dict, "files": dict,
    }  # fmt: skip
    if isinstance(manifest, dict):
        manifest.setdefault("losses", 2)  # checkpoints of older versions do not hold it
    if not isinstance(manifest, dict) or any(not isinstance(manifest.get(key), kind) for key, kind in forms.items()):
        raise UserError(f"{path / MANIFEST} is damaged.", "Put back a copy of it.")
    if manifest.get("format") != FORMAT:
        raise UserError(f"{path} was written by a newer dfl.", "Update dfl to use this model.")
    return manifest


def _remove_old(folder: Path) -> None:
    """Keep the newest two finished checkpoints; remove what is older or was never finished."""
    keep = set(finished_checkpoints(folder)[-2:])
    for path in _checkpoint_folders(folder):
        if path not in keep and (not keep or _number(path) < _number(max(keep))):
            # The manifest goes first: a half-removed checkpoint must not look finished. While another program has it
            # open, Windows refuses, and then the checkpoint stays whole.
            with suppress(OSError):
                (path / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(path, ignore_errors=True)


def finished_checkpoints(folder: Path) -> list[Path]:
    """Folders of the checkpoints that have a manifest, oldest first; read_checkpoint checks whether they are whole."""
    return [path for path in _checkpoint_folders(folder) if (path / MANIFEST).is_file()]


def _checkpoint_folders(folder: Path) -> list[Path]:
    """Checkpoint folders of a model, oldest first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.is_dir() and _FOLDER.fullmatch(path.name)), key=_number)


def _number(path: Path) -> int:
    return int(path.name.removeprefix("set-"))
