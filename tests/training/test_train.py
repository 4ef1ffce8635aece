"""Training as a user runs it: starts, stops, goes on exactly, refuses what cannot work."""

import os
import subprocess
import sys

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture
from dfl.models.checkpoint import model_folder, read_checkpoint
from dfl.models.engine import start_engine
from dfl.training.monitoring.console_line import iteration_line
from dfl.training.options import TrainOptions
from dfl.training.train import run
from tests.recording_report import RecordingReport
from tests.training.drawn_faces import make_faceset

start_engine("tensorflow")

from dfl.models.options import QUICK96  # noqa: E402

SMALL = {
    "resolution": 32,
    "archi": "df-u",
    "ae_dims": 16,
    "e_dims": 8,
    "d_dims": 8,
    "d_mask_dims": 4,
    "batch_size": 2,
    "engine": "tensorflow",
    "seed": 7,
}


@pytest.fixture
def faces(workspace):
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    make_faceset(workspace.aligned("dst"), (200, 180, 120))
    return workspace


def train(workspace, **options):
    heard = RecordingReport()
    run(workspace, TrainOptions(**(SMALL | options)), heard)
    return heard.lines


@pytest.mark.slow
@pytest.mark.parametrize("retrains", [False, True])
def test_a_stopped_training_goes_on_bit_for_bit(faces, retrains):
    for name, target in (("whole", 6), ("halves", 3), ("halves", 6)):
        train(faces, name=name, target_iter=target, plan="none", retrain_high_loss=retrains)
    whole, halves = (read_checkpoint(model_folder(faces.model, name, "SAEHD")) for name in ("whole", "halves"))
    assert whole.iteration == halves.iteration == 6
    for name, array in whole.weights.items():
        assert np.array_equal(array, halves.weights[name]), name
    for name, array in whole.optimizer.items():
        assert np.array_equal(array, halves.optimizer[name], equal_nan=True), name
    assert np.array_equal(whole.history, halves.history)


@pytest.mark.slow
def test_quick96_goes_on_bit_for_bit_where_it_takes_a_batch_again(faces, eager, monkeypatch):
    for width in ("ae_dims", "e_dims", "d_dims", "d_mask_dims"):  # its own 50 million weights add nothing here
        monkeypatch.setitem(QUICK96, width, 8)
    quick = {"model": "Quick96", "batch_size": 1, "engine": "tensorflow", "seed": 7}
    run(faces, TrainOptions(name="whole", target_iter=4, **quick), RecordingReport())
    run(faces, TrainOptions(name="halves", target_iter=3, **quick), RecordingReport())
    run(faces, TrainOptions(name="halves", target_iter=4, **quick), RecordingReport())
    whole, halves = (read_checkpoint(model_folder(faces.model, name, "Quick96")) for name in ("whole", "halves"))
    assert np.array_equal(whole.history, halves.history)
    assert all(np.array_equal(whole.weights[name], halves.weights[name]) for name in whole.weights)


@pytest.mark.slow
def test_training_learns_and_shows_it(faces):
    lines = train(faces, target_iter=60, batch_size=4)
    folder = model_folder(faces.model, "new", "SAEHD")
    history = read_checkpoint(folder).history
    assert history.shape == (60, 2)
    assert history[-10:].mean() < 0.6 * history[:10].mean()
    for name in ("preview", "preview_masked"):
        assert read_picture(folder / f"{name}.png").shape == (100 + 4 * 32, 5 * 32, 3)
    assert any("iteration 0" in line for line in lines)
    assert lines[-1].startswith("Target reached: iteration 60, 60 in this run")


