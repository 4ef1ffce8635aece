"""Stage `train`: choose the model, check the facesets, train until stopped, keep everything that was reached."""

import numpy as np

from dfl.base.asking import ask_text
from dfl.base.report import Report
from dfl.faceset.faceset import FaceFile
from dfl.models.engine import start_engine
from dfl.models.lock import hold_model
from dfl.models.saved_set import SavedSet, model_folder
from dfl.samples.batches import load_training_faces
from dfl.training.choose_model import OPTION_CLASSES, choose_name, load_or_new
from dfl.training.options import TrainRunOptions
from dfl.training.window import open_window
from dfl.workspace import Side, Workspace

SIDES: tuple[Side, ...] = ("src", "dst")


def run(workspace: Workspace, options: TrainRunOptions, report: Report) -> None:
    """Train until the target, the time, or Ctrl-C; goes on exactly where it stopped."""
    if options.ask:
        options = options.model_copy(update={"model": ask_text("Model", options.model, choices=tuple(OPTION_CLASSES))})
    name = options.name or choose_name(workspace.model, options)
    folder = model_folder(workspace.model, name, options.model)
    faces = {side: load_training_faces(workspace.aligned(side), report) for side in SIDES}
    folder.mkdir(parents=True, exist_ok=True)
    with hold_model(folder), open_window(options.preview) as window:
        saved = load_or_new(folder, name, options, report)
        report.line(str(start_engine(options.engine)))
        from dfl.training.loop import TrainingLoop
        from dfl.training.setup import set_up
        from dfl.training.trainer import Trainer

        seed = int(saved.state.get("seed", options.seed if options.seed is not None else _fresh_seed()))
        _say_start(name, options, saved, faces, report)
        setup = set_up(saved, faces, seed, options.symmetric_warp)
        trainer = Trainer(folder, saved, setup.goal, setup.feeder, setup.optimizer, seed)
        try:
            TrainingLoop(trainer, options, saved.options, report, window).run()
        finally:
            trainer.close()


def _say_start(
    name: str, options: TrainRunOptions, saved: SavedSet, faces: dict[Side, list[FaceFile]], report: Report
) -> None:
    """What is trained on what: the run's first lines."""
    shown = ", ".join(f"{key} {value}" for key, value in saved.options.items())
    report.line(f"Model {name} ({options.model}), iteration {saved.iteration}: {shown}.")
    report.line(f"Faces: {len(faces['src'])} src, {len(faces['dst'])} dst. Ctrl-C saves and stops.")


def _fresh_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])
