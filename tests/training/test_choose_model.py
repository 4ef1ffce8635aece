"""Which model is trained: names, the original's list, presets, silent start."""

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.models.backups import make_backup
from dfl.models.checkpoint import Checkpoint, list_models, model_folder, write_checkpoint
from dfl.models.options import SaehdOptions
from dfl.training import choose_model
from dfl.training.choose_model import choose_name, import_original, load_or_new, silent_start
from dfl.training.options import TrainOptions
from dfl.training.presets import Device
from tests.recording_report import RecordingReport


@pytest.fixture
def saved(workspace):
    """Two models, `late` saved last."""
    for name in ("early", "late"):
        folder = model_folder(workspace.model, name, "SAEHD")
        write_checkpoint(folder, Checkpoint("SAEHD", {}, 3, {"w": np.zeros(4, np.float32)}))
    return workspace


@pytest.fixture
def typing(monkeypatch):
    """Answers as typed, one after the other."""

    def type_in(*answers: str) -> None:
        waiting = iter(answers)
        monkeypatch.setattr("builtins.input", lambda _: next(waiting))

    return type_in


def test_without_questions_the_model_saved_last(saved, workspace):
    assert choose_name(saved, TrainOptions(), RecordingReport()) == "late"
    assert choose_name(saved, TrainOptions(name="other"), RecordingReport()) == "other"
    assert choose_name(saved, TrainOptions(model="AMP"), RecordingReport()) == "new"
    assert choose_name(saved, TrainOptions(start_from="late"), RecordingReport()) == "new"


@pytest.mark.parametrize(
    ("answer", "name"),
    [("", "late"), ("1", "early"), ("late", "late"), ("ear", "early"), ("99\n0", "late"), ("my_new", "my new")],
)
def test_the_list_takes_numbers_and_names(saved, typing, answer, name):
    typing(*answer.split("\n"))
    assert choose_name(saved, TrainOptions(ask=True), RecordingReport()) == name


def test_the_list_renames_and_deletes(saved, typing, capsys):
    typing("r", "1", "first", "r", "late", "first", "d", "late", "n", "d", "0", "y", "")
    assert choose_name(saved, TrainOptions(ask=True), RecordingReport()) == "first"
    said = capsys.readouterr().out
    assert "[0] late: SAEHD, full_face, 128 pixels, iteration 3, " in said
    assert "the latest\n[1] early: SAEHD, " in said
    assert "\n[r] rename\n[d] delete" in said
    assert "There is a model first (SAEHD) already." in said
    assert list_models(saved.model) == [("first", "SAEHD")]
    assert (saved.model_trash / "late_SAEHD").is_dir()


def test_a_first_model_is_asked_for_its_name(workspace, typing):
    typing("my_face")
    assert choose_name(workspace, TrainOptions(ask=True), RecordingReport()) == "my face"


def test_a_name_that_cannot_be_is_asked_again(workspace, typing, capsys):
    typing("a/b", "my face")
    assert choose_name(workspace, TrainOptions(ask=True), RecordingReport()) == "my face"
    assert "Choose another name." in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a/b", "..", "con"])
def test_a_name_that_no_folder_can_have(workspace, name):
    with pytest.raises(UserError, match="model name"):
        choose_name(workspace, TrainOptions(name=name), RecordingReport())


def test_silent_start_takes_the_class_that_was_saved_last(saved):
    write_checkpoint(
        model_folder(saved.model, "quick", "Quick96"), Checkpoint("Quick96", {}, 3, {"w": np.zeros(4, np.float32)})
    )
    silent = silent_start(saved.model, TrainOptions(ask=True))
    assert (silent.model, silent.ask) == ("Quick96", False)
    assert choose_name(saved, silent, RecordingReport()) == "quick"
    assert silent_start(saved.model, TrainOptions(model="SAEHD", ask=True)).model == "SAEHD"


def start(workspace, **options):
    """What a start of training has before it begins, and what it says."""
    heard, options = RecordingReport(), TrainOptions(**options)
    options = import_original(workspace, options, heard)
    chosen = choose_name(workspace, options, RecordingReport())
    folder = model_folder(workspace.model, chosen, options.model)
    return load_or_new(workspace, chosen, options, heard), heard.lines, folder


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setattr(choose_model, "_device", lambda _: Device("a card", 8 * 2**30))


def test_a_preset_tells_every_value_and_gives_way_to_the_user(workspace, card):
    new, lines, _ = start(workspace, preset="balanced", resolution=128)
    assert "Preset balanced for a card with 8 GB: resolution 192, ae_dims 256" in lines[0]
    assert (new.options["resolution"], new.options["batch_size"], new.options["archi"]) == (128, 8, "liae-ud")


def test_the_same_preset_a_second_time_goes_on(workspace, card, monkeypatch):
    new, _, folder = start(workspace, preset="quick")
    write_checkpoint(folder, replace(new, iteration=7, weights={"w": np.zeros(4, np.float32)}))
    write_checkpoint(
        model_folder(workspace.model, "other", "SAEHD"), Checkpoint("SAEHD", {}, 3, {"w": np.zeros(4, np.float32)})
    )
    # by now other programs hold most of the card: the preset would make a smaller model
    monkeypatch.setattr(choose_model, "_device", lambda _: Device("a card", 8 * 2**30, 2**30))
    again, lines, its_folder = start(workspace, preset="quick", batch_size=3)
    assert (its_folder, again.iteration, again.options["batch_size"]) == (folder, 7, 3)
    assert lines[0] == "--preset quick applies to new models only: new continues from iteration 7 as it is."


