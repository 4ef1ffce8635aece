"""Model names, renaming and the trash."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.models.backups import make_backup
from dfl.models.keep import check_name, model_facts, rename_model, trash_model
from dfl.models.lock import hold_model
from dfl.models.saved_set import SavedSet, list_models, model_folder, read_set, write_set


def save(models, name, iteration=3, class_name="SAEHD"):
    folder = model_folder(models, name, class_name)
    write_set(folder, SavedSet(class_name, {}, iteration, {"w": np.zeros((64, 64), np.float32)}))
    return folder


@pytest.mark.parametrize(
    "name",
    ["", " ", "a/b", "a\\b", "..", ".", "a:b", "what?", "a\nb", "nul", "COM1.old", "end.", " a", "x" * 101],
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
    assert read_set(model_folder(tmp_path, "two", "SAEHD")).iteration == 2


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
    assert [read_set(tmp_path / "trash" / name).iteration for name in kept] == [1, 2]


def test_linked_backups_count_once(tmp_path):
    folder = save(tmp_path, "new")
    before = model_facts(tmp_path)[0].bytes
    make_backup(folder)
    assert model_facts(tmp_path)[0].bytes == before
