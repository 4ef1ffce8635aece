"""How much a merged face flickers, with and without smoothing over time.

    python -m tools.benchmarks.flicker WORKSPACE [--frames 1-150] [--still 40] [--settings '{"blur": 40}']

The workspace has frames and faces of data_dst and a trained model; nothing is written. Each frame is moved onto the
next by the optical flow of the untouched frames (DIS), and what is left inside the mask is flicker: the mean absolute
difference in grey levels, of merged frames (face), of their masks times 255 (mask), and of the untouched frames
(source). "Trembles": the difference from the mean of the frames before and after, both moved; movements of the face
that the flow does not see, and what the network makes of them, weigh less in it. With --still N the first frame is
shown N times, each time with other noise, and its faces are looked for anew: there nothing but noise moves, and the
differences are taken of pictures smoothed by 4 pixels.
"""

import argparse
import json
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dfl.base.pictures import Picture, read_picture, write_picture
from dfl.base.report import NullReport
from dfl.extraction.extract_faces import run as extract_faces
from dfl.extraction.options import ExtractFacesOptions
from dfl.merging.options import MergeOptions
from dfl.merging.planning.clip_faces import read_clip_frames
from dfl.merging.planning.clip_tracks import read_in_threads
from dfl.merging.planning.merge_plan import make_plan
from dfl.merging.planning.tasks import with_neighbours
from dfl.merging.running.open_models import GivenModels, SavedModels
from dfl.merging.running.pipeline import merge_frames
from dfl.workspace import Workspace

NONE: dict[str, Any] = {"steady_mask": 0, "steady_colours": 0, "steady_landmarks": False}
WAYS: tuple[dict[str, Any], ...] = (
    {},
    *({"steady_mask": reach} for reach in (2, 4)),
    {"steady_colours": 5},
    {"steady_landmarks": True},
    {"steady_mask": 2, "steady_landmarks": True},
    {"steady_mask": 2, "steady_colours": 5, "steady_landmarks": True},
)


def merged(
    workspace: Workspace, models: GivenModels, frames: str, settings: dict[str, Any]
) -> Iterator[tuple[Picture, Picture, Picture]]:
    """Every frame: untouched, merged, mask."""
    options = MergeOptions(frames=frames, contact_sheet=True, **settings)
    report = NullReport()
    read = read_in_threads(lambda frame: read_picture(frame.path), 2)
    plan = make_plan(workspace, options, models, read_clip_frames(workspace, report), read, report)
    tasks = with_neighbours(plan.tasks, {task.index for task in plan.tasks if task.index in plan.asked_for})
    for result in merge_frames(tasks, plan.processor(), 2):
        if result.error:
            raise result.error
        yield (result.output.frame, *result.output.as_bytes())


def flicker(frames: Iterator[tuple[Picture, Picture, Picture]], smooth: float) -> dict[str, float]:
    """Mean change, and mean tremble, of source, merged face and mask inside the mask, grey levels."""
    changes: dict[str, list[float]] = {}
    recent: deque[tuple[Picture, Picture, Picture]] = deque(maxlen=3)
    for frame in frames:
        recent.append(frame)
        if len(recent) < 3:
            continue
        before, now, after = recent
        ways = [moved(one, now, smooth) for one in (before, after)]
        inside = np.minimum(np.minimum(now[2], ways[0][2]), ways[1][2]) > 127
        seen = np.maximum(np.maximum(now[2], ways[0][2]), ways[1][2]) > 0
        if not inside.any():
            continue
        for name, index, where in (("source", 0, inside), ("face", 1, inside), ("mask", 2, seen)):
            here, then, next_one = (
                cv2.GaussianBlur(one[index], (0, 0), smooth) if smooth else one[index]
                for one in ([part.astype(np.float32) for part in now], *ways)
            )
            changes.setdefault(name, []).append(float(np.abs(here - then)[where].mean()))
            changes.setdefault(f"{name} trembles", []).append(float(np.abs(here - (then + next_one) / 2)[where].mean()))
    return {name: float(np.mean(values)) for name, values in changes.items()}


def moved(
    frame: tuple[Picture, Picture, Picture], onto: tuple[Picture, Picture, Picture], still: float
) -> list[np.ndarray]:
    """A frame, its merged one and its mask, moved onto another as the untouched frames move; float32."""
    if still:
        return [part.astype(np.float32) for part in frame]
    here, there = (cv2.cvtColor(one[0], cv2.COLOR_BGR2GRAY) for one in (onto, frame))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(here, there, None)  # type: ignore[call-overload]
    height, width = here.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    to_x, to_y = x + flow[:, :, 0], y + flow[:, :, 1]
    return [cv2.remap(part.astype(np.float32), to_x, to_y, cv2.INTER_CUBIC) for part in frame]


def still_clip(workspace: Workspace, folder: Path, count: int) -> Workspace:
    """A workspace whose clip is the first frame again and again, with noise; faces found anew, with their tremble."""
    still = Workspace(folder)
    still.create()
    first = read_picture(sorted(workspace.frames("dst").glob("*.png"))[0])
    random = np.random.default_rng(0)
    for number in range(1, count + 1):
        noisy = first + random.normal(0, 3, first.shape)
        write_picture(still.frames("dst") / f"{number:05d}.png", np.clip(noisy + 0.5, 0, 255).astype(np.uint8))
    extract_faces(still, ExtractFacesOptions(side="dst", smooth=False, look_every=1), NullReport())
    return still


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--frames", default="")
    parser.add_argument("--still", type=int, default=0)
    parser.add_argument("--settings", type=json.loads, default={"erode": 5, "blur": 40})
    arguments = parser.parse_args()
    workspace = Workspace(arguments.workspace.absolute())
    models = GivenModels(SavedModels(workspace, MergeOptions(), NullReport()).swap(None, 1.0))
    folder = Path(tempfile.mkdtemp())
    try:
        clip = still_clip(workspace, folder, arguments.still) if arguments.still else workspace
        print("| settings | source | face | mask | source trembles | face | mask |\n|---|---|---|---|---|---|---|")
        for way in WAYS:
            frames = merged(clip, models, arguments.frames, arguments.settings | NONE | way)
            found = flicker(frames, 4.0 if arguments.still else 0.0)
            name = ", ".join(f"{key} {value}" for key, value in way.items()) or "no smoothing"
            order = [f"{part}{what}" for what in ("", " trembles") for part in ("source", "face", "mask")]
            print(f"| {name} | {' | '.join(f'{found[key]:.3f}' for key in order)} |", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
