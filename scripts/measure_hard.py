"""Every clip of a folder through extract-frames and extract-faces, as a user would start them: a table.

    python scripts/measure_hard.py FOLDER_WITH_CLIPS OUTPUT_FOLDER

A row a clip: exit codes, frames, faces, frames without a face, frames a second. A traceback anywhere ends the run with
exit code 1. Faces drawn into the frames are left in the output folder, to look at.
"""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from dfl.base.files import list_pictures
from dfl.workspace import Workspace


def stage(workspace: Workspace, *words: str) -> tuple[int, str, float]:
    """Run a stage; exit code, what it said, wall seconds."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "dfl", *words, "--workspace", str(workspace.root), "--yes", "--progress", "json"]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    return run.returncode, run.stdout + run.stderr, time.monotonic() - begin


def last_line(said: str) -> str:
    """The message of an error, or nothing."""
    lines = [line for line in said.splitlines() if line.startswith("Error: ")]
    return lines[0].removeprefix("Error: ") if lines else ""


def measure(clip: Path, output: Path) -> tuple[str, bool]:
    """One row of the table, and whether the program broke."""
    workspace = Workspace(output / clip.stem)
    shutil.rmtree(workspace.root, ignore_errors=True)
    workspace.create()
    shutil.copy(clip, workspace.root / f"data_dst{clip.suffix}")
    frames_code, said, _ = stage(workspace, "extract-frames", "dst")
    if frames_code:
        broke = "Traceback" in said or frames_code not in (2,)
        return f"| {clip.name} | {frames_code} | - | - | - | {last_line(said).replace(str(output), '')} |", broke
    faces_code, said, seconds = stage(workspace, "extract-faces", "dst", "--debug")
    done = [json.loads(line) for line in said.splitlines() if line.startswith("{") and '"done"' in line]
    counts = done[-1]["counts"] if done else {}
    frames = len(list_pictures(workspace.frames("dst")))
    each = Counter(path.stem.rsplit("_", 1)[0] for path in list_pictures(workspace.aligned("dst")))
    spread = Counter(each.values())
    spread[0] = frames - len(each)
    found = ", ".join(f"{faces}: {spread[faces]}" for faces in sorted(spread) if spread[faces])
    broke = "Traceback" in said or faces_code not in (0, 2)
    rate = f"{frames / seconds:.0f}"
    return (
        f"| {clip.name} | {frames_code} {faces_code} | {frames} | {counts.get('faces', '-')} | {found} | {rate} |",
        broke,
    )


def main() -> int:
    clips, output = Path(sys.argv[1]), Path(sys.argv[2]).absolute()
    print("| clip | exit codes | frames | faces | frames by number of faces | frames a second, or the error |")
    print("|---|---|---|---|---|---|")
    broken = 0
    for clip in sorted(path for path in clips.iterdir() if path.suffix not in (".md", ".json")):
        row, broke = measure(clip, output)
        broken += broke
        print(row + (" BROKE" if broke else ""), flush=True)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
