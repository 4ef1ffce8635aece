"""What a run of training tells, keeps and obeys, on a model of one number."""

import errno
import io
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture
from dfl.models.backups import list_backups
from dfl.models.checkpoint import MANIFEST, Checkpoint, finished_checkpoints, read_checkpoint, write_checkpoint
from dfl.models.engine import start_engine
from dfl.training.options import TrainOptions
from dfl.training.preview.viewer import View
from tests.recording_report import RecordingReport
from tests.training.tiny_training import STORED, TinyBatchSource, TinyObjective, tiny_trainer

start_engine("tensorflow")

import keras  # noqa: E402
from keras import ops  # noqa: E402

from dfl.training import loop  # noqa: E402
from dfl.training.loop import TrainingLoop  # noqa: E402
from dfl.training.objectives.objective import DiscriminatorTask  # noqa: E402
from dfl.training.trainer import Trainer  # noqa: E402


class TypedAtIteration:
    """In the window's place: keys by the call at which they are pressed, and what was shown."""

    is_ready, is_gone, reason = True, False, ""

    def __init__(self, keys: dict[int, list[str]]) -> None:
        self.keys, self.calls = keys, 0
        self.shown: list[View] = []

    def commands(self, wait_seconds: float = 0.0) -> list[str]:
        self.calls += 1
        return self.keys.get(self.calls, [])

    def show(self, view: View) -> None:
        self.shown.append(view)


def new_set() -> Checkpoint:
    return Checkpoint("SAEHD", {"batch_size": 2}, 0, {})


def go(
    folder: Path, window=None, validate=None, stored=(), saved=None, values=lambda iteration: 0.0, **options
) -> RecordingReport:
    heard = RecordingReport()
    trainer = tiny_trainer(folder, saved or new_set(), values)
    loop = TrainingLoop(trainer, TrainOptions(**options), STORED | dict(stored), heard, window, validate)
    loop.run()
    return heard


def numbers(folder: Path) -> list[list[str]]:
    return [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]


def test_history_csv_has_a_line_for_every_iteration(tmp_path):
    go(tmp_path, stored={"target_iter": 5})
    go(tmp_path, stored={"target_iter": 7}, saved=read_checkpoint(tmp_path))
    lines = numbers(tmp_path)
    terms = ["src/mse", "dst/mse", "dst/mask"]
    assert lines[0] == ["iteration", "seconds", "src", "dst", "held_out_src", "held_out_dst", *terms]
    for line in lines[1:]:
        numbers_of = dict(zip(lines[0], line, strict=True))
        assert float(numbers_of["src/mse"]) == float(numbers_of["src"])
        of_dst = float(numbers_of["dst/mse"]) + float(numbers_of["dst/mask"])
        assert of_dst == pytest.approx(float(numbers_of["dst"]), rel=1e-5)
    assert [int(line[0]) for line in lines[1:]] == [1, 2, 3, 4, 5, 6, 7]
    history = read_checkpoint(tmp_path).history
    assert np.allclose([[float(line[2]), float(line[3])] for line in lines[1:]], history, rtol=1e-5)


def test_losses_of_held_out_faces_stand_beside_at_saves(tmp_path):
    heard = go(tmp_path, validate=lambda: (0.25, 0.125), stored={"target_iter": 3})
    lines = numbers(tmp_path)
    assert [line[4:6] for line in lines[1:]] == [["0.25", "0.125"], ["", ""], ["0.25", "0.125"]]
    assert sum("saved held out 0.2500 0.1250" in line for line in heard.lines) == 2


def test_saves_come_after_a_minute_and_then_every_five(tmp_path, monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now, perf_counter=time.perf_counter)
    monkeypatch.setattr(loop, "time", clock)

    def twenty_seconds_later(iteration: int) -> float:
        clock.now += 20
        return 0.0

    heard = go(tmp_path, stored={"target_iter": 40}, values=twenty_seconds_later)
    saved = [line for line in heard.lines if "saved" in line]
    assert [int(line.partition("#")[2][:6]) for line in saved] == [1, 3, 18, 33, 40]


def test_the_line_of_a_step_tells_speed_target_save_and_waiting(tmp_path):
    heard = go(tmp_path, stored={"target_iter": 3})
    assert heard.states[1].split("] ")[-1].startswith(tuple("0123456789"))
    assert "to #3, saved 0 s ago, 0% waiting" in heard.states[1]
    assert "[#000002]" in heard.states[1]


