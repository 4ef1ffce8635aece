"""`meta.dat`: face data of a folder's JPEGs as the original saves them: a pickle of {file name: (shape, face data)}."""

from collections.abc import Mapping
from pathlib import Path

from dfl.base import pickle_writer, safe_pickle
from dfl.base.errors import UserError
from dfl.base.files import reading, replacing
from dfl.faceset.face_metadata import metadata_from_dict, metadata_to_dict
from dfl.faceset.sidecar import SidecarEntry, checked_shape

_MAX_BYTES = 2**31


def read_meta_dat(path: Path) -> dict[str, SidecarEntry]:
    """What meta.dat holds, by file name. UserError when it is damaged or holds anything but face data."""
    with reading(path):
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MAX_BYTES else b""
    if size > _MAX_BYTES:
        raise _damaged(path, "it is too large")
    values = safe_pickle.loads(content, str(path), 16 * len(content) + 2**16)
    if not isinstance(values, dict):
        raise _damaged(path, "it is no table")
    entries = {}
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, tuple | list) or len(value) != 2:
            raise _damaged(path, f"the entry of {name!a} is wrong")
        try:
            shape = checked_shape(value[0])
        except ValueError as error:
            raise _damaged(path, f"{name!a}: {error}") from error
        entries[name] = SidecarEntry(metadata_from_dict(value[1], f"{path}, {name}"), shape)
    return entries


def write_meta_dat(path: Path, entries: Mapping[str, SidecarEntry]) -> None:
    """Write meta.dat, whole or not at all, loadable by the original."""
    table = ((name, (entry.shape, metadata_to_dict(entry.metadata))) for name, entry in entries.items())
    with replacing(path) as part, part.open("wb") as file:
        pickle_writer.dump_dict(table, file)


def rename_in_meta_dat(path: Path, names: Mapping[str, str]) -> None:
    """Give entries new names; an entry that has a new name already was of a file that is gone, and is dropped."""
    entries = read_meta_dat(path)
    taken = set(names.values())
    kept = {name: entry for name, entry in entries.items() if name not in names and name not in taken}
    write_meta_dat(path, kept | {names[name]: entry for name, entry in entries.items() if name in names})


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is damaged: {reason}.", "Use another copy of it. Nothing was changed.")
