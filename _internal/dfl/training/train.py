"""Stage `train`: choose the model, check the facesets, train until stopped, keep everything that was reached."""

from typing import get_args

import numpy as np

from dfl.base.asking import ask_text
from dfl.base.report import Report
from dfl.models.engine import start_engine
from dfl.models.lock import hold_model
from dfl.models.saved_set import SavedSet, model_folder
from dfl.training.choose_model import choose_name, load_or_new
from dfl.training.options import TrainRunOptions
from dfl.training.training_faces import SideFaces, check_faces, faces_to_train_on
from dfl.training.window import open_window
from dfl.workspace import Workspace


def run(workspace: Workspace, options: TrainRunOptions, report: Report) -> None:
    """Train until the target, the time, or Ctrl-C; goes on exactly where it stopped."""
    classes = get_args(type(options).model_fields["model"].annotation)
    if options.ask and len(classes) > 1:
        options = options.model_copy(update={"model": ask_text("Model", options.model, choices=classes)})
    check_faces(workspace, options.model, options.pretraining_faces)
    name = choose_name(workspace.model, options)
    folder = model_folder(workspace.model, name, options.model)
    folder.mkdir(parents=True, exist_ok=True)
    with hold_model(folder), open_window(options.preview) as window:
        saved = load_or_new(folder, name, options, report)
        faces = faces_to_train_on(workspace, options.model, saved.options, options.pretraining_faces, report)
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


def _say_start(name: str, options: TrainRunOptions, saved: SavedSet, faces: SideFaces, report: Report) -> None:
    """What is trained on what: the run's first lines."""
    shown = ", ".join(f"{key} {value}" for key, value in saved.options.items())
    report.line(f"Model {name} ({options.model}), iteration {saved.iteration}: {shown}.")
    both = f"{len(faces['src'])} src, {len(faces['dst'])} dst"
    shown = f"{len(faces['src'])} to pretrain on" if saved.options.get("pretrain") else both
    report.line(f"Faces: {shown}. Ctrl-C saves and stops.")


def _fresh_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])
