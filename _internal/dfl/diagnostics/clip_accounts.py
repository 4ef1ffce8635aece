"""The doctor's account of a workspace's clips: what they are, and what is wrong with them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dfl.base.errors import UserError
from dfl.diagnostics.findings import Finding
from dfl.workspace import Side, Workspace

CLIP_SECONDS = 120
# A file that is no good can end the process that reads it.
_CODE = """
import json, sys
from pathlib import Path
from dfl.base.errors import UserError
from dfl.video.account import account, account_warnings
from dfl.video.read_clip import read_clip
from dfl.video.facts import reading_of
path, facts = map(Path, sys.argv[1:])
try:
    clip = read_clip(path, reading_of(facts, path))
    found = {"lines": list(account(clip)), "warnings": list(account_warnings(clip))}
except UserError as error:
    found = {"what": error.what, "todo": error.todo}
print(json.dumps(found))
"""


def clips(workspace: Workspace) -> Iterator[Finding]:
    """What the clips of both sides are; missing ones are reported with the workspace."""
    sides: tuple[Side, Side] = ("src", "dst")
    for side in sides:
        try:
            path = workspace.clip(side)
        except UserError:
            continue
        yield from _clip(path, workspace.clip_facts(side))


def _clip(path: Path, facts: Path) -> Iterator[Finding]:
    """Read a clip in a process of its own."""
    command = [sys.executable, "-X", "utf8", "-P", "-c", _CODE, str(path), str(facts)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
            timeout=CLIP_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield Finding("Clips", f"{path.name} is large: it was not read to its end in {CLIP_SECONDS} seconds")
        return
    if done.returncode:
        last = next(reversed(done.stderr.strip().splitlines()), f"the process ended with code {done.returncode}")
        yield Finding("Clips", f"{path.name} could not be checked: {last}")
        return
    found = json.loads(done.stdout.splitlines()[-1])
    if "what" in found:
        yield Finding("Clips", found["what"].rstrip("."), found["todo"])
        return
    for text in (*found["lines"], *found["warnings"]):
        yield Finding("Clips", text)
