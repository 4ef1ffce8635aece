"""Time and memory of the faceset tools on many faces, beside the plain way of doing the same.

    python -m tools.benchmarks.faceset FOLDER_OF_FACES [--count 20000] [--side 512] [--work FOLDER]

The faces are made from those of the folder by small turns, shifts and brightness. Every tool runs as the user starts
it; the plain way (one pair of pictures, one pixel after the other) runs on few faces and is extrapolated. Processor
seconds are those of all processes; memory is the largest process's.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import click
import cv2
import numpy as np

from dfl.base.disk_space import need_space
from dfl.base.pictures import Picture
from dfl.base.processes import in_processes, lower_priority, worker_count
from dfl.base.report import Report
from dfl.face_analysis.sharpness import masked
from dfl.faces.align import transform_points
from dfl.faces.masks import hull_mask
from dfl.faceset.aligned_face import write_face
from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.stages import STAGES
from dfl.workspace import MEASURES, Workspace

PLAIN_FACES = 200
SORTINGS = ("hist", "hist-dissim", "absdiff", "final", "near-duplicates")


@dataclass(frozen=True)
class Task:
    """A face to be made: the one that it is made from, where, and its number."""

    face: FaceFile
    folder: Path
    side: int
    number: int


def make_face(task: Task) -> None:
    """Turn, shift and light a face a little, the more the further it is in the set: neighbours are alike."""
    random = np.random.default_rng(task.number // 20)
    drift = np.random.default_rng(task.number)
    angle, scale = random.normal(0, 5) + drift.normal(0, 0.4), random.normal(1, 0.04) + drift.normal(0, 0.003)
    picture = task.face.read_picture()
    size = picture.shape[0]
    zoom = task.side / size
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle, scale * zoom)
    matrix[:, 2] += task.side / 2 - size / 2 + random.normal(0, 6, 2) + drift.normal(0, 0.5, 2)
    warped = cv2.warpAffine(
        picture, matrix, (task.side, task.side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    lit = warped.astype(np.float32) * random.normal(1, 0.08) + random.normal(0, 8) + drift.normal(0, 2, warped.shape)
    metadata = replace(
        task.face.metadata,
        landmarks=transform_points(task.face.metadata.landmarks, np.asarray(matrix, np.float64)),
        source_filename=f"{task.number:06d}.png",
    )
    path = task.folder / f"{task.number:06d}_0.jpg"
    write_face(path, np.clip(lit, 0, 255).astype(np.uint8), metadata)


def make_faces(faces: list[FaceFile], folder: Path, count: int, side: int) -> None:
    """`count` faces in `folder`, in scenes of 20."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [Task(faces[number // 20 % len(faces)], folder, side, number) for number in range(count)]
    outcomes = in_processes(make_face, tasks, workers=worker_count(), start=lower_priority)
    for outcome in Report().track(outcomes, "Making faces", count):
        if outcome.error:
            raise outcome.error


def run(workspace: Workspace, *arguments: str) -> str:
    """Run a stage as the user does: wall seconds, processor seconds, MiB of the largest process."""
    if sys.platform == "win32":
        raise SystemExit("wait4, which reports what a process used, is not there on Windows.")
    command = [sys.executable, "-m", "dfl", *arguments, "--workspace", str(workspace.root), "--yes"]
    start = time.monotonic()
    process = subprocess.Popen([*command, "--progress", "plain"], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    seconds = time.monotonic() - start
    return f"{seconds:8.1f} s wall {used.ru_utime + used.ru_stime:8.1f} s processor {used.ru_maxrss / 1024:7.0f} MiB"


def plain_chain(histograms: list[list[np.ndarray]]) -> None:
    """The chain by histograms, pair by pair."""
    order = list(range(len(histograms)))
    for place in range(1, len(order)):
        own = histograms[order[place - 1]]
        distances = [
            sum(cv2.compareHist(a, b, cv2.HISTCMP_BHATTACHARYYA) for a, b in zip(own, histograms[other], strict=True))
            for other in order[place:]
        ]
        best = place + int(np.argmin(distances))
        order[place], order[best] = order[best], order[place]


def plain_sharpness(picture: Picture) -> int:
    """The edge widths of CPBD, pixel by pixel; how many there are."""
    from skimage.feature import canny

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float64)
    canny(grey)
    edges = cv2.Sobel(grey, cv2.CV_64F, 1, 0) ** 2
    edges[edges <= 2 * np.sqrt(edges.mean())] = 0
    down, across = np.gradient(grey, axis=0), np.gradient(grey, axis=1)
    found = 0
    for row in range(1, grey.shape[0] - 1):
        for column in range(1, grey.shape[1] - 1):
            if not edges[row, column] > max(edges[row, column - 1], edges[row, column + 1]):
                continue
            angle = np.degrees(np.arctan2(down[row, column], across[row, column]))
            grows = {0: 1, 180: -1}.get(abs(round(angle / 45) * 45))
            for direction in (-1, 1) if grows else ():
                place = column + 2 * direction
                while 0 <= place < grey.shape[1] and (grey[row, place] - grey[row, place - direction]) * direction > 0:
                    place += direction
            found += 1
    return found


