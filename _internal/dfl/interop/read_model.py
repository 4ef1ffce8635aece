"""Read a model folder of the original program: weights, optimizer, options and history, through the closed reader.

The original's `.npy` files are pickles of {name: array}, `_data.dat` is a pickle of options and history.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.files import reading
from dfl.base.safe_pickle import loads
from dfl.models.kinds import kind_of
from dfl.models.original_files import file_prefix, find_models

Arrays = dict[str, NDArray[Any]]
MAX_FILE_BYTES = 8 * 2**30


@dataclass(frozen=True)
class OriginalModel:
    """A model as the original saved it, names without ":0".

    weights: `encoder/down1/downs_0/conv1/weight`, of the discriminators `D_src/...` (SAEHD), `GAN/...` (AMP) and
    `dis/...` (true face), of XSeg `XSeg/...`. optimizer: `m/<weight>`, `v/<weight>` (AdaBelief) or `a/<weight>`
    (RMSprop) and `steps`. discriminator_optimizers: the same for each discriminator that has a file. history:
    (iterations, 2) src and dst loss; of XSeg (iterations, 1).
    """

    name: str
    class_name: str
    options: dict[str, Any]
    iteration: int
    weights: Arrays
    optimizer: Arrays
    history: NDArray[np.float32]
    discriminator_optimizers: dict[str, Arrays] = field(default_factory=dict)


def read_model(folder: Path, name: str | None = None, class_name: str | None = None) -> OriginalModel:
    """Read the model of that name and class (default: the newest). UserError names what is missing or damaged."""
    found = find_models(folder)
    chosen = next((entry for entry in found if name in (None, entry[0]) and class_name in (None, entry[1])), None)
    if chosen is None:
        have = ", ".join(f"{own} ({kind})" for own, kind in found) or "none"
        wanted = f"{f' named {name}' if name else ''}{f' of class {class_name}' if class_name else ''}"
        raise UserError(
            f"No model of the original{wanted} in {folder} (found: {have}).",
            "Give the folder that holds files such as new_SAEHD_data.dat.",
        )
    own_name, own_class = chosen
    kind, prefix = kind_of(own_class), file_prefix(own_name, own_class)
    data = _read(folder / f"{prefix}_data.dat")
    if not isinstance(data, dict) or not isinstance(data.get("options"), dict):
        raise UserError(f"{folder / prefix}_data.dat holds no options.", "Use another copy of the model.")
    iteration = data.get("iter", 0)
    if isinstance(iteration, bool) or not isinstance(iteration, int) or iteration < 0:
        raise UserError(f"{folder / prefix}_data.dat holds no count of iterations.", "Use another copy of the model.")
    weights: Arrays = {}
    for network, file in kind.parts(data["options"]).items():
        path = folder / f"{prefix}_{file}.npy"
        if not path.is_file():
            raise UserError(f"{path} is missing.", "Copy all files of the model; nothing was imported.")
        weights |= _weights(path, network)
    discriminators: dict[str, Arrays] = {}
    for network, file, optimizer_file in kind.discriminators:
        path = folder / f"{prefix}_{file}.npy"
        if path.is_file():
            weights |= _weights(path, network)
            discriminators[network] = _optimizer(folder / f"{prefix}_{optimizer_file}.npy")
    return OriginalModel(
        own_name,
        own_class,
        data["options"],
        iteration,
        weights,
        _optimizer(folder / f"{prefix}_{kind.optimizer_file}.npy"),
        _history(data.get("loss_history"), losses=2 if kind.swaps_faces else 1),
        discriminators,
    )


def _weights(path: Path, network: str) -> Arrays:
    return {f"{network}/{key.removesuffix(':0')}": array.astype(np.float32) for key, array in read_arrays(path).items()}


def _read(path: Path) -> Any:
    with reading(path, "Copy all files of the model."):
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{path} is larger than any model.", "Check that it is the right file.")
        content = path.read_bytes()
    return loads(content, str(path), 16 * len(content) + 2**16)


def read_arrays(path: Path) -> Arrays:
    """One `.npy` of the original: {name: array}. UserError when it is damaged or holds anything else."""
    content = _read(path)
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(array, np.ndarray | int | float) for key, array in content.items()
    ):
        raise UserError(f"{path} holds no weights.", "Use another copy of the model.")
    return {key: np.asarray(array) for key, array in content.items()}


def _optimizer(path: Path) -> Arrays:
    """An optimizer's file, empty if there is none.

    Renames `ms_encoder/down1/.../weight_0:0` to `m/encoder/down1/.../weight`, and `iters:0` to `steps`.
    """
    if not path.is_file():
        return {}
    slots = {"ms_": "m/", "vs_": "v/", "acc_": "a/"}
    renamed: Arrays = {}
    for key, array in read_arrays(path).items():
        if key == "iters:0":
            renamed["steps"] = np.asarray(array, np.int64).reshape(())
        for prefix, slot in slots.items():
            if key.startswith(prefix):
                renamed[slot + key.removeprefix(prefix).removesuffix(":0").removesuffix("_0")] = array
    return renamed


def _history(entries: object, losses: int) -> NDArray[np.float32]:
    """Loss history as (n, losses) float32; an entry of another form begins it anew."""
    rows: list[list[float]] = []
    for entry in entries if isinstance(entries, list) else []:
        row = entry.tolist() if isinstance(entry, np.ndarray) else entry
        if isinstance(row, list | tuple) and len(row) >= losses and all(isinstance(x, int | float) for x in row):
            rows.append(list(row[:losses]))
        else:
            rows.clear()
    return np.array(rows, np.float32).reshape(-1, losses)
