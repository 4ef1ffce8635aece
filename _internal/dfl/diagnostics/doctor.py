"""The stage `doctor`: what this machine has, what is wrong, how to mend it.

It must run when nothing else does: it imports no third-party package itself, every probe is guarded, and what may crash
or hang is tried in a process of its own. `python -m dfl doctor` comes here even when the command line cannot start.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dfl import __version__
from dfl.base.errors import UserError
from dfl.base.listing import list_folders, list_pictures
from dfl.diagnostics import clip_accounts, machine, packages
from dfl.diagnostics.findings import Finding, run_probe
from dfl.diagnostics.workspace_state import check_state
from dfl.workspace import FACESET_PAK, Side, Workspace, default_root

if TYPE_CHECKING:
    from dfl.base.report import Report
    from dfl.diagnostics.options import DoctorOptions

ENGINE_SECONDS = 300
TOPIC_WIDTH = 11


def run(workspace: Workspace, options: DoctorOptions, report: Report) -> None:
    """Print what was found and what to do; raise UserError (exit code 2) when something must be mended."""
    findings = examine(workspace, start_engine=options.engine)
    for line in in_words(findings):
        report.line(line)
    wrong = sum(finding.must for finding in findings)
    if wrong:
        things = "1 thing" if wrong == 1 else f"{wrong} things"
        raise UserError(f"{things} must be mended before dfl can do its work.", "See the lines under `To mend`.")
    advice = sum(bool(finding.todo) for finding in findings)
    report.done("dfl can work; see the lines under `Advice`." if advice else "Nothing is wrong.", advice=advice)


def run_alone() -> int:
    """The doctor without the command line, whose own packages may be what is broken; returns the exit code."""
    findings = examine(Workspace(default_root()), start_engine=False)
    print("\n".join(in_words(findings)), flush=True)
    return 2 if any(finding.must for finding in findings) else 0


def examine(workspace: Workspace, *, start_engine: bool) -> list[Finding]:
    """Run all probes, in the order of the report."""
    probes: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("System", machine.system),
        ("Processor", machine.processor),
        ("Memory", machine.memory),
        ("Disk", lambda: machine.disk(workspace.root)),
        ("Packages", packages.versions),
        ("OpenCV", packages.opencv),
        ("Imports", packages.imports),
        ("Video", packages.video),
        ("Engine", lambda: _engine(start_engine)),
        ("Graphics", _graphics),
        ("Weights", _weights),
        ("Marks", _marks),
        ("Workspace", lambda: _workspace(workspace)),
        ("Workspace", lambda: check_state(workspace)),
        ("Clips", lambda: clip_accounts.clips(workspace)),
    ]
    return [finding for topic, probe in probes for finding in run_probe(topic, probe)]


def in_words(findings: list[Finding]) -> Iterator[str]:
    """A line or more for every fact, then what must be done, then what may be."""
    yield f"dfl {__version__}"
    topic = ""
    for finding in findings:
        lines = textwrap.wrap(finding.text, 100, break_long_words=False, break_on_hyphens=False)
        for line in lines:
            yield f"{'' if finding.topic == topic else finding.topic:<{TOPIC_WIDTH}}{line}"
            topic = finding.topic
    for title, is_must in (("To mend:", True), ("Advice:", False)):
        chosen = [finding for finding in findings if finding.todo and finding.must is is_must]
        if chosen:
            yield title
        for finding in chosen:
            yield (
                f"  {finding.topic}: {finding.text}. {finding.todo}"
                if is_must
                else f"  {finding.topic}: {finding.todo}"
            )


def _engine(start: bool) -> Iterator[Finding]:
    """Which engine would be used and why; started only when asked, in its own process."""
    from dfl.models.engine import choose_engine

    try:
        name, why = choose_engine(None)
    except UserError:
        text = "neither TensorFlow nor torch is installed: no training, no merging"
        yield Finding("Engine", text, packages.INSTALL_AGAIN, must=True)
        return
    yield Finding("Engine", f"{name} {packages.installed(name)} ({why})")
    if not packages.installed("keras"):
        yield Finding("Engine", "keras is missing", packages.INSTALL_AGAIN, must=True)
    elif start:
        yield _started(name)


def _started(name: str) -> Finding:
    """Start the engine in a fresh process and tell what it says."""
    code = f"from dfl.models.engine import start_engine; print(start_engine({name!r})); import keras"
    command = [sys.executable, "-X", "utf8", "-P", "-c", code]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
            timeout=ENGINE_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Finding(
            "Engine", f"{name} was not there after {ENGINE_SECONDS} seconds", packages.INSTALL_AGAIN, must=True
        )
    if done.returncode:
        last = next(reversed(done.stderr.strip().splitlines()), f"ended with code {done.returncode}")
        return Finding("Engine", f"{name} does not start: {last}", packages.INSTALL_AGAIN, must=True)
    return Finding("Engine", f"started: {done.stdout.strip()}")


def _graphics() -> Iterator[Finding]:
    """Whether a graphics card is used, and why not."""
    from dfl.models.engine import choose_engine, nvidia_card

    card = nvidia_card()
    if not card:
        yield Finding("Graphics", "not used: no NVIDIA card found (nvidia-smi does not answer)")
        return
    name, _ = choose_engine(None)
    missing = _missing_for_card(name)
    if missing:
        yield Finding("Graphics", f"{card}, not used by {name}", missing)
    else:
        yield Finding("Graphics", f"{card}, used by {name}")


def _missing_for_card(engine: str) -> str:
    """What to install so that the engine uses an NVIDIA card; empty when it is there."""
    if engine == "torch":
        return "" if _torch_has_cuda() else _TORCH_WITH_CUDA
    if sys.platform == "win32":
        return f"TensorFlow has no graphics card on Windows. {_TORCH_WITH_CUDA}"
    if any(packages.installed(f"nvidia-cudnn-cu{version}") for version in (12, 13)):
        return ""
    return 'Install TensorFlow\'s CUDA libraries: pip install "dfl[gpu]" (in a checkout: pip install -e ".[gpu]").'


_TORCH_WITH_CUDA = (
    "Install torch with CUDA from the package index that pytorch.org names for your system; it is then used by itself."
)


def _torch_has_cuda() -> bool:
    """Whether the installed torch was built with CUDA; read from its version file, for importing it takes long."""
    package = importlib.util.find_spec("torch")
    for folder in package.submodule_search_locations or () if package else ():
        file = Path(folder) / "version.py"
        if file.is_file():
            return bool(re.search(r"^cuda\b[^=]*= *['\"]", file.read_text(encoding="utf-8"), re.MULTILINE))
    return False


def _weights() -> Iterator[Finding]:
    """The face networks' files."""
    from dfl.faces.weights import mesh_v2_file, package_file

    try:
        package_file("face_detection_back.tflite")
        file = mesh_v2_file()
    except UserError as error:
        yield Finding("Weights", error.what, error.todo, must=True)
        return
    if file is None:
        todo = "Get it once: dfl weights. Without it an older network is used, a little less steady."
        yield Finding("Weights", "face detector there; landmark network not fetched yet", todo)
    else:
        yield Finding("Weights", f"face detector there; landmark network {file}")


