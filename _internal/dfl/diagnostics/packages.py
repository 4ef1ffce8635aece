"""Which packages are there, in which versions, whether they fit and can be imported; nothing is imported here.

Imports are tried in a process of their own: a broken package may end the process that imports it.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dfl.diagnostics.findings import Finding

_PORTABLE_PYTHON = Path(__file__).resolve().parents[2] / "python" / "python.exe"
INSTALL_AGAIN = (
    "Unpack the whole zip file again: this folder is not whole."
    if _PORTABLE_PYTHON.is_file()
    else "Install the program's packages again: pip install -e . (in the folder of README.md)."
)
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
ENGINES = ("tensorflow", "keras")  # told with the engine: without them torch may do
IMPORTED = {
    "numpy": "numpy",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "dlib-bin": "dlib",
    "ffmpeg-python": "ffmpeg",
    "imageio-ffmpeg": "imageio_ffmpeg",
    "av": "av",
    "pydantic": "pydantic",
    "safetensors": "safetensors.numpy",
    "ai-edge-litert": "ai_edge_litert.interpreter",
}
TRIAL_SECONDS = 120
_TRIAL = """
import importlib, sys
for name in sys.argv[1:]:
    print("@try", name, flush=True)
    try:
        importlib.import_module(name)
        print("@good", name, flush=True)
    except BaseException as error:
        print("@bad", name, type(error).__name__, " ".join(str(error).split()), flush=True)
"""

_ENCODERS = """
import av, sys
for name in sys.argv[1:]:
    try:
        av.codec.Codec(name, "w")
        print("@" + name, flush=True)
    except ValueError:
        pass
"""


@dataclass(frozen=True)
class Wanted:
    """One package that the program asks for, and the versions that will do (None: not known here)."""

    name: str
    versions: str
    fits: bool | None  # None: not installed, or not to be judged without the package `packaging`


def installed(name: str) -> str:
    """Version of an installed package, empty when it is not there or its data is broken."""
    try:
        return metadata.version(name) or ""
    except (metadata.PackageNotFoundError, KeyError, ValueError):
        return ""


def versions() -> Iterator[Finding]:
    """Versions of all packages asked for; those that are missing or do not fit must be mended."""
    wanted = list(wanted_packages())
    there = [f"{package.name} {installed(package.name)}" for package in wanted if installed(package.name)]
    yield Finding("Packages", ", ".join(there) or "none found")
    missing = [package.name for package in wanted if not installed(package.name) and package.name not in ENGINES]
    if missing:
        yield Finding("Packages", f"missing: {', '.join(missing)}", INSTALL_AGAIN, must=True)
    for package in wanted:
        version = installed(package.name)
        if version and package.fits is False:
            text = f"{package.name} {version} does not fit: expected {package.versions}"
            yield Finding(
                "Packages", text, f'Install one that fits: pip install "{package.name}{package.versions}"', must=True
            )


def wanted_packages() -> Iterator[Wanted]:
    """What the program asks for on this system, from its own metadata, else from pyproject.toml beside it."""
    try:
        lines = metadata.requires("dfl") or []
    except metadata.PackageNotFoundError:
        project = Path(__file__).resolve().parents[3] / "pyproject.toml"
        lines = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    try:
        from packaging.requirements import Requirement
    except ImportError:
        # Without it a condition cannot be judged: leave out packages that have one, and every check of versions.
        for line in lines:
            if ";" not in line:
                yield Wanted(re.split(r"[^\w.-]", line)[0], "", None)
        return
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            version = installed(requirement.name)
            fits = requirement.specifier.contains(version, prereleases=True) if version else None
            yield Wanted(requirement.name, str(requirement.specifier), fits)


def opencv() -> Iterator[Finding]:
    """Two OpenCVs overwrite each other's files, and OpenCV 5 computes other pixels."""
    there = [name for name in OPENCV if installed(name)]
    wanted = "opencv-python-headless" if sys.platform == "linux" else "opencv-python"
    clean = f'pip uninstall -y {" ".join(there)} && pip install "{wanted}<5"'
    if len(there) > 1:
        yield Finding("OpenCV", f"{' and '.join(there)} overwrite each other", f"Keep one: {clean}", must=True)
    for name in there:
        if installed(name).split(".")[0] != "4":
            text = f"{name} {installed(name)} computes other pixels than OpenCV 4, which facesets rest on"
            yield Finding("OpenCV", text, f"Use OpenCV 4: {clean}", must=True)


