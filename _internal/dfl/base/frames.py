"""Pictures as frames: which there are, and pictures of types that are not read."""

from pathlib import Path

from dfl.base.errors import UserError
from dfl.base.listing import in_natural_order, is_hidden, list_pictures
from dfl.base.report import Report
from dfl.base.wording import counted, first_few

# Pictures of cameras, phones and editors that neither OpenCV nor Pillow reads on every system.
OTHER_PICTURES = (
    *(".heic", ".heif", ".hif", ".jxl", ".exr", ".hdr", ".psd", ".psb", ".xcf", ".kra", ".svg", ".eps", ".ai"),
    *(".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw"),
    *(".dpx", ".cin", ".jxr", ".wdp", ".pfm", ".qoi"),
)
_CONVERT = "Convert them to PNG or JPEG under the same names."


def list_frames(folder: Path, report: Report) -> list[Path]:
    """The frames of a folder in natural order; pictures of types that are not read give a warning."""
    frames = list_pictures(folder)
    others = _others(folder)
    if frames and others:
        report.warn(f"{folder}: {_counted(others)} left out: such pictures are not read. {_CONVERT}")
    return frames


def no_frames(folder: Path, todo: str, what: str = "frames") -> UserError:
    """Why a folder has none: there are none, then `todo` helps, or only pictures of kinds that are not read."""
    others = _others(folder)
    if others:
        return UserError(f"{folder} holds no picture that can be read: {_counted(others)} not.", _CONVERT)
    return UserError(f"There are no {what} in {folder}.", todo)


def holds_other_pictures(folder: Path) -> bool:
    """Whether pictures of kinds that are not read lie in a folder."""
    return bool(_others(folder))


def _others(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return in_natural_order(
        path.name for path in folder.iterdir() if path.suffix.lower() in OTHER_PICTURES and not is_hidden(path)
    )


def _counted(names: list[str]) -> str:
    return f"{counted(len(names), 'file')} ({first_few(names)})"
