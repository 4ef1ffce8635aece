"""What a run of training tells, keeps and obeys, on a model of one number."""

import io
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.training.tiny_training import STORED, Heard, tiny_trainer

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture
from dfl.models.backups import list_backups
from dfl.models.engine import start_engine
from dfl.models.saved_set import SavedSet, read_set
from dfl.training.options import TrainOptions
from dfl.training.viewer import View

start_engine("tensorflow")

from dfl.training import loop  # noqa: E402
from dfl.training.loop import TrainingLoop  # noqa: E402


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


def new_set() -> SavedSet:
    return SavedSet("SAEHD", {"batch_size": 2}, 0, {})


def go(folder: Path, window=None, test=None, stored=(), saved=None, values=lambda iteration: 0.0, **options) -> Heard:
    heard = Heard()
    trainer = tiny_trainer(folder, saved or new_set(), values)
    loop = TrainingLoop(trainer, TrainOptions(**options), STORED | dict(stored), heard, window, test)
    loop.run()
    return heard


def numbers(folder: Path) -> list[list[str]]:
    return [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]


def test_history_csv_has_a_line_for_every_iteration(tmp_path):
    go(tmp_path, stored={"target_iter": 5})
    go(tmp_path, stored={"target_iter": 7}, saved=read_set(tmp_path))
    lines = numbers(tmp_path)
    assert lines[0] == ["iteration", "seconds", "src", "dst", "held_out_src", "held_out_dst"]
    assert [int(line[0]) for line in lines[1:]] == [1, 2, 3, 4, 5, 6, 7]
    history = read_set(tmp_path).history
    assert np.allclose([[float(line[2]), float(line[3])] for line in lines[1:]], history, rtol=1e-5)


def test_losses_of_held_out_faces_stand_beside_at_saves(tmp_path):
    heard = go(tmp_path, test=lambda: (0.25, 0.125), stored={"target_iter": 3})
    lines = numbers(tmp_path)
    assert [line[4:] for line in lines[1:]] == [["0.25", "0.125"], ["", ""], ["0.25", "0.125"]]
    assert sum("saved held out 0.2500 0.1250" in line for line in heard.lines) == 2


def test_the_line_of_a_step_tells_speed_target_save_and_waiting(tmp_path):
    heard = go(tmp_path, stored={"target_iter": 3})
    assert heard.states[1].split("] ")[-1].startswith(tuple("0123456789"))
    assert "to #3, saved 0 s ago, 0% waiting" in heard.states[1]
    assert "[#000002]" in heard.states[1]


def test_keys_save_back_up_show_other_faces_and_end(tmp_path):
    window = TypedAtIteration({3: ["save"], 5: ["backup"], 7: ["update"], 9: ["exit"]})
    heard = go(tmp_path, window)
    assert read_set(tmp_path).iteration == 9
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
    assert read_set(tmp_path).iteration == 3


def test_a_backup_that_fails_never_ends_training(tmp_path):
    (tmp_path / "backups").write_text("in the way")
    heard = go(tmp_path, TypedAtIteration({2: ["backup"]}), stored={"target_iter": 4})
    assert any(line.startswith("! No backup was made") for line in heard.lines)
    assert read_set(tmp_path).iteration == 4


def test_preview_history_every_ten_iterations(tmp_path):
    go(tmp_path, stored={"target_iter": 25, "write_preview_history": True})
    names = sorted(path.name for path in (tmp_path / "history" / "preview").iterdir())
    assert names == ["0000001.jpg", "0000010.jpg", "0000020.jpg", "_last.jpg"]
    assert (tmp_path / "history" / "preview_masked").is_dir()


def test_it_stops_where_the_loss_stays(tmp_path):
    heard = go(tmp_path, values=lambda iteration: 8.0 if iteration % 2 else -6.0, stop_at_plateau=40)
    assert "better for 40 iterations: iteration" in heard.lines[-1]
    assert 40 <= read_set(tmp_path).iteration < 400


def test_batches_without_a_number_are_left_out_and_told(tmp_path):
    heard = go(tmp_path, stored={"target_iter": 6}, values=lambda iteration: np.nan if iteration == 3 else 0.0)
    assert sum("had no finite loss; its batch was left out" in line for line in heard.lines) == 1
    saved = read_set(tmp_path)
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
    saved = read_set(tmp_path)
    assert saved.iteration == 70
    assert saved.history.max() < 10
    assert [int(line[0]) for line in numbers(tmp_path)[1:]] == list(range(1, 71))


def test_a_training_that_stays_broken_ends_with_the_good_set(tmp_path):
    with pytest.raises(UserError, match="Training broke down"):
        go(tmp_path, values=lambda iteration: np.nan if iteration > 4 else 0.0)
    assert read_set(tmp_path).iteration == 1


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
    assert read_set(tmp_path).iteration == 1


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
