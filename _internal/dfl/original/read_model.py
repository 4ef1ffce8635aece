"""Read a model folder of the original program: weights, optimizer, options and history, through the closed reader.

The original's `.npy` files are pickles of {name: array}, `_data.dat` is a pickle of options and history.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.closed_pickle import loads
from dfl.base.errors import UserError

Arrays = dict[str, NDArray[Any]]
CLASSES = ("SAEHD", "Quick96")
MAX_FILE_BYTES = 8 * 2**30


@dataclass(frozen=True)
class OriginalModel:
    """A model as the original saved it, names without ":0".

    weights: `encoder/down1/downs_0/conv1/weight`. optimizer: `m/<weight>`, `v/<weight>` (AdaBelief) or `a/<weight>`
    (RMSprop) and `steps`. history: (iterations, 2) src and dst loss.
    """

    name: str
    class_name: str
    options: dict[str, Any]
    iteration: int
    weights: Arrays
    optimizer: Arrays
    history: NDArray[np.float32]


def find_models(folder: Path) -> list[tuple[str, str]]:
    """(name, class) of the original's models in a folder, newest first."""
    found = []
    for path in folder.glob("*_data.dat") if folder.is_dir() else []:
        name, _, class_name = path.name.removesuffix("_data.dat").rpartition("_")
        if class_name in CLASSES and name:
            found.append((path.stat().st_mtime_ns, name, class_name))
    return [(name, class_name) for _, name, class_name in sorted(found, reverse=True)]


def read_model(folder: Path, name: str | None = None) -> OriginalModel:
    """Read the model of that name (default: the newest). UserError says what is missing or damaged."""
    found = find_models(folder)
    chosen = next((entry for entry in found if name in (None, entry[0])), None)
    if chosen is None:
        have = ", ".join(f"{own}_{kind}" for own, kind in found) or "none"
        raise UserError(
            f"No model of the original{f' named {name}' if name else ''} in {folder} (found: {have}).",
            "Give the folder that holds files such as new_SAEHD_data.dat.",
        )
    own_name, class_name = chosen
    prefix = f"{own_name}_{class_name}"
    data = _read(folder / f"{prefix}_data.dat")
    if not isinstance(data, dict) or not isinstance(data.get("options"), dict):
        raise UserError(f"{folder / prefix}_data.dat holds no options.", "Use another copy of the model.")
    weights: Arrays = {}
    for part in _part_names(class_name, str(data["options"].get("archi", "df-ud"))):
        path = folder / f"{prefix}_{part}.npy"
        if not path.is_file():
            raise UserError(f"{path} is missing.", "Copy all files of the model; nothing was imported.")
        for key, array in _arrays(path).items():
            weights[f"{part}/{key.removesuffix(':0')}"] = array.astype(np.float32)
    optimizer_file = folder / f"{prefix}_src_dst_opt.npy"
    optimizer = _optimizer(_arrays(optimizer_file)) if optimizer_file.is_file() else {}
    return OriginalModel(
        own_name,
        class_name,
        data["options"],
        int(data.get("iter", 0)),
        weights,
        optimizer,
        _history(data.get("loss_history")),
    )


def _part_names(class_name: str, archi: str) -> tuple[str, ...]:
    if class_name == "SAEHD" and archi.startswith("liae"):
        return ("encoder", "inter_AB", "inter_B", "decoder")
    return ("encoder", "inter", "decoder_src", "decoder_dst")


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{path} is larger than any model.", "Check that it is the right file.")
        return loads(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Copy all files of the model.") from error


def _arrays(path: Path) -> Arrays:
    """One `.npy` of the original: {name: array}."""
    content = _read(path)
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(array, np.ndarray | int | float) for key, array in content.items()
    ):
        raise UserError(f"{path} holds no weights.", "Use another copy of the model.")
    return {key: np.asarray(array) for key, array in content.items()}


def _optimizer(arrays: Arrays) -> Arrays:
    """Rename `ms_encoder/down1/.../weight_0:0` to `m/encoder/down1/.../weight`, and `iters:0` to `steps`."""
    slots = {"ms_": "m/", "vs_": "v/", "acc_": "a/"}
    renamed: Arrays = {}
    for key, array in arrays.items():
        if key == "iters:0":
            renamed["steps"] = np.asarray(array, np.int64).reshape(())
        for prefix, slot in slots.items():
            if key.startswith(prefix):
                renamed[slot + key.removeprefix(prefix).removesuffix(":0").removesuffix("_0")] = array
    return renamed


def _history(entries: object) -> NDArray[np.float32]:
    """Loss history as (n, 2) float32; entries of another form end it."""
    rows = [entry[:2] for entry in entries if len(entry) >= 2] if isinstance(entries, list) else []
    return np.array(rows, np.float32).reshape(-1, 2)