@pytest.mark.slow
def test_options_that_may_change_do_and_fixed_ones_do_not(faces, eager):
    train(faces, target_iter=1)
    lines = train(faces, target_iter=2, batch_size=3)
    assert "batch_size: 2 -> 3" in lines
    assert read_checkpoint(model_folder(faces.model, "new", "SAEHD")).options["batch_size"] == 3
    with pytest.raises(UserError, match="made with resolution 32; it cannot become 64"):
        train(faces, resolution=64)
    with pytest.raises(UserError, match="Quick96 has no option ae_dims"):
        run(faces, TrainOptions(model="Quick96", ae_dims=8), RecordingReport())


def test_impossible_options_give_the_reason(faces):
    with pytest.raises(UserError, match="multiple of 32"):
        train(faces, name="odd", resolution=80, archi="df-ud")


def left(workspace):
    """All files of a workspace but its logs, where it is noted what runs."""
    return sorted(path for path in workspace.root.rglob("*") if workspace.logs not in (path, *path.parents))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"resolution": 80, "archi": "df-ud"},
        {"start_from": "nobody"},
        {"model": "XSeg", **dict.fromkeys(SMALL, None), "engine": "tensorflow"},  # nothing is labelled
        {"pretrain": True},  # there are no faces to pretrain on
        {"batch_size": 512, "resolution": 2048, "archi": "liae-ud", "ae_dims": 4096},  # no memory holds that
    ],
    ids=["resolution", "start from", "no labels", "no pretraining faces", "memory"],
)
def test_a_refused_start_leaves_nothing(faces, options):
    before = left(faces)
    with pytest.raises(UserError):
        train(faces, **options)
    assert left(faces) == before


@pytest.mark.slow
def test_a_start_that_fails_before_its_first_save_leaves_nothing(faces, eager, monkeypatch):
    faces.model.rmdir()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(UserError, match="Saving the model"):
        train(faces)
    assert not faces.model.exists()


@pytest.mark.slow
def test_the_same_command_goes_on(faces, eager):
    train(faces, target_iter=1, preset="quick")
    lines = train(faces, target_iter=2, preset="quick")
    assert lines[0] == "--preset quick applies to new models only: new continues from iteration 1 as it is."
    assert read_checkpoint(model_folder(faces.model, "new", "SAEHD")).iteration == 2


def test_no_faces_says_which_stage_to_run(workspace):
    with pytest.raises(UserError, match="data_src"):
        train(workspace)


def test_a_second_trainer_is_refused(faces):
    from filelock import FileLock

    folder = model_folder(faces.model, "new", "SAEHD")
    folder.mkdir(parents=True)
    with FileLock(folder / "training.lock"), pytest.raises(UserError, match="trained by another program"):
        train(faces)


@pytest.mark.slow
def test_an_unreadable_face_is_named_and_left_out(faces, eager):
    victim = faces.aligned("src") / "00002_0.jpg"
    content = victim.read_bytes()
    victim.write_bytes(content[: len(content) - 900])
    lines = train(faces, target_iter=4)
    assert lines[-1].startswith("Target reached")


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_and_keeps_the_last_set(faces, eager):
    train(faces, target_iter=2)
    folder = model_folder(faces.model, "new", "SAEHD")
    saved = read_checkpoint(folder)
    from dataclasses import replace

    from dfl.models.checkpoint import write_checkpoint

    broken = {name: np.full_like(array, np.nan) for name, array in saved.weights.items()}
    write_checkpoint(folder, replace(saved, weights=broken))
    with pytest.raises(UserError, match="Training broke down"):
        train(faces, target_iter=5)
    assert read_checkpoint(folder).iteration == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process instead of sending it a signal")
