"""The stage `models` as a user runs it."""

import numpy as np
import pytest

from dfl.base.errors import Stopped, UserError
from dfl.models.backups import make_backup
from dfl.models.checkpoint import Checkpoint, list_models, model_folder, read_checkpoint, write_checkpoint
from dfl.models.models_stage import run
from dfl.models.stage_options import ModelsOptions
from tests.recording_report import RecordingReport


def models(workspace, **options):
    heard = RecordingReport()
    run(workspace, ModelsOptions(**options), heard)
    return heard.lines


@pytest.fixture
def two(workspace):
    for name, class_name in (("new", "SAEHD"), ("new", "Quick96")):
        folder = model_folder(workspace.model, name, class_name)
        for iteration in (1, 2):
            write_checkpoint(folder, Checkpoint(class_name, {}, iteration, {"w": np.zeros(4, np.float32)}))
            make_backup(folder)
    return workspace


def test_the_list_names_models_and_backups(two):
    lines = models(two)
    assert lines[0].startswith("new (Quick96): iteration 2, ")
    assert lines[0].endswith("2 backups")
    assert lines[1].startswith("    01: iteration 2, saved 2")
    assert lines[2].startswith("    02: iteration 1, saved 2")
    assert lines[-1] == f"2 models in {two.model}."
    assert models(two, action="list") == lines


def test_an_empty_workspace_has_no_models(workspace):
    assert models(workspace) == [f"0 models in {workspace.model}."]
    with pytest.raises(UserError, match="Models: none"):
        models(workspace, action="delete", name="new", yes=True)


def test_two_of_one_name_need_the_class(two):
    with pytest.raises(UserError, match="Which model"):
        models(two, action="rename", name="new", new_name="other")
    models(two, action="rename", name="new", model="Quick96", new_name="other")
    assert sorted(list_models(two.model)) == [("new", "SAEHD"), ("other", "Quick96")]


def test_delete_asks_and_moves_to_the_trash(two, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda _: "")
    with pytest.raises(Stopped):
        models(two, action="delete", model="SAEHD")
    assert len(list_models(two.model)) == 2
    models(two, action="delete", model="SAEHD", yes=True)
    assert list_models(two.model) == [("new", "Quick96")]
    assert read_checkpoint(two.model_trash / "new_SAEHD").iteration == 2


def test_a_backup_is_listed_with_its_sessions_name(workspace):
    folder = model_folder(workspace.model, "new", "SAEHD")
    write_checkpoint(folder, Checkpoint("SAEHD", {"session_name": "finer mouth"}, 7, {"w": np.zeros(3, np.float32)}))
    make_backup(folder)
    assert models(workspace)[1].endswith(", finer mouth")


def test_a_backup_is_put_back(two):
    lines = models(two, action="restore", model="SAEHD", backup=2, yes=True)
    assert "is at iteration 1 again" in lines[-1]
    assert read_checkpoint(model_folder(two.model, "new", "SAEHD")).iteration == 1


def test_asked_what_to_do(two, monkeypatch):
    answers = iter(["ren", "best"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    models(two, ask=True, model="SAEHD")
    assert ("best", "SAEHD") in list_models(two.model)


def test_a_model_whose_sets_are_damaged_gets_its_backup_back(two):
    for path in model_folder(two.model, "new", "SAEHD").glob("set-*/manifest.json"):
        path.unlink()  # a backup has the same file by another name
        path.write_bytes(b"")
    assert any("new (SAEHD): damaged" in line for line in models(two))
    lines = models(two, action="restore", model="SAEHD", yes=True)
    assert lines[-1] == "new (SAEHD) is at iteration 2 again."
    assert read_checkpoint(model_folder(two.model, "new", "SAEHD")).iteration == 2


def test_a_damaged_backup_names_an_older_one(two):
    (model_folder(two.model, "new", "SAEHD") / "backups/01/set-000002/weights.safetensors").unlink()
    with pytest.raises(UserError, match="weights") as caught:
        models(two, action="restore", model="SAEHD", yes=True)
    assert caught.value.todo == "Take an older one: --backup 2."