def test_keys_save_back_up_show_other_faces_and_end(tmp_path):
    window = TypedAtIteration({3: ["save"], 5: ["backup"], 7: ["update"], 9: ["exit"]})
    heard = go(tmp_path, window)
    assert read_checkpoint(tmp_path).iteration == 9
    saved = [line for line in heard.lines if "saved" in line]
    assert [line[10:19] for line in saved] == [f"[#00000{number}]" for number in (1, 3, 5, 9)]
    assert [(backup.number, backup.iteration) for backup in list_backups(tmp_path)] == [(1, 5)]
    faces = [int(view.pages["preview"][0, 0, 0]) for view in window.shown]
    assert faces == [100, 100, 100, 100, 101, 101]
    assert read_picture(tmp_path / "preview.png")[-1, 0, 0] == 100, "pictures on disk always show the same faces"
    assert heard.lines[-1].startswith("Stopped: iteration 9, 9 in this run")


def test_the_window_stays_at_the_target_after_a_double_click(tmp_path):
    window = TypedAtIteration({4: ["update"], 6: ["exit"]})
    heard = go(tmp_path, window, stored={"target_iter": 2}, ask=True)
    assert window.calls == 6
    assert int(window.shown[-1].pages["preview"][0, 0, 0]) == 101
    assert heard.lines[-1].startswith("Target reached: iteration 2")


def test_a_closed_window_is_told_once_and_training_goes_on(tmp_path):
    window = TypedAtIteration({})
    window.is_gone = True
    heard = go(tmp_path, window, stored={"target_iter": 3})
    assert [line for line in heard.lines if "preview window" in line] == [
        f"The preview window was closed; previews are pictures in {tmp_path}."
    ]
    assert read_checkpoint(tmp_path).iteration == 3


def test_a_backup_that_fails_never_ends_training(tmp_path):
    (tmp_path / "backups").write_text("in the way")
    heard = go(tmp_path, TypedAtIteration({2: ["backup"]}), stored={"target_iter": 4})
    assert any(line.startswith("! No backup was made") for line in heard.lines)
    assert read_checkpoint(tmp_path).iteration == 4


def test_preview_history_every_ten_iterations(tmp_path):
    go(tmp_path, stored={"target_iter": 25, "write_preview_history": True})
    names = sorted(path.name for path in (tmp_path / "history" / "preview").iterdir())
    assert names == ["0000001.jpg", "0000010.jpg", "0000020.jpg", "_last.jpg"]
    assert (tmp_path / "history" / "preview_masked").is_dir()


def test_it_stops_where_the_loss_stays(tmp_path):
    heard = go(tmp_path, values=lambda iteration: 8.0 if iteration % 2 else -6.0, stop_at_plateau=40)
    assert "better for 40 iterations: iteration" in heard.lines[-1]
    assert 40 <= read_checkpoint(tmp_path).iteration < 400


def test_batches_without_a_number_are_left_out_and_told(tmp_path):
    heard = go(tmp_path, stored={"target_iter": 6}, values=lambda iteration: np.nan if iteration == 3 else 0.0)
    assert sum("had no finite loss; its batch was left out" in line for line in heard.lines) == 1
    saved = read_checkpoint(tmp_path)
    assert saved.iteration == 6
    assert np.isfinite(saved.weights["encoder/number"]).all()
    assert np.isnan(saved.history).any(axis=1).tolist() == [False, False, False, True, False, False]


def test_an_exploding_loss_goes_back_to_the_last_set(tmp_path):
    """From iteration 60 on the batches are wild, until the model has gone back once."""
    asked = []

    def values(iteration):
        asked.append(iteration)
        return 1e6 if 60 <= iteration < 65 and asked.count(60) == 1 else 0.1 * (iteration % 3)

    heard = go(tmp_path, TypedAtIteration({50: ["save"]}), stored={"target_iter": 70}, values=values)
    assert any("the loss has exploded: the model went back to iteration 50" in line for line in heard.lines)
    saved = read_checkpoint(tmp_path)
    assert saved.iteration == 70
    assert saved.history.max() < 10
    assert [int(line[0]) for line in numbers(tmp_path)[1:]] == list(range(1, 71))


def test_a_training_that_stays_broken_ends_with_the_good_set(tmp_path):
    with pytest.raises(UserError, match="Training broke down"):
        go(tmp_path, values=lambda iteration: np.nan if iteration > 4 else 0.0)
    assert read_checkpoint(tmp_path).iteration == 1


