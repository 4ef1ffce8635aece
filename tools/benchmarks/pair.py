"""The whole road on real footage, unattended, and what came out of it in figures.

    python -m tools.benchmarks.pair FOLDER_WITH_TWO_CLIPS NEW_WORKSPACE [--minutes 20]

The folder holds data_src.* and data_dst.*. Every stage runs as a user would start it, with --yes. At the end: frame
count, rate, length and sound of the result beside data_dst's, dlib face distances of merged faces to both people, and
contact_sheet.png (rows src, dst, result) to look at.
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from dfl.base.pictures import Picture, contact_sheet, read_picture, write_picture
from dfl.faces.dlib_faces import DlibFaces
from dfl.faces.identity import descriptor, distance
from dfl.video.read_clip import read_clip
from dfl.workspace import Workspace

MODEL = """
    --resolution 96 --archi df-ud --face-type f --ae-dims 128 --e-dims 32 --d-dims 32 --d-mask-dims 16
    --batch-size 8 --learning-rate 2e-4 --seed 1
""".split()  # noqa: SIM905 - a command line, as it is typed
MERGE = "--mode overlay --mask-mode learned-prd*learned-dst --erode 5 --blur 40 --colour-transfer rct".split()  # noqa: SIM905
SAMPLES = 60


def stage(workspace: Workspace, *words: str) -> None:
    """Run one stage as a user would; its time is printed."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "dfl", *words, "--workspace", str(workspace.root), "--yes", "--progress", "plain"]
    subprocess.run(command, check=True)
    print(f"== {words[0]}: {time.monotonic() - begin:.0f} s", flush=True)


def some(paths: list[Path], count: int) -> list[Path]:
    """`count` paths spread evenly."""
    return [paths[index * len(paths) // count] for index in range(min(count, len(paths)))]


def descriptors(paths: list[Path]) -> list[np.ndarray]:
    """dlib's 128 numbers of the largest face dlib finds in each picture."""
    finder = DlibFaces()
    found = []
    for path in paths:
        picture: Picture = read_picture(path)
        faces = finder.find(picture)
        if faces:
            found.append(descriptor(picture, faces[0].landmarks))
    return found


def compare(workspace: Workspace) -> None:
    """Print what the result is."""
    for name, path in (("data_dst", workspace.clip("dst")), ("result", workspace.result(".mp4"))):
        clip = read_clip(path)
        print(f"{name}: {clip}")
    merged = some(sorted(workspace.merged.glob("*.png")), SAMPLES)
    groups = {side: descriptors(some(sorted(workspace.frames(side).glob("*.png")), SAMPLES)) for side in ("src", "dst")}
    faces = descriptors(merged)
    medians = {}
    for side, people in groups.items():
        middle = np.mean(people, axis=0)
        medians[side] = float(np.median([distance(face, middle) for face in faces]))
    print(f"faces dlib finds in {len(merged)} merged frames: {len(faces)}")
    print(f"median distance of merged faces to the mean of src {medians['src']:.3f}, of dst {medians['dst']:.3f}")
    dst = [workspace.frames("dst") / path.name for path in some(merged, 8)]
    src = some(sorted(workspace.frames("src").glob("*.png")), 8)
    rows = [[read_picture(path) for path in row] for row in (src, dst, some(merged, 8))]
    write_picture(workspace.root / "contact_sheet.png", contact_sheet(rows, 180))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    arguments = parser.parse_args()
    workspace = Workspace(arguments.workspace.absolute())
    workspace.create()
    for clip in arguments.clips.glob("data_*.*"):
        shutil.copy(clip, workspace.root)
    for side in ("src", "dst"):
        stage(workspace, "extract-frames", side)
        stage(workspace, "extract-faces", side)
    stage(workspace, "train", *MODEL, "--minutes", str(arguments.minutes), "--name", "pair")
    stage(workspace, "merge", *MERGE)
    stage(workspace, "make-video")
    compare(workspace)


if __name__ == "__main__":
    main()