def imports() -> Iterator[Finding]:
    """Import every package that has compiled parts, and tell which fail."""
    names = list(dict.fromkeys(module for package, module in IMPORTED.items() if installed(package)))
    failed = dict(try_imports(names))
    for name, reason in failed.items():
        yield Finding("Imports", f"{name}: {reason}", _import_advice(reason), must=True)
    if not failed:
        yield Finding("Imports", f"{', '.join(names)}: all work")


def try_imports(names: list[str]) -> Iterator[tuple[str, str]]:
    """(name, reason) of every module that cannot be imported in a fresh process."""
    left = names
    while left:
        command = [sys.executable, "-X", "utf8", "-P", "-c", _TRIAL, *left]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
                timeout=TRIAL_SECONDS,
            )  # fmt: skip
            said, end = done.stdout, f"the process ended with code {done.returncode}"
        except subprocess.TimeoutExpired as error:
            said = error.stdout.decode("utf-8", "replace") if isinstance(error.stdout, bytes) else error.stdout or ""
            end = f"not done after {TRIAL_SECONDS} seconds"
        rows = [line.split(" ", 2) for line in said.splitlines() if line.startswith("@")]
        yield from ((row[1], row[2]) for row in rows if row[0] == "@bad")
        finished = {row[1] for row in rows if row[0] != "@try"}
        # The one that was begun and not finished took the process with it: go on behind it.
        culprit = next((name for name in left if name not in finished), None)
        if culprit is None:
            return
        yield culprit, end
        left = left[left.index(culprit) + 1 :]


def video() -> Iterator[Finding]:
    """The encoders of PyAV, which writes results; and the ffmpeg program, which tests and filters use."""
    names = ("libx264", "libx264rgb", "aac")
    done = _run([sys.executable, "-X", "utf8", "-P", "-c", _ENCODERS, *names])
    rows = [line.removeprefix("@") for line in done.stdout.splitlines() if line.startswith("@")]
    if rows != list(names):
        has = ", ".join(rows) or "nothing that is asked for"
        todo = "Install it again: pip install --force-reinstall --no-deps av"
        yield Finding("Video", f"av (PyAV) writes {has}; wanted {', '.join(names)}", todo, must=True)
    else:
        yield Finding("Video", f"av (PyAV) writes {', '.join(rows)}")
    yield _ffmpeg_program()


def _ffmpeg_program() -> Finding:
    try:
        import imageio_ffmpeg

        program = imageio_ffmpeg.get_ffmpeg_exe()
        done = _run([program, "-nostdin", "-hide_banner", "-version"])
        done.check_returncode()
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        todo = "Install it again: pip install --force-reinstall --no-deps imageio-ffmpeg"
        return Finding("Video", f"ffmpeg program does not run: {error}", todo)
    version = done.stdout.split("\n")[0].removeprefix("ffmpeg version ").split(" Copyright")[0]
    return Finding("Video", f"ffmpeg program {version}: {program}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", timeout=60
    )


def _import_advice(reason: str) -> str:
    if "DLL load failed" in reason:
        return "Install the Microsoft Visual C++ runtime (vc_redist.x64.exe), then try again."
    if "libGL" in reason or "libgthread" in reason:
        return 'Use OpenCV without windows: pip uninstall -y opencv-python && pip install "opencv-python-headless<5"'
    if "cannot open shared object file" in reason:
        return f"The system lacks the library that is named there: install it. Or: {INSTALL_AGAIN}"
    return INSTALL_AGAIN