def plain_seconds(faces: list[FaceFile], count: int) -> dict[str, float]:
    """Processor seconds of the plain way on few faces, extrapolated to `count`; without reading the pictures."""
    some = [face.read_picture() for face in faces[:PLAIN_FACES]]
    histograms = [
        [cv2.calcHist([picture], [channel], None, [256], [0, 256]) for channel in range(3)] for picture in some
    ]
    pairs = (count / len(some)) ** 2
    seconds = {}
    start = time.process_time()
    plain_chain(histograms)
    seconds["hist"] = (time.process_time() - start) * pairs
    start = time.process_time()
    for one in histograms:
        sum(cv2.compareHist(one[0], other[0], cv2.HISTCMP_BHATTACHARYYA) for other in histograms)
    seconds["hist-dissim"] = (time.process_time() - start) * pairs
    start = time.process_time()
    for picture, other in combinations(some[:30], 2):
        np.abs(picture.astype(np.float32) - other).sum()
    seconds["absdiff"] = (time.process_time() - start) * (count / 30) ** 2
    start = time.process_time()
    for face, picture in zip(faces[:3], some[:3], strict=True):
        plain_sharpness(masked(picture, hull_mask(picture.shape[:2], face.metadata.landmarks)))
    seconds["final"] = (time.process_time() - start) * count / 3
    return seconds


@click.command()
@click.argument("faces", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--count", default=20000, show_default=True)
@click.option("--side", default=512, show_default=True, help="Pixels of a face's side.")
@click.option("--work", default=Path(tempfile.gettempdir()) / "measure_faceset", type=click.Path(path_type=Path))
def main(faces: Path, count: int, side: int, work: Path) -> None:
    """Measure the faceset tools on COUNT faces made from those in the folder FACES."""
    lower_priority()
    need_space(work, 3 * count * side * side // 3, "Measuring")
    workspace = Workspace(work)
    aligned = workspace.aligned("src")
    if aligned.is_dir():
        shutil.rmtree(aligned)
    make_faces(list_faceset(faces), aligned, count, side)
    size = sum(path.stat().st_size for path in aligned.iterdir()) / 2**20
    print(f"{count} faces of {side} pixels, {size:.0f} MiB, {worker_count()} processes", flush=True)
    plain = plain_seconds(list_faceset(aligned), count)
    for by in SORTINGS:
        (aligned / MEASURES).unlink(missing_ok=True)
        beside = f"   plain way: {plain[by]:.0f} s processor" if by in plain else ""
        target = ("--target", "2000") if by == "final" and count > 4000 else ()
        print(f"sort {by:16}{run(workspace, 'sort', 'src', '--by', by, *target)}{beside}", flush=True)
        if by == "final" and target:
            run(workspace, "restore", "src")
        print(f"     again{'':11}{run(workspace, 'sort', 'src', '--by', by, *target)}", flush=True)
        if by == "final" and target:
            run(workspace, "restore", "src")
    known = {row.name for row in STAGES}
    for name in ("inspect", "pack", "inspect", "unpack"):
        if name in known:
            print(f"{name:21}{run(workspace, name, 'src')}", flush=True)


if __name__ == "__main__":
    main()