def test_a_preset_goes_on_with_an_older_model_of_its_shape_and_no_other(workspace, card):
    new, _, folder = start(workspace, preset="quick")
    write_checkpoint(folder, replace(new, state={}, iteration=7, weights={"w": np.zeros(4, np.float32)}))
    assert start(workspace, preset="quick", name="new")[0].iteration == 7
    with pytest.raises(UserError, match="would start a different one") as error:
        start(workspace, preset="quality", name="new")
    assert "--name NAME" in error.value.todo


def test_the_same_start_from_a_second_time_goes_on(saved):
    options = SaehdOptions().model_dump()
    write_checkpoint(
        model_folder(saved.model, "late", "SAEHD"), Checkpoint("SAEHD", options, 9, {"w": np.zeros(4, np.float32)})
    )
    begun, _, folder = start(saved, start_from="late")
    state = {key: value for key, value in begun.state.items() if key != "starts_anew"}
    write_checkpoint(folder, replace(begun, iteration=2, state=state))
    again, lines, its_folder = start(saved, start_from="late")
    assert (its_folder.name, again.iteration) == ("new_SAEHD", 2)
    assert lines == ["--start-from late applies to new models only: new continues from iteration 2 as it is."]
    with pytest.raises(UserError, match="would start a different one"):
        start(saved, start_from="early")


def test_an_option_of_another_class_or_range_is_named(workspace):
    with pytest.raises(UserError, match="face_type: Input should be 'f', 'wf' or 'head'"):
        start(workspace, model="AMP", face_type="h")


def test_a_model_of_which_backups_are_left_is_not_begun_anew(saved):
    folder = model_folder(saved.model, "late", "SAEHD")
    make_backup(folder)
    shutil.rmtree(folder / "set-000001")
    with pytest.raises(UserError, match="no whole checkpoint any more, but backups") as error:
        start(saved, name="late")
    assert 'dfl models restore --name "late" --model SAEHD' in error.value.todo


@pytest.fixture
def original(workspace):
    """What of the original's models lies in the workspace's folder of models."""

    def put(*names):
        for name in names:
            data = {"options": {"archi": "df-ud"}, "iter": 40}
            (workspace.model / f"{name}_data.dat").write_bytes(pickle.dumps(data, 4))
            arrays = pickle.dumps({"x:0": np.zeros(3, np.float32)}, 4)
            for part in ("encoder", "inter", "decoder_src", "decoder_dst", "decoder", "inter_src", "inter_dst", "256"):
                (workspace.model / f"{name}_{part}.npy").write_bytes(arrays)

    return put


@pytest.mark.parametrize(
    ("file", "model", "options"),
    [
        ("my face_SAEHD", "SAEHD", {}),
        ("my face_SAEHD", "SAEHD", {"name": "my face"}),
        ("my face_SAEHD", "SAEHD", {"preset": "quick"}),
        ("my face_SAEHD", "SAEHD", {"start_from": "my face"}),
        ("my face_AMP", "AMP", {"model": "AMP"}),
        ("my face_AMP", "AMP", {}),  # the class was left open
        ("my face_Quick96", "Quick96", {"model": "Quick96"}),
        ("XSeg", "XSeg", {"model": "XSeg"}),
    ],
)
def test_an_original_model_is_not_passed_over(workspace, original, typing, file, model, options):
    original(file)
    name = "XSeg" if model == "XSeg" else "my face"
    with pytest.raises(UserError, match=rf"{name} \({model}\) of the original DeepFaceLab") as error:
        start(workspace, **options)
    assert f'dfl import model "{workspace.model}" --name "{name}" --model {model}' in error.value.todo
    assert list_models(workspace.model) == []
    if options.get("model", "SAEHD") == model and "start_from" not in options:
        typing("", "", "")
        saved, lines, _ = start(workspace, ask=True, **options)
        assert saved.iteration == 40
        assert any(line.startswith(f"Imported {name} ({model})") for line in lines)


def test_who_names_a_new_model_or_has_one_of_ours_is_not_asked(saved, original):
    original("my face_SAEHD")
    assert start(saved)[2].name == "late_SAEHD"
    shutil.rmtree(saved.model / "late_SAEHD")
    shutil.rmtree(saved.model / "early_SAEHD")
    assert start(saved, name="other")[0].iteration == 0


def test_who_declines_begins_anew(workspace, original, typing):
    original("my face_SAEHD")
    typing("n", "", *[""] * 60)
    assert start(workspace, ask=True)[0].iteration == 0


@pytest.mark.parametrize(("given", "count"), [(1, 1), ("2", 2), ("0,1", 2), ("2, 0,1", 3)])
def test_devices_are_a_number_or_a_list(given, count):
    assert TrainOptions(devices=given).device_count == count


@pytest.mark.parametrize("given", ["0", "0,0", "one", "1,", "-1"])
def test_devices_that_cannot_be(given):
    with pytest.raises(ValueError, match="how many"):
        TrainOptions(devices=given)
