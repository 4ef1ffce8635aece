"""What the machine is: system, Python, processor, memory, disk. Needs nothing but Python, psutil where it is there."""

import os
import platform
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dfl.base.disk_space import size_in_words
from dfl.base.memory import container_memory, free_memory
from dfl.base.processor import FLAGS, processor_facts, processor_flags
from dfl.diagnostics.findings import Finding

PYTHONS = ((3, 11), (3, 13))  # oldest and newest that the engines have packages for
SMALL_MEMORY = 8 * 2**30
SMALL_DISK = 5 * 2**30


def system() -> Iterator[Finding]:
    """Operating system and Python."""
    yield Finding("System", f"{_system_name()}, {platform.machine()}")
    bits = 8 * struct.calcsize("P")
    text = f"{platform.python_version()}, {bits} bit, {sys.executable}"
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1] or bits != 64:
        wanted = " to ".join(".".join(map(str, version)) for version in PYTHONS)
        yield Finding(
            "Python", text, f"Use a 64 bit Python {wanted}: other ones lack packages of TensorFlow.", must=True
        )
    else:
        yield Finding("Python", text)


def processor() -> Iterator[Finding]:
    """Name, cores this process may use, and the flags that matter."""
    flags = processor_flags()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    known = ", ".join(flags) if flags else "flags unknown" if flags is None else "none of " + ", ".join(FLAGS)
    text = f"{_processor_name()}, {cores} cores, {known}"
    if flags is not None and "avx" not in flags and platform.machine().lower() in ("x86_64", "amd64"):
        yield Finding("Processor", text, "TensorFlow needs a processor with AVX: use another machine.", must=True)
    else:
        yield Finding("Processor", text)


def memory() -> Iterator[Finding]:
    """Size, and how much is free now."""
    import psutil

    free, limit = free_memory(), container_memory()
    text = f"{size_in_words(psutil.virtual_memory().total)}, {size_in_words(free)} free"
    text += " (this container or job may take no more)" if limit <= free else ""
    todo = "Little memory: close other programs, and train with a small batch size." if free < SMALL_MEMORY else ""
    yield Finding("Memory", text, todo)


def disk(root: Path) -> Iterator[Finding]:
    """Free space and rights where the workspace is, or will be."""
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    todo = "Little space: frames of a few minutes of video take several GB." if free < SMALL_DISK else ""
    yield Finding("Disk", f"{size_in_words(free)} free at {root}", todo)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        yield Finding("Disk", f"nothing can be written to {there}: {error.strerror}", _move(there), must=True)
    if os.name == "nt" and any("onedrive" in part.lower() for part in root.parts):
        todo = f"Move {root} out of OneDrive: it locks and uploads every frame."
        yield Finding("Disk", "the workspace is in OneDrive", todo)


def _move(folder: Path) -> str:
    return f"Move the program or the workspace to a folder that you may write to; not {folder}."


def _system_name() -> str:
    if platform.system() == "Linux":
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
        return f"{name}, kernel {platform.release()}"
    return platform.platform()


def _processor_name() -> str:
    if sys.platform == "win32":
        import winreg

        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    return processor_facts().get("model name") or platform.processor() or "unknown processor"
