"""Which model is trained: names, the original's list, presets, silent start."""

import numpy as np
import pytest
from tests.training.tiny_training import Heard

from dfl.base.errors import UserError
from dfl.models.saved_set import SavedSet, list_models, model_folder, write_set
from dfl.training import choose_model
from dfl.training.choose_model import choose_name, load_or_new, silent_start
from dfl.training.options import TrainOptions
from dfl.training.presets import Device


@pytest.fixture
def saved(workspace):
    """Two models, `late` saved last."""
    for name in ("early", "late"):
        folder = model_folder(workspace.model, name, "SAEHD")
        write_set(folder, SavedSet("SAEHD", {}, 3, {"w": np.zeros(4, np.float32)}))
    return workspace


@pytest.fixture
def typing(monkeypatch):
    """Answers as typed, one after the other."""

    def type_in(*answers: str) -> None:
        waiting = iter(answers)
        monkeypatch.setattr("builtins.input", lambda _: next(waiting))

    return type_in


def test_without_questions_the_model_saved_last(saved, workspace):
    assert choose_name(saved, TrainOptions()) == "late"
    assert choose_name(saved, TrainOptions(name="other")) == "other"
    assert choose_name(saved, TrainOptions(model="AMP")) == "new"
    assert choose_name(saved, TrainOptions(start_from="late")) == "new"


@pytest.mark.parametrize(("answer", "name"), [("", "late"), ("1", "early"), ("99", "early"), ("my_new", "my new")])
def test_the_list_takes_numbers_and_names(saved, typing, answer, name):
    typing(answer)
    assert choose_name(saved, TrainOptions(ask=True)) == name


def test_the_list_renames_and_deletes(saved, typing, capsys):
    typing("r", "1", "first", "r", "late", "first", "d", "late", "n", "d", "0", "y", "")
    assert choose_name(saved, TrainOptions(ask=True)) == "first"
    said = capsys.readouterr().out
    assert "[0] : late - latest\n[1] : early\n[r] : rename\n[d] : delete" in said
    assert "There is a model first (SAEHD) already." in said
    assert list_models(saved.model) == [("first", "SAEHD")]
    assert (saved.model_trash / "late_SAEHD").is_dir()


def test_a_first_model_is_asked_for_its_name(workspace, typing):
    typing("my_face")
    assert choose_name(workspace, TrainOptions(ask=True)) == "my face"


@pytest.mark.parametrize("name", ["a/b", "..", "con"])
def test_a_name_that_no_folder_can_have(workspace, name):
    with pytest.raises(UserError, match="model name"):
        choose_name(workspace, TrainOptions(name=name))


def test_silent_start_takes_the_class_that_was_saved_last(saved):
    write_set(model_folder(saved.model, "quick", "Quick96"), SavedSet("Quick96", {}, 3, {"w": np.zeros(4, np.float32)}))
    silent = silent_start(saved.model, TrainOptions(ask=True))
    assert (silent.model, silent.ask) == ("Quick96", False)
    assert choose_name(saved, silent) == "quick"
    assert silent_start(saved.model, TrainOptions(model="SAEHD", ask=True)).model == "SAEHD"


def test_a_preset_tells_every_value_and_gives_way_to_the_user(workspace, monkeypatch):
    monkeypatch.setattr(choose_model, "find_device", lambda: Device("a card", 8 * 2**30))
    heard = Heard()
    folder = model_folder(workspace.model, "new", "SAEHD")
    new = load_or_new(folder, "new", TrainOptions(preset="balanced", resolution=128), heard)
    assert "Preset balanced for a card with 8 GB: resolution 192, ae_dims 256" in heard.lines[0]
    assert (new.options["resolution"], new.options["batch_size"], new.options["archi"]) == (128, 8, "liae-ud")


def test_a_preset_is_for_new_models(saved):
    with pytest.raises(UserError, match="for new models"):
        load_or_new(model_folder(saved.model, "late", "SAEHD"), "late", TrainOptions(preset="quick"), Heard())
