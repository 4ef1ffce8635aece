"""Every clip of a folder through extract-frames and extract-faces, as a user would start them: a table.

    python -m tools.benchmarks.hard_clips FOLDER_WITH_CLIPS OUTPUT_FOLDER

A row a clip: exit codes, frames, frames by faces found; then the faces that a careful look at every frame alone finds,
how many of them the followed ones lack, and CPU time of both, taken in turn in this process. A traceback anywhere ends
the run with exit code 1. Faces drawn into the frames are left in the output folder, to look at.
"""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2

from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.extraction.frame_source import PART_FRAMES
from dfl.faces.find import FaceFinder
from dfl.faces.follow import find_in_frames
from dfl.faces.square import iou
from dfl.workspace import Workspace

SAME_FACE = 0.3


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


def compare(frames: list[Path], finder: FaceFinder) -> str:
    """Careful faces, those that following lacks, and CPU milliseconds a frame of both."""
    followed_seconds = careful_seconds = 0.0
    careful_faces = missed = 0
    for start in range(0, len(frames), PART_FRAMES):
        pictures = [read_picture(path) for path in frames[start : start + PART_FRAMES]]
        begin = time.process_time()
        followed = list(find_in_frames(finder, pictures))
        middle = time.process_time()
        careful = [finder.find(picture) for picture in pictures]
        careful_seconds += time.process_time() - middle
        followed_seconds += middle - begin
        for one, other in zip(followed, careful, strict=True):
            careful_faces += len(other)
            missed += sum(not any(iou(face.box, seen.box) > SAME_FACE for seen in one.faces) for face in other)
    quick, slow = (1000 * seconds / len(frames) for seconds in (followed_seconds, careful_seconds))
    return f"{careful_faces} | {missed} | {quick:.0f} / {slow:.0f} = 1 : {slow / quick:.1f}"


def measure(clip: Path, output: Path, finder: FaceFinder) -> tuple[str, bool]:
    """One row of the table, and whether the program broke."""
    workspace = Workspace(output / clip.stem)
    shutil.rmtree(workspace.root, ignore_errors=True)
    workspace.create()
    shutil.copy(clip, workspace.root / f"data_dst{clip.suffix}")
    frames_code, said, _ = stage(workspace, "extract-frames", "dst")
    if frames_code:
        broke = "Traceback" in said or frames_code not in (2,)
        error = last_line(said).replace(str(output), "")
        return f"| {clip.name} | {frames_code} | - | - | - | - | - | - | {error} |", broke
    faces_code, said, seconds = stage(workspace, "extract-faces", "dst", "--debug")
    done = [json.loads(line) for line in said.splitlines() if line.startswith("{") and '"done"' in line]
    counts = done[-1]["counts"] if done else {}
    frames = list_pictures(workspace.frames("dst"))
    each = Counter(path.stem.rsplit("_", 1)[0] for path in list_pictures(workspace.aligned("dst")))
    spread = Counter(each.values())
    spread[0] = len(frames) - len(each)
    found = ", ".join(f"{faces}: {spread[faces]}" for faces in sorted(spread) if spread[faces])
    broke = "Traceback" in said or faces_code not in (0, 2)
    cells = (
        clip.name,
        f"{frames_code} {faces_code}",
        len(frames),
        counts.get("faces", "-"),
        found,
        compare(frames, finder),
        f"{len(frames) / seconds:.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |", broke


def main() -> int:
    clips, output = Path(sys.argv[1]), Path(sys.argv[2]).absolute()
    cv2.setNumThreads(1)
    finder = FaceFinder()
    print("| clip | exit codes | frames | faces | frames by number of faces | careful | missed | CPU ms | a second |")
    print("|---|---|---|---|---|---|---|---|---|")
    broken = 0
    for clip in sorted(path for path in clips.iterdir() if path.suffix not in (".md", ".json")):
        row, broke = measure(clip, output, finder)
        broken += broke
        print(row + (" BROKE" if broke else ""), flush=True)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
