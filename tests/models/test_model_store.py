"""Model names, renaming and the trash."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.models.backups import make_backup
from dfl.models.checkpoint import Checkpoint, list_models, model_folder, read_checkpoint, write_checkpoint
from dfl.models.lock import hold_model
from dfl.models.model_store import check_name, model_facts, rename_model, trash_model
from dfl.models.open_model import open_xseg


def save(models, name, iteration=3, class_name="SAEHD"):
    folder = model_folder(models, name, class_name)
    write_checkpoint(folder, Checkpoint(class_name, {}, iteration, {"w": np.zeros((64, 64), np.float32)}))
    return folder


@pytest.mark.parametrize(
    "name",
    ["", " ", "a/b", "a\\b", "..", ".", "a:b", "what?", "a\nb", "nul", "COM1.old", "end.", " a", "x" * 101, "顔" * 90],
)
def test_names_that_no_folder_can_have(name):
    with pytest.raises(UserError, match="model name"):
        check_name(name)


@pytest.mark.parametrize("name", ["new", "my model", "née 顔 2", "a_b", "x.y"])
def test_names_that_can_be(name):
    assert check_name(name) == name


@given(st.text(max_size=8))
def test_a_checked_name_stays_inside_its_folder(tmp_path_factory, name):
    try:
        check_name(name)
    except UserError:
        return
    folder = tmp_path_factory.getbasetemp()
    assert model_folder(folder, name, "SAEHD").resolve().parent == folder.resolve()


def test_rename_takes_everything_along(tmp_path):
    make_backup(save(tmp_path, "old"))
    rename_model(tmp_path, "old", "SAEHD", "né")
    assert list_models(tmp_path) == [("né", "SAEHD")]
    assert [backup.iteration for backup in model_facts(tmp_path)[0].backups] == [3]


def test_rename_never_takes_another_models_place(tmp_path):
    save(tmp_path, "one", 1)
    save(tmp_path, "two", 2)
    with pytest.raises(UserError, match="already"):
        rename_model(tmp_path, "one", "SAEHD", "two")
    assert read_checkpoint(model_folder(tmp_path, "two", "SAEHD")).iteration == 2


def test_a_model_in_training_stays_where_it_is(tmp_path):
    folder = save(tmp_path, "busy")
    with hold_model(folder), pytest.raises(UserError, match="trained by another program"):
        trash_model(tmp_path, "busy", "SAEHD", tmp_path / "trash")
    assert folder.is_dir()


def test_the_trash_keeps_models_of_one_name_apart(tmp_path):
    for iteration in (1, 2):
        save(tmp_path / "model", "new", iteration)
        trash_model(tmp_path / "model", "new", "SAEHD", tmp_path / "trash")
    assert list_models(tmp_path / "model") == []
    kept = sorted(path.name for path in (tmp_path / "trash").iterdir())
    assert kept == ["new_SAEHD", "new_SAEHD-1"]
    assert [read_checkpoint(tmp_path / "trash" / name).iteration for name in kept] == [1, 2]


def test_linked_backups_count_once(tmp_path):
    folder = save(tmp_path, "new")
    before = model_facts(tmp_path)[0].bytes
    make_backup(folder)
    assert model_facts(tmp_path)[0].bytes == before


def test_the_xseg_model_keeps_the_name_that_stages_look_for(tmp_path):
    save(tmp_path, "XSeg", class_name="XSeg")
    with pytest.raises(UserError, match="a workspace has one"):
        rename_model(tmp_path, "XSeg", "XSeg", "masks")
    assert list_models(tmp_path) == [("XSeg", "XSeg")]


def test_an_xseg_model_that_was_renamed_gets_its_name_back(tmp_path):
    save(tmp_path, "masks", class_name="XSeg")
    with pytest.raises(UserError, match="is called masks") as caught:
        open_xseg(tmp_path, None, Report())
    assert 'dfl models rename --name "masks" --model XSeg --new-name XSeg' in caught.value.todo
    rename_model(tmp_path, "masks", "XSeg", "XSeg")
    assert list_models(tmp_path) == [("XSeg", "XSeg")]


@pytest.mark.parametrize("class_name", ["SAEHD", "AMP", "Quick96", "XSeg"])
def test_every_class_goes_to_the_trash(tmp_path, class_name):
    save(tmp_path / "model", "XSeg" if class_name == "XSeg" else "né", class_name=class_name)
    (name, kind), *_ = list_models(tmp_path / "model")
    assert trash_model(tmp_path / "model", name, kind, tmp_path / "trash").is_dir()
    assert list_models(tmp_path / "model") == []


def test_a_refused_delete_leaves_no_empty_trash(tmp_path):
    with hold_model(save(tmp_path / "model", "one"), "train"), pytest.raises(UserError, match="in use"):
        trash_model(tmp_path / "model", "one", "SAEHD", tmp_path / "model_trash")
    assert not (tmp_path / "model_trash").exists()


def test_a_start_that_came_to_nothing_blocks_no_name(tmp_path):
    save(tmp_path, "one")
    for litter in ((), ("training.lock",), ("training.lock", "training.lock.json", "history.csv")):
        left = model_folder(tmp_path, "two", "SAEHD")
        left.mkdir()
        for name in litter:
            (left / name).touch()
        rename_model(tmp_path, "one", "SAEHD", "two")
        rename_model(tmp_path, "two", "SAEHD", "one")
    (left := model_folder(tmp_path, "two", "SAEHD")).mkdir()
    (left / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="a folder two_SAEHD already"):
        rename_model(tmp_path, "one", "SAEHD", "two")
    assert (left / "notes.txt").is_file()


def test_a_name_in_other_capitals_is_another_name(tmp_path):
    save(tmp_path, "anna")
    rename_model(tmp_path, "anna", "SAEHD", "Anna")
    assert list_models(tmp_path) == [("Anna", "SAEHD")]
    with pytest.raises(UserError, match="called Anna already"):
        rename_model(tmp_path, "Anna", "SAEHD", "Anna")


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_model_without_a_whole_set_is_listed_with_its_backups(tmp_path, is_gone):
    folder = save(tmp_path, "hurt")
    make_backup(folder)
    (manifest := folder / "set-000001" / "manifest.json").unlink()
    if not is_gone:
        manifest.write_bytes(bytes(200))
    (facts,) = model_facts(tmp_path)
    assert (facts.name, facts.iteration, len(facts.backups)) == ("hurt", None, 1)
    assert facts.line().startswith("hurt (SAEHD): damaged, ")
