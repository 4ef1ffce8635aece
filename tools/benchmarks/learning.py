"""How well a model learns two people, in float32 and bfloat16, at equal wall-clock time: a table, curves and previews.

    python -m tools.benchmarks.learning WORKSPACE OUTPUT [--minutes 10 30] [--resolution 96] [--precision float32 ...]
    python -m tools.benchmarks.learning WORKSPACE OUTPUT --iterations 10000 --dims 16 --resolution 64

WORKSPACE has both facesets. Every tenth stretch of 20 faces is held back. The precisions train side by side, each on a
core of its own (with fewer cores one after another). At each mark the held-back faces, unwarped, are reconstructed:
DSSIM inside the blurred mask, in the mean over the faces of each person. OUTPUT gets the losses (csv), the preview of
every mark, and the models. With --iterations the marks are iterations instead of minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STRETCH, EVERY = 20, 10
HELD_BACK = 40  # faces of each person that are measured


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 30])
    parser.add_argument("--iterations", type=int, nargs="+", default=[])
    parser.add_argument("--resolution", type=int, default=96)
    parser.add_argument("--dims", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--one", default="", help="used by the script itself")
    parser.add_argument("--core", type=int, default=-1, help="used by the script itself")
    return parser.parse_args()


def train(given: argparse.Namespace) -> None:
    """Train one precision in this process; a line of JSON at each mark."""
    if given.core >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {given.core})
    import numpy as np

    from dfl.base.pictures import write_picture
    from dfl.data.batches import load_training_faces
    from dfl.models.checkpoint import Checkpoint
    from dfl.models.engine import start_engine
    from dfl.models.options import SaehdOptions
    from dfl.workspace import Side, Workspace

    start_engine("tensorflow")
    from dfl.training.build_training import build_training
    from dfl.training.trainer import Trainer
    from dfl.training.training_config import swap_config

    workspace = Workspace(given.workspace)
    sides: tuple[Side, ...] = ("src", "dst")
    known = {side: load_training_faces(workspace.aligned(side)) for side in sides}
    held = {
        side: [face for place, face in enumerate(faces) if place // STRETCH % EVERY == EVERY - 1]
        for side, faces in known.items()
    }
    faces = {side: [face for face in own if face not in held[side]] for side, own in known.items()}
    options = SaehdOptions(
        resolution=given.resolution, archi="df-ud", face_type="f", batch_size=given.batch, precision=given.one,
        ae_dims=4 * given.dims, e_dims=given.dims, d_dims=given.dims, d_mask_dims=max(given.dims // 3 // 2 * 2, 4),
        learning_rate=given.learning_rate,
    )  # fmt: skip
    saved = Checkpoint("SAEHD", options.model_dump(), 0, {})
    setup = build_training(saved, faces, 1, True)
    folder = given.output / f"{given.one}_SAEHD"
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(folder, saved, setup.objective, setup.batch_source, setup.optimizer, 1)
    measure = held_back_error(swap_config(options, True), setup.objective.network, held)
    marks = list(given.iterations or given.minutes)
    trainer.iterate()  # compiling does not count
    start, spent = time.monotonic(), time.process_time()
    while marks:
        trainer.iterate()
        reached = trainer.iteration if given.iterations else (time.monotonic() - start) / 60
        if reached >= marks[0]:
            cpu = time.process_time() - spent
            begin = time.monotonic()
            errors = measure()
            for name, page in trainer.pages().items():
                write_picture(folder / f"{name}_{marks[0]:g}.png", page)
            np.savetxt(folder / "losses.csv", trainer.history(), "%.5f", ",")
            row = {"precision": given.one, "mark": marks.pop(0), "iterations": trainer.iteration} | errors
            row |= {"loss": [round(loss, 4) for loss in trainer.mean_losses(max(trainer.iteration - 200, 0))]}
            row |= {"cpu_seconds_a_step": round(cpu / trainer.iteration, 3)}
            row |= {"waited": round(trainer.waited_seconds / max(time.monotonic() - start, 1e-9), 4)}
            print(json.dumps(row), flush=True)
            start += time.monotonic() - begin
    trainer.save()
    trainer.close()


def held_back_error(config: Any, network: Any, held: Any) -> Callable[[], dict[str, float]]:
    """A function that gives the mean DSSIM of the held-back faces of each person."""
    from dataclasses import replace

    import numpy as np
    from keras import ops

    from dfl.data.augmentation.warp import AugmentRanges
    from dfl.data.batches import BatchMaker
    from dfl.models.compiled import compiled
    from dfl.training.losses.reconstruction import compare
    from dfl.training.losses.similarity import dssim

    batches = {}
    for side, settings in (("src", config.src_samples), ("dst", config.dst_samples)):
        still = replace(settings, warp=False, flip=False, ranges=AugmentRanges(rotation=0, scale=0, shift=0))
        maker = BatchMaker(held[side], still, min(HELD_BACK, len(held[side])), 1, workers=1)
        batches[side] = next(maker)
        maker.close()

    def errors(src, src_mask, dst, dst_mask):  # type: ignore[no-untyped-def]
        src_face, _, dst_face, _ = network.reconstruct(src, dst)
        size = config.losses.dssim_filters[0]
        pairs = [
            compare(target, mask, face, config.losses)
            for target, mask, face in ((src, src_mask, src_face), (dst, dst_mask, dst_face))
        ]
        return tuple(ops.mean(dssim(pair.target, pair.pred, size), axis=1) for pair in pairs)

    run = compiled(errors)

    def measure() -> dict[str, float]:
        count = min(len(batch.target) for batch in batches.values())
        found: dict[str, list[float]] = {"src_dssim": [], "dst_dssim": []}
        for start in range(0, count // 4 * 4, 4):
            part = slice(start, start + 4)
            arrays = [array[part] for side in ("src", "dst") for array in (batches[side].target, batches[side].mask)]
            for name, values in zip(found, run(*arrays), strict=True):
                found[name] += values.tolist()
        return {name: round(float(np.mean(values)), 5) for name, values in found.items()}

    return measure


def main() -> int:
    given = parsed()
    given.output.mkdir(parents=True, exist_ok=True)
    if given.one:
        train(given)
        return 0
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    side_by_side = len(cores) >= len(given.precision)
    running = []
    for number, precision in enumerate(given.precision):
        command = [sys.executable, __file__, *sys.argv[1:], "--one", precision]
        if side_by_side:
            command += ["--core", str(cores[number])]
        running.append(subprocess.Popen(command))
        if not side_by_side:
            running[-1].wait()
    return max(process.wait() for process in running)


if __name__ == "__main__":
    sys.exit(main())