def test_a_disk_that_is_full_for_a_while_does_not_end_training(tmp_path, monkeypatch):
    """Full when the key s is pressed first, free again at the second press."""
    answers = iter([2**40, 0, 2**40, 2**40])
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": next(answers)})())
    heard = go(tmp_path, TypedAtIteration({3: ["save"], 5: ["save"]}), stored={"target_iter": 7})
    assert sum(line.startswith("! Not saved: Saving the model needs") for line in heard.lines) == 1
    assert [line[10:19] for line in heard.lines if line.endswith(" saved")] == ["[#000001]", "[#000005]", "[#000007]"]
    assert [int(line[0]) for line in numbers(tmp_path)[1:]] == [1, 2, 3, 4, 5, 6, 7]


def test_a_save_that_fails_at_the_end_is_an_error(tmp_path, monkeypatch):
    answers = iter([2**40, 0])
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": next(answers)})())
    with pytest.raises(UserError, match="Saving the model needs"):
        go(tmp_path, stored={"target_iter": 3})
    assert read_checkpoint(tmp_path).iteration == 1


def test_a_request_to_stop_in_the_middle_of_the_answer_to_another_is_not_answered_twice(monkeypatch):
    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            written = super().write(text)
            if self.getvalue().count("Finishing") == 1 and text.strip():
                signal.raise_signal(signal.SIGINT)
            return written

    screen = Interrupted()
    monkeypatch.setattr(sys, "stdout", screen)
    with loop._stop_request() as requests:
        signal.raise_signal(signal.SIGINT)
    assert len(requests) >= 2
    assert screen.getvalue().count("Finishing this iteration") == 1


class SteepObjective(TinyObjective):
    """Its gradient is no number where the batch is 0, its loss is."""

    def losses(self, batch: dict[str, Any]) -> dict[str, Any]:
        number = self.network.number.value
        return {"src/mse": ops.square(batch["src"] - number), "dst/root": ops.sqrt(ops.square(number) * batch["src"])}


class GanObjective(TinyObjective):
    """Its judge's loss is no number, or huge, from an iteration on, and so is what the model learns from it."""

    def __init__(self, broken: float) -> None:
        super().__init__()
        self.judge = keras.Variable(np.array([1.0], np.float32))
        self.discriminators = (DiscriminatorTask("GAN", {"GAN/weight": self.judge}, self.judged),)
        self._broken = broken

    def judged(self, batch: dict[str, Any]) -> dict[str, Any]:
        loss = ops.square(self.judge.value) + ops.where(batch["src"] > 50, self._broken, 0.0)
        return {"gan/discriminator": loss}

    def losses(self, batch: dict[str, Any]) -> dict[str, Any]:
        usual = super().losses({"src": ops.minimum(batch["src"], 1.0)})
        hidden = 0.1 * ops.where(batch["src"] > 50, self._broken, 0.5) * self.network.number.value
        return usual | {"gan/generator": hidden}


def train(folder: Path, objective: TinyObjective, values, target: int, window=None, **options) -> RecordingReport:
    heard, saved = RecordingReport(), read_checkpoint(folder) if finished_checkpoints(folder) else new_set()
    trainer = Trainer(
        folder, saved, objective, TinyBatchSource(values), {"is_adabelief": False, "learning_rate": 1e-3}, seed=1
    )
    stored = STORED | {"target_iter": target}
    TrainingLoop(trainer, TrainOptions(**options), stored, heard, window).run()
    return heard


def test_a_gradient_that_is_no_number_is_left_out_counted_and_told(tmp_path):
    heard = train(tmp_path, SteepObjective(), lambda iteration: 0.0 if iteration in (3, 5) else 1.0, 8)
    assert sum("had no finite gradient; its batch was left out" in line for line in heard.lines) == 2
    assert any(line.startswith("! 2 batches were left out") for line in heard.lines)
    saved = read_checkpoint(tmp_path)
    assert (saved.iteration, saved.optimizer["steps"]) == (8, 6)
    assert np.isfinite(saved.weights["encoder/number"]).all()


def test_gradients_that_stay_no_numbers_end_with_the_good_set(tmp_path):
    with pytest.raises(UserError, match=r"Training broke down at iteration .*: a gradient is no number"):
        train(tmp_path, SteepObjective(), lambda iteration: 0.0 if iteration > 4 else 1.0, 0)
    assert read_checkpoint(tmp_path).iteration == 1


def test_a_thousand_batches_that_are_left_out_do_not_fill_the_screen(tmp_path):
    heard = train(tmp_path, SteepObjective(), lambda iteration: float(iteration % 2), 400)
    assert sum("no finite gradient" in line for line in heard.lines) == 12
    assert any(line.startswith("! 200 batches were left out") for line in heard.lines)