def test_ctrl_c_saves_and_stops(faces):
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    command = [sys.executable, "-m", "dfl", "train", *flags, "--workspace", str(faces.root), "--progress", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "[#00" in line:
                break
        process.send_signal(2)
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    assert "Stopped: iteration" in rest
    saved = read_checkpoint(model_folder(faces.model, "new", "SAEHD"))
    assert saved.iteration >= 1
    assert len(saved.history) == saved.iteration


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
def test_a_closed_terminal_saves_as_ctrl_c_does(faces):
    import fcntl
    import pty
    import termios

    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    command = [sys.executable, "-m", "dfl", "train", *flags, "--workspace", str(faces.root), "--preview", "none"]
    terminal, theirs = pty.openpty()
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:  # fmt: skip
        os.close(theirs)
        heard = b""
        while b"[#000002]" not in heard:
            heard += os.read(terminal, 1000)
        os.close(terminal)  # the system sends SIGHUP, and nothing can be written any more
    assert process.returncode in (0, 2)
    saved = read_checkpoint(model_folder(faces.model, "new", "SAEHD"))
    assert len(saved.history) == saved.iteration >= 2


@pytest.mark.slow
def test_the_batch_files_questions_make_a_model(faces):
    """Answers as typed after a double-click; Enter takes the default."""
    answers = ["SAEHD", "tiny", "0", "n", "1", "n", "y", "2", "64", "wf", "df-d", "16", "8", "8", "", "y", *[""] * 18]
    command = [sys.executable, "-m", "dfl", "step", "3_train", "--ask", "--workspace", str(faces.root)]
    run_ = subprocess.run(command, input="\n".join(answers), capture_output=True, text=True, check=False)
    assert run_.returncode == 0, run_.stderr
    assert "[128] Resolution ( 32..2048 ?:help ) :" in run_.stdout
    options = read_checkpoint(model_folder(faces.model, "tiny", "SAEHD")).options
    assert (options["resolution"], options["face_type"], options["archi"], options["d_dims"]) == (64, "wf", "df-d", 8)
    assert options["d_mask_dims"] == 16, "a third of the decoder, at least 16"


def test_the_originals_line():
    assert iteration_line(1234, 0.123, 0.1234, 0.2345)[10:] == "[#001234][0123ms][0.1234][0.2345]"
    assert "[12.34s]" in iteration_line(1, 12.3456, 1, 1)


@pytest.mark.slow
def test_a_model_that_draws_one_picture_for_all_faces_goes_back_to_its_last_set(faces, eager, monkeypatch):
    from dfl.data.batches import load_training_faces
    from dfl.training import trainer as module
    from dfl.training.build_training import build_training

    monkeypatch.setattr(module, "_MIN_COLLAPSE_ITERATION", 1)
    train(faces, name="blind", target_iter=2)
    folder = model_folder(faces.model, "blind", "SAEHD")
    saved = read_checkpoint(folder)
    setup = build_training(saved, {side: load_training_faces(faces.aligned(side)) for side in ("src", "dst")}, 7)
    looks = iter([False, True, False])  # a model of a few steps tells no faces apart yet
    monkeypatch.setattr(setup.objective, "is_collapsed", lambda batch: next(looks))
    trainer = module.Trainer(folder, saved, setup.objective, setup.batch_source, setup.optimizer, 7)
    try:
        trainer.iterate()
        trainer.save()
        assert read_checkpoint(folder).iteration == 3
        trainer.iterate()
        before = np.array(setup.objective.network.weights()["encoder/down1/downs_0/conv1/weight"].numpy())
        trainer.save()
        assert "same picture for every face" in " ".join(trainer.messages)
        assert trainer.iteration == read_checkpoint(folder).iteration == 3
        assert len(trainer.history()) == 3
        assert not np.array_equal(setup.objective.network.weights()["encoder/down1/downs_0/conv1/weight"], before)
        trainer.iterate()
        trainer.save()
        assert read_checkpoint(folder).iteration == 4
    finally:
        trainer.close()


def test_predictions_that_do_not_change_with_the_faces_are_noticed():
    from dfl.training.objectives.objective import is_collapsed

    random = np.random.default_rng(0)
    shown = random.random((3, 8, 8, 3), np.float32)
    assert is_collapsed(shown, np.broadcast_to(shown[:1], shown.shape))
    assert not is_collapsed(shown, shown * 0.5)
    assert not is_collapsed(shown[:1], shown[:1])