def _marks() -> Iterator[Finding]:
    """Whether results can be signed."""
    missing = [name for name in ("c2pa-python", "cryptography") if not packages.installed(name)]
    if missing:
        todo = (
            'To sign results with Content Credentials as well: pip install "dfl[credentials]" (or -e ".[credentials]").'
        )
        yield Finding("Marks", f"tag and XMP; no Content Credentials without {' and '.join(missing)}", todo)
    else:
        yield Finding("Marks", f"tag, XMP, Content Credentials (c2pa-python {packages.installed('c2pa-python')})")


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    """What the workspace holds: clips, frames, faces, models, results."""
    sides: tuple[Side, Side] = ("src", "dst")
    for side in sides:
        frames, faces = len(list_pictures(workspace.frames(side))), len(list_pictures(workspace.aligned(side)))
        packed = ", packed faceset" if (workspace.aligned(side) / FACESET_PAK).is_file() else ""
        try:
            clip, todo = f"{workspace.clip(side).name}:", ""
        except UserError as error:
            clip, todo = error.what, error.todo
        yield Finding("Workspace", f"{clip} {frames} frames, {faces} faces{packed}", todo)
    models = [path.name for path in list_folders(workspace.model)]
    merged = len(list_pictures(workspace.merged))
    results = sorted(path.name for path in workspace.root.glob("result*") if path.is_file())
    text = f"models: {', '.join(models) or 'none'}; {merged} merged frames; results: {', '.join(results) or 'none'}"
    yield Finding("Workspace", text)