@pytest.mark.slow
@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e9])
def test_a_judge_that_breaks_down_goes_back_to_the_last_set(tmp_path, broken):
    asked = []

    def values(iteration):
        asked.append(iteration)
        return 100.0 if iteration >= 60 and asked.count(60) == 1 else 0.1 * (iteration % 3)

    window = TypedAtIteration({55: ["save"]})
    heard = train(tmp_path, GanObjective(broken), values, 80, window)
    assert any("the model went back to iteration 55" in line for line in heard.lines)
    saved = read_checkpoint(tmp_path)
    assert saved.iteration == 80
    assert all(np.isfinite(array).all() for array in saved.weights.values())
    assert (saved.weights["GAN/weight"] < 1).all()


def test_weights_that_are_no_numbers_are_never_saved_over_a_good_set(tmp_path):
    objective = SteepObjective()

    class Breaks(TypedAtIteration):
        def commands(self, wait_seconds: float = 0.0) -> list[str]:
            if self.calls == 5:
                objective.network.number.assign(np.array([np.nan], np.float32))
            return super().commands()

    heard = train(tmp_path, objective, lambda iteration: 1.0, 9, Breaks({4: ["save"], 6: ["save"]}))
    assert any("the weights are not finite: the model went back to iteration 4" in line for line in heard.lines)
    saved = read_checkpoint(tmp_path)
    assert saved.iteration == 9
    assert np.isfinite(saved.weights["encoder/number"]).all()


def test_a_set_of_weights_that_are_no_numbers_is_named_with_the_way_out(tmp_path):
    """Programs before this one saved such sets."""
    go(tmp_path, stored={"target_iter": 3})
    good = read_checkpoint(tmp_path)
    broken = replace(good, iteration=9, weights={"encoder/number": np.array([np.inf], np.float32)})
    path = write_checkpoint(tmp_path, broken)
    with pytest.raises(UserError, match=r"encoder/number of .*set-000003 holds numbers that are not finite") as caught:
        go(tmp_path, saved=read_checkpoint(tmp_path))
    assert "Move that folder away" in caught.value.todo
    path.rename(tmp_path / "away")
    go(tmp_path, saved=read_checkpoint(tmp_path), stored={"target_iter": 5})
    assert read_checkpoint(tmp_path).iteration == 5


def test_an_optimizer_or_a_judge_that_is_no_number_in_an_old_set_begins_anew(tmp_path):
    train(tmp_path, GanObjective(0.0), lambda iteration: 1.0, 3)
    good = read_checkpoint(tmp_path)
    broken = {"GAN/weight": np.array([np.nan], np.float32)}
    trainer = tiny_trainer(tmp_path, good)
    trainer._load(Checkpoint("SAEHD", {}, 3, good.weights, {"a/encoder/number": np.array([np.inf], np.float32)}))
    assert trainer.messages == ["The optimizer's state holds numbers that are not finite: it is reinitialised."]
    objective = GanObjective(0.0)
    saved = Checkpoint("SAEHD", {}, 3, {**good.weights, **broken}, good.optimizer)
    judged = Trainer(
        tmp_path, saved, objective, TinyBatchSource(), {"is_adabelief": False, "learning_rate": 1e-3}, seed=1
    )
    assert judged.messages == ["The network GAN holds numbers that are not finite: it is reinitialised."]
    assert np.isfinite(objective.judge.numpy()).all()


def test_gan_that_is_off_for_some_saves_goes_on_where_it_stopped(tmp_path):
    train(tmp_path, GanObjective(0.0), lambda iteration: 1.0, 30)
    before = read_checkpoint(tmp_path)
    for target in (35, 40, 45):
        train(tmp_path, TinyObjective(), lambda iteration: 1.0, target)
    off = read_checkpoint(tmp_path)
    assert off.iteration == 45
    objective = GanObjective(0.0)
    heard = train(tmp_path, objective, lambda iteration: 1.0, 45)
    assert not any("anew" in line for line in heard.lines)
    assert np.array_equal(objective.judge.numpy(), before.weights["GAN/weight"])
    for name in ("GAN_opt/a/GAN/weight", "GAN_opt/steps", "GAN_opt/random"):
        assert np.array_equal(off.optimizer[name], before.optimizer[name]), name


