"""Room on a disk, and sizes of files, for people."""

import shutil
from pathlib import Path

from dfl.base.errors import UserError


def need_space(folder: Path, wanted_bytes: int, what: str) -> None:
    """Raise a UserError when the disk of `folder` has less than `wanted_bytes` free."""
    existing = next((path for path in (folder, *folder.parents) if path.is_dir()), folder)
    free = shutil.disk_usage(existing).free
    if free < wanted_bytes:
        raise UserError(
            f"{what} needs about {size_in_words(wanted_bytes)} in {folder}, but {size_in_words(free)} are free.",
            "Free some space, or use a workspace on another disk (--workspace PATH).",
        )


def size_in_words(size: float) -> str:
    """Bytes for people: 3.2 GB, 14 MB, 0.5 MB."""
    size = max(size, 0)
    if size >= 2**30:
        return f"{size / 2**30:.1f} GB"
    return f"{size / 2**20:.0f} MB" if size >= 10 * 2**20 else f"{size / 2**20:.1f} MB"
