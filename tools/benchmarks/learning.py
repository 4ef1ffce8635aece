"""How well models learn two people in the same time: variants of training, seeds, and a table with the seeds' noise.

    python -m tools.benchmarks.learning WORKSPACE OUTPUT --steps 1200 --seeds 1 2 3 \\
        --variant "before warp_maps=original plan=none" --variant "centred plan=none" --variant "plan"

WORKSPACE has frames and faces of both sides (`dfl demo` makes one). A variant is a name and what differs from the
base: options of a SAEHD model, `plan` (as of `dfl train`), and `warp_ends`, `rate_falls` (shares of the plan),
`rounds` (plans one after another). The base is the preset `quick` for processors in bfloat16; a variant sees every
step that another one sees. With --cpu- minutes instead of --steps each variant gets as many steps as it does in that
CPU time, of one core. Each training has one core; --cores of them run at once.

Every 20th face of each side is held out, and the faces beside it in the clip are not trained on. OUTPUT gets the
models, rows.jsonl and a sheet of pictures for each model (rows: held-out src, its reconstruction; dst, swap); what is
there is not made again. The measures: tools/benchmarks/learning_measures.py.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

EVERY, FIRST = 20, 10  # held out: the 11th, 31st... face of a side
SIDES = ("src", "dst")
PACE_STEPS = 30
SHARES = {"warp_ends", "rate_falls"}  # constants of training/plan.py
# Shown as they are; all others, where less is better, as a change in percent.
PLAIN = ("iteration", "shift_x_src", "shift_y_src", "shift_x_dst", "shift_y_dst", "flicker")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--variant", action="append", default=[], help="NAME [KEY=VALUE ...]; the first is compared with"
    )
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--cpu-minutes", type=float, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--train", nargs=2, metavar=("VARIANT", "SEED"), help="used by the script itself")
    return parser.parse_args()


def given_of(words: list[str]) -> dict[str, Any]:
    """Values of `KEY=VALUE` words, as JSON where they are."""
    pairs = (word.partition("=")[::2] for word in words)
    return {
        key: json.loads(value) if value[:1] in "0123456789tf[" and value not in ("f",) else value
        for key, value in pairs
    }


def sides_of(workspace: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """All faces, and the held-out ones, of each side."""
    from dfl.data.batches import load_training_faces

    faces = {side: load_training_faces(workspace.aligned(side)) for side in SIDES}
    held_out = {side: [face for index, face in enumerate(own) if index % EVERY == FIRST] for side, own in faces.items()}
    return faces, held_out


def train(given: argparse.Namespace, variant: str, seed: int) -> None:
    """Train one model, with the product's code, on one core."""
    from dfl.models.checkpoint import Checkpoint
    from dfl.models.engine import start_engine
    from dfl.models.options import SaehdOptions
    from dfl.training.options import TrainRunOptions
    from dfl.training.presets import PROCESSOR, preset_options
    from dfl.workspace import Workspace

    start_engine("tensorflow")
    import cv2

    cv2.setNumThreads(1)
    from dfl.training import plan as plan_module
    from dfl.training.build_training import build_training
    from dfl.training.trainer import Trainer

    name, *words = variant.split()
    changes = given_of(words)
    for share in SHARES & changes.keys():
        setattr(plan_module, share.upper(), float(changes.pop(share)))
    rounds = int(changes.pop("rounds", 1))
    run = TrainRunOptions(plan=changes.pop("plan", "end"))
    known = preset_options("quick", "SAEHD", PROCESSOR) | {"precision": "bfloat16", "random_dst_flip": False} | changes
    options = {key: SaehdOptions.default_of(key, known) for key in SaehdOptions.model_fields} | known
    faces, _ = sides_of(Workspace(given.workspace))
    trained = {
        side: [face for index, face in enumerate(own) if abs(index % EVERY - FIRST) > 1] for side, own in faces.items()
    }

    def trainer_of(steps: int, before: Checkpoint | None = None) -> Trainer:
        saved = before or Checkpoint("SAEHD", {}, 0, {})
        saved = replace(saved, options=SaehdOptions(**options | {"target_iter": steps}).model_dump())
        plan = plan_module.plan_of(saved, run)
        parts = build_training(saved, trained, seed, plan)
        return Trainer(
            model_folder(given, name, seed),
            saved,
            parts.objective,
            parts.batch_source,
            parts.optimizer,
            seed,
            None,
            plan,
        )

    steps = given.steps
    if not steps:
        pace = trainer_of(2 * PACE_STEPS)
        for _ in range(PACE_STEPS):
            pace.iterate()
        begin = time.process_time()
        for _ in range(PACE_STEPS):
            pace.iterate()
        steps = round(given.cpu_minutes * 60 * PACE_STEPS / (time.process_time() - begin))
        pace.close()
    trainer = trainer_of(steps // rounds)
    trainer.iterate()  # what compiling takes does not count
    begin, wall = time.process_time(), time.monotonic()
    for number in range(1, rounds + 1):
        if number > 1:
            trainer.close()
            trainer = trainer_of(steps * number // rounds, trainer.as_checkpoint())
        while trainer.iteration < steps * number // rounds:
            trainer.iterate()
    row = {"cpu_seconds": time.process_time() - begin, "seconds": time.monotonic() - wall}
    trainer.save()
    trainer.close()
    (trainer.folder / "bench.json").write_text(json.dumps(row))


def model_folder(given: argparse.Namespace, name: str, seed: int) -> Path:
    amount = f"{given.steps}steps" if given.steps else f"{given.cpu_minutes:g}min"
    folder: Path = given.output / f"{name}-{amount}-{seed}_SAEHD"
    return folder


def train_all(given: argparse.Namespace) -> None:
    """Train what is missing; each in a process of its own, pinned to a core."""
    cores: SimpleQueue[int] = SimpleQueue()
    for core in range(given.cores):
        cores.put(core)

    def one(variant: str, seed: int) -> None:
        if (model_folder(given, variant.split()[0], seed) / "bench.json").is_file():
            return
        core = cores.get()
        threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
        command = [sys.executable, "-m", "tools.benchmarks.learning", *sys.argv[1:], "--train", variant, str(seed)]
        if sys.platform == "linux":
            command = ["taskset", "-c", str(core), *command]
        try:
            subprocess.run(command, check=True, env={**os.environ, **threads})
        finally:
            cores.put(core)
        print(f"trained {variant}, seed {seed}", flush=True)

    with ThreadPoolExecutor(given.cores) as pool:
        for done in [pool.submit(one, variant, seed) for seed in given.seeds for variant in given.variant]:
            done.result()


def measure_all(given: argparse.Namespace) -> None:
    """A row for each model in rows.jsonl, and its sheet."""
    from dfl.models.engine import start_engine
    from dfl.workspace import Workspace

    known = {(row["name"], row["seed"]) for row in rows(given)}
    missing = [(variant.split()[0], seed) for variant in given.variant for seed in given.seeds]
    missing = [one for one in missing if one not in known]
    if not missing:
        return
    start_engine("tensorflow")
    from tools.benchmarks.learning_measures import measure, read_footage

    workspace = Workspace(given.workspace)
    footage = read_footage(workspace, *sides_of(workspace))
    for name, seed in missing:
        folder = model_folder(given, name, seed)
        row = measure(folder, footage, folder.with_suffix(".jpg"))
        row = {"name": name, "seed": seed, "model": folder.name} | json.loads((folder / "bench.json").read_text()) | row
        with (given.output / "rows.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What was measured, of the models that are asked for."""
    file = given.output / "rows.jsonl"
    wanted = {model_folder(given, variant.split()[0], seed).name for variant in given.variant for seed in given.seeds}
    for line in file.read_text().splitlines() if file.is_file() else []:
        row = json.loads(line)
        if row["model"] in wanted:
            yield row


def table(given: argparse.Namespace) -> str:
    """Each variant's means over the seeds; below, the difference from the first one and the spread of both.

    The spread is the standard deviation between seeds, so that of one seed is not known.
    """
    import numpy as np

    by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows(given):
        by_name[row["name"]].append(row)
    names = [variant.split()[0] for variant in given.variant]
    first = by_name[names[0]]
    measures = [key for key in first[0] if key not in ("name", "seed", "model", "seconds")]
    lines = ["| measure | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for key in measures:
        start = float(np.mean([row[key] for row in first]))
        cells = []
        for name in names:
            values = np.array([row[key] for row in by_name[name]])
            spread = f" ±{values.std(ddof=1):.3g}" if len(values) > 1 else ""
            change = "" if name == names[0] or key in PLAIN else f" ({values.mean() / start - 1:+.0%})"
            cells.append(f"{values.mean():.4g}{spread}{change}")
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    given = parsed()
    given.output.mkdir(parents=True, exist_ok=True)
    if given.train:
        train(given, given.train[0], int(given.train[1]))
        return 0
    train_all(given)
    measure_all(given)
    print(table(given))
    return 0


if __name__ == "__main__":
    sys.exit(main())