class Fails(TypedAtIteration):
    """Raises at an iteration, as what nobody thought of."""

    def __init__(self, error: BaseException) -> None:
        super().__init__({})
        self.error = error

    def commands(self, wait_seconds: float = 0.0) -> list[str]:
        if self.calls == 6:
            raise self.error
        return super().commands()


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a bug"), OSError(errno.EIO, "x"), MemoryError(), KeyboardInterrupt(), SystemExit(1)],
    ids=repr,
)
def test_whatever_ends_training_what_was_reached_is_saved(tmp_path, error):
    with pytest.raises(type(error)):
        go(tmp_path, Fails(error))
    assert read_checkpoint(tmp_path).iteration == 7


def test_the_first_error_is_told_where_not_even_the_last_save_goes_well(tmp_path, monkeypatch):
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full(Fails):
        def commands(self, wait_seconds: float = 0.0) -> list[str]:
            if self.calls == 6:
                monkeypatch.setattr("dfl.models.checkpoint.write_json", refuse)
            return super().commands()

    with pytest.raises(RuntimeError, match="a bug"):
        go(tmp_path, Full(RuntimeError("a bug")))
    assert read_checkpoint(tmp_path).iteration == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EACCES", "EIO", "EBUSY"])
def test_whatever_the_system_says_to_a_save_training_goes_on_and_tries_again(tmp_path, monkeypatch, number):
    code = getattr(errno, number, errno.EIO)
    calls, make = [], Path.mkdir

    def sometimes(path: Path, *how: Any, **hows: Any) -> None:
        if path.name.startswith("set-") and not hows:
            calls.append(path)
            if len(calls) == 2:
                raise OSError(code, os.strerror(code), str(path))
        make(path, *how, **hows)

    monkeypatch.setattr(Path, "mkdir", sometimes)
    heard = go(tmp_path, TypedAtIteration({3: ["save"], 5: ["save"]}), stored={"target_iter": 7})
    assert sum(line.startswith("! Not saved: ") for line in heard.lines) == 1
    assert [line[10:19] for line in heard.lines if line.endswith(" saved")] == ["[#000001]", "[#000005]", "[#000007]"]


def test_an_old_set_that_a_scanner_holds_open_is_left_whole_until_it_lets_go(tmp_path, monkeypatch):
    unlink = Path.unlink

    def held(path: Path, *how: Any, **hows: Any) -> None:
        if path.name == MANIFEST and path.parent.name == "set-000001":
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        unlink(path, *how, **hows)

    monkeypatch.setattr(Path, "unlink", held)
    heard = go(tmp_path, TypedAtIteration({2: ["save"], 3: ["save"]}), stored={"target_iter": 4})
    assert not any(line.startswith("!") for line in heard.lines)
    assert [path.name for path in finished_checkpoints(tmp_path)] == ["set-000001", "set-000003", "set-000004"]
    assert sorted(path.name for path in (tmp_path / "set-000001").iterdir()) == [
        "history.f32", "manifest.json", "optimizer.safetensors", "weights.safetensors",
    ]  # fmt: skip
    monkeypatch.undo()
    go(tmp_path, stored={"target_iter": 5}, saved=read_checkpoint(tmp_path))
    assert [path.name for path in finished_checkpoints(tmp_path)] == ["set-000004", "set-000005"]


def test_previews_that_cannot_be_written_are_told_once_and_the_model_is_saved_once(tmp_path):
    (tmp_path / "preview.png").mkdir()
    heard = go(tmp_path, TypedAtIteration({3: ["save"], 4: ["save"]}), stored={"target_iter": 6})
    assert [line[:33] for line in heard.lines if line.startswith("!")] == ["! The previews could not be writte"[:33]]
    assert sum(line.endswith(" saved") for line in heard.lines) == 4
    assert read_checkpoint(tmp_path).iteration == 6


def test_a_user_who_is_there_mends_the_disk_and_the_last_save_is_tried_again(tmp_path, monkeypatch):
    free = iter([2**40, 0, 0, 2**40])
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": next(free)})())
    asked = []
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or "y")
    heard = go(tmp_path, TypedAtIteration({3: ["exit"]}), ask=True)
    assert read_checkpoint(tmp_path).iteration == 3
    assert len(asked) == 2
    assert all("Try again to save?" in prompt for prompt in asked)
    assert heard.lines[-1].startswith("Stopped: iteration 3")


def test_without_an_answer_a_failed_last_save_is_an_error_at_last(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free.pop(0) if free else 0})())
    free = [2**40]

    def end(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", end)
    with pytest.raises(UserError, match="Saving the model needs"):
        go(tmp_path, stored={"target_iter": 3}, ask=True)
    assert read_checkpoint(tmp_path).iteration == 1
