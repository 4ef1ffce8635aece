"""The weights of the original's own face networks, in the weights folder; read when a stage needs them.

They come with no package: `dfl import weights` takes them out of an installation of the original. Each network is one
safetensors file whose metadata hold a SHA-256 of all that the arrays are.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dfl.base.disk_space import need_space
from dfl.base.errors import UserError
from dfl.base.files import read_bytes, write_bytes
from dfl.faces.weights import kept_file, weights_folder

if TYPE_CHECKING:
    from collections.abc import Callable

Arrays = dict[str, NDArray[Any]]
FaceNetwork = Literal["S3FD", "2DFAN", "3DFAN", "FaceEnhancer"]
FACE_NETWORKS: tuple[FaceNetwork, ...] = get_args(FaceNetwork)
_OTHER_COPY = "Use another copy of the file, from an installation of the original. Nothing was imported of this one."
_IMPORT = "`dfl import weights FOLDER` takes it out of an installation of the original"


def build_face_network(name: FaceNetwork) -> "Callable[..., Any]":
    """A face network with start values. The engine must be started."""
    from dfl.nets.face_enhancer import FaceEnhancerNetwork
    from dfl.nets.fan import Fan
    from dfl.nets.s3fd import S3fd

    kinds: dict[FaceNetwork, Callable[[], Callable[..., Any]]] = {
        "S3FD": S3fd,
        "2DFAN": Fan,
        "3DFAN": Fan,
        "FaceEnhancer": FaceEnhancerNetwork,
    }
    return kinds[name]()


def open_face_network(name: FaceNetwork) -> "Callable[..., Any]":
    """A face network with the weights that were imported. The engine must be started.

    UserError when they were never imported, or when their file is damaged.
    """
    from dfl.nets.layers import named_weights

    file = face_network_file(name)
    network = build_face_network(name)
    arrays = needed_arrays(network, read_weights(file), file)
    for key, variable in named_weights(network).items():
        variable.assign(arrays[key].astype(np.float32))
    return network


def face_network_file(name: FaceNetwork) -> Path:
    """Where a network's imported weights are. UserError, with the way to get them, when they are not there."""
    file = kept_file(f"{name}.safetensors")
    if file is None:
        raise UserError(
            f"The original's network {name} is not there (looked for {name}.safetensors in {weights_folder()}).",
            f"{_IMPORT}; FOLDER is the one that holds its _internal, or its facelib with {name}.npy.",
        )
    return file


def save_face_network(name: FaceNetwork, arrays: Arrays) -> Path:
    """Write a network's arrays, as `needed_arrays` gives them, to the weights folder; returns the file."""
    file = weights_folder() / f"{name}.safetensors"
    write_weights(file, arrays)
    return file


def needed_arrays(network: object, arrays: Arrays, file: Path) -> Arrays:
    """The arrays that a network needs, in its shapes, 16 or 32 bit floats; others are left out.

    `file` is where they come from, for the UserError: an array is missing, has another shape or holds other things
    than finite numbers. Axes of length 1 do not count: the original reads (256,) where it has (1, 1, 1, 256).
    """
    from dfl.nets.layers import named_weights

    fitted: Arrays = {}
    for name, variable in named_weights(network).items():
        shape = tuple(variable.shape)
        array = arrays.get(name)
        if array is None:
            raise UserError(f"{file}: the array {name} is missing, expected shape {shape}.", _OTHER_COPY)
        if _long_axes(array.shape) != _long_axes(shape):
            raise UserError(f"{file}: the array {name} has shape {array.shape}, expected {shape}.", _OTHER_COPY)
        if array.dtype.kind != "f":
            raise UserError(f"{file}: the array {name} holds {array.dtype}, expected 16 or 32 bit floats.", _OTHER_COPY)
        with np.errstate(over="ignore"):
            own = array.astype(np.float16 if array.dtype.itemsize == 2 else np.float32).reshape(shape)
        if not np.isfinite(own).all():
            raise UserError(f"{file}: the array {name} holds values that are no numbers, or infinite.", _OTHER_COPY)
        fitted[name] = own
    return fitted


def _long_axes(shape: tuple[int, ...]) -> list[int]:
    return [side for side in shape if side != 1]


def write_weights(file: Path, arrays: Arrays) -> None:
    """Write arrays and their checksum, whole or not at all."""
    need_space(file.parent, sum(array.nbytes for array in arrays.values()) + 2**20, "Saving the network")
    write_bytes(file, save(arrays, metadata={"sha256": _checksum(arrays)}))


def read_weights(file: Path) -> Arrays:
    """What `write_weights` wrote. UserError when a single byte of it is another one now."""
    content = read_bytes(file)
    try:
        arrays: Arrays = load(content)
        # The reader has checked the header; it does not hand on the metadata.
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        is_whole = header.get("__metadata__", {}).get("sha256") == _checksum(arrays)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise UserError(f"{file} is damaged (its checksum does not match).", f"Delete it; {_IMPORT}.")
    return arrays


def _checksum(arrays: Arrays) -> str:
    """SHA-256 over every array's name, type, shape and values."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode("utf-8"))
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
