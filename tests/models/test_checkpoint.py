"""Saved models: whole or not at all, whatever happens while they are written."""

import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from dfl.base.errors import UserError
from dfl.models.backups import make_backup
from dfl.models.checkpoint import (
    MANIFEST,
    Checkpoint,
    list_models,
    model_folder,
    peek,
    read_checkpoint,
    write_checkpoint,
)

# Writes the set of iteration 2 and dies at the given file operation; Python's audit events see every one of them.
WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from dfl.models.checkpoint import Checkpoint, write_checkpoint

folder, die_at = Path(sys.argv[1]), int(sys.argv[2])
seen = 0

def watch(event, arguments):
    global seen
    is_write = event == "open" and str(folder) in str(arguments[0])
    if is_write or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
        seen += 1
        if seen == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

weights = {"encoder/weight": np.full((64, 64), 2, np.float32)}
saved = Checkpoint("SAEHD", {"batch_size": 4}, 2, weights, {"m/encoder/weight": np.full((64, 64), 2, np.float32)})
sys.addaudithook(watch)
write_checkpoint(folder, saved)
"""


def a_set(iteration: int) -> Checkpoint:
    value = np.full((64, 64), iteration, np.float32)
    history = np.arange(2 * iteration, dtype=np.float32).reshape(-1, 2)
    return Checkpoint(
        "SAEHD", {"batch_size": 4}, iteration, {"encoder/weight": value}, {"m/encoder/weight": value}, history
    )


def test_round_trip(tmp_path):
    folder = model_folder(tmp_path / "model", "née 顔", "SAEHD")
    write_checkpoint(folder, replace(a_set(3), state={"seed": 5}))
    back = read_checkpoint(folder)
    assert (back.iteration, back.options, back.state) == (3, {"batch_size": 4}, {"seed": 5})
    assert np.array_equal(back.weights["encoder/weight"], a_set(3).weights["encoder/weight"])
    assert np.array_equal(back.history, a_set(3).history)
    assert list_models(tmp_path / "model") == [("née 顔", "SAEHD")]
    assert peek(folder)["iteration"] == 3


def test_files_are_those_of_the_library(tmp_path):
    draw = np.random.default_rng(1)
    arrays = {
        "z/steps": np.array(7, np.int64),
        "a/näme": draw.random((3, 5, 2), np.float32),
        "random": np.arange(2, dtype=np.uint32),
        "short": draw.random(3).astype(np.float16),
        "none": np.zeros((0, 3), np.float32),
        "bytes": np.arange(5, dtype=np.uint8),
    }
    for optimizer in (arrays, {}):
        place = write_checkpoint(tmp_path, replace(a_set(1), optimizer=optimizer))
        assert (place / "optimizer.safetensors").read_bytes() == save(optimizer)


def test_an_array_that_lies_otherwise_in_memory_comes_back(tmp_path):
    turned = np.arange(24, dtype=np.float32).reshape(4, 6).T
    write_checkpoint(tmp_path, replace(a_set(1), weights={"turned": turned}))
    assert np.array_equal(read_checkpoint(tmp_path).weights["turned"], turned)


def test_saving_holds_no_second_copy_of_the_arrays(tmp_path):
    large = {str(number): np.full((256, 1024), number, np.float32) for number in range(32)}
    saved = replace(a_set(1), weights=large, optimizer=large)
    tracemalloc.start()
    write_checkpoint(tmp_path, saved)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 * large["0"].nbytes, "arrays are written one by one"


def test_a_history_of_one_loss_comes_back_and_an_older_sets_has_two(tmp_path):
    folder = model_folder(tmp_path / "model", "XSeg", "XSeg")
    write_checkpoint(folder, replace(a_set(4), history=np.arange(4, dtype=np.float32)[:, None]))
    assert read_checkpoint(folder).history.shape == (4, 1)
    path = write_checkpoint(folder, a_set(5)) / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest["losses"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert read_checkpoint(folder).history.shape == (5, 2)


@pytest.mark.slow
def test_killed_at_every_file_operation_of_a_save(tmp_path):
    deaths = 0
    for die_at in range(1, 200):
        folder = tmp_path / f"{die_at}" / "new_SAEHD"
        write_checkpoint(folder, a_set(0))
        write_checkpoint(folder, a_set(1))
        killed = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(folder), str(die_at)], check=False)
        back = read_checkpoint(folder)
        assert back.iteration in (1, 2), f"killed at operation {die_at}: iteration {back.iteration}"
        assert (back.weights["encoder/weight"] == back.iteration).all()
        assert (back.optimizer["m/encoder/weight"] == back.iteration).all()
        write_checkpoint(folder, a_set(3))
        assert read_checkpoint(folder).iteration == 3
        if killed.returncode == 0:
            break
        deaths += 1
    assert killed.returncode == 0, "the save never came to its end"
    assert deaths > 10


def test_the_set_before_is_kept_and_older_ones_go(tmp_path):
    for iteration in (1, 2, 3, 4):
        write_checkpoint(tmp_path, a_set(iteration))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set-000003", "set-000004"]


def harm(path, damage):
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 0xFF
    path.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    if damage == "delete":
        path.unlink()


@pytest.mark.parametrize("victim", ["weights.safetensors", MANIFEST])
@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_a_damaged_set_falls_back_to_the_one_before(tmp_path, victim, damage):
    write_checkpoint(tmp_path, a_set(1))
    harm(write_checkpoint(tmp_path, a_set(2)) / victim, damage)
    said: list[str] = []
    assert read_checkpoint(tmp_path, said.append).iteration == 1
    if (victim, damage) != (MANIFEST, "delete"):  # a set without a manifest was never finished: nothing to tell
        assert "iteration 1" in said[0]
        assert victim in said[0]


def test_a_damaged_set_is_not_counted_as_the_one_before(tmp_path):
    write_checkpoint(tmp_path, a_set(1))
    (write_checkpoint(tmp_path, a_set(2)) / "weights.safetensors").write_bytes(b"nothing")
    read_checkpoint(tmp_path, set_aside=True)
    write_checkpoint(tmp_path, a_set(3))
    (tmp_path / "set-000003" / MANIFEST).unlink(missing_ok=True)
    (tmp_path / "set-000002" / MANIFEST).unlink(missing_ok=True)
    assert read_checkpoint(tmp_path).iteration == 1


@pytest.mark.parametrize("victim", ["optimizer.safetensors", "history.f32"])
@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
def test_whole_weights_are_not_given_up_for_another_file(tmp_path, victim, damage):
    write_checkpoint(tmp_path, a_set(1))
    harm(write_checkpoint(tmp_path, a_set(2)) / victim, damage)
    said: list[str] = []
    back = read_checkpoint(tmp_path, said.append, set_aside=True)
    assert (back.iteration, back.weights["encoder/weight"][0, 0]) == (2, 2)
    is_optimizer = victim.startswith("optimizer")
    assert back.optimizer["m/encoder/weight"][0, 0] == (1 if is_optimizer else 2)
    assert len(back.history) == 2
    assert np.isnan(back.history[1]).all() != is_optimizer, "what came after the older history is not known"
    assert len(said) == 1
    assert victim in said[0]
    assert "The weights are whole" in said[0]
    assert "is that of iteration 1" in said[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set-000001", "set-000002"], "none is damaged enough"


def test_an_optimizer_that_no_set_has_whole_begins_anew(tmp_path):
    for iteration in (1, 2):
        (write_checkpoint(tmp_path, a_set(iteration)) / "optimizer.safetensors").write_bytes(b"")
    said: list[str] = []
    back = read_checkpoint(tmp_path, said.append)
    assert (back.iteration, back.optimizer, len(back.history)) == (2, {}, 2)
    assert "set-000002" in said[0]
    assert "The optimizer begins anew." in said[0]


def test_a_set_that_is_damaged_twice_blocks_no_start(tmp_path):
    write_checkpoint(tmp_path, a_set(1))
    for _ in range(3):
        (write_checkpoint(tmp_path, a_set(2)) / "weights.safetensors").write_bytes(b"nothing")
        assert read_checkpoint(tmp_path, set_aside=True).iteration == 1
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["damaged-set-000002", "damaged-set-000002-2", "damaged-set-000002-3", "set-000001"]


def test_nothing_valid_names_the_backup_to_put_back(tmp_path):
    folder = model_folder(tmp_path, "my face", "SAEHD")
    place = write_checkpoint(folder, a_set(1))
    make_backup(folder)
    (place / "weights.safetensors").unlink()
    with pytest.raises(UserError) as caught:
        read_checkpoint(folder)
    assert 'dfl models restore --name "my face" --model SAEHD' in caught.value.todo


def test_nothing_valid_names_the_folder(tmp_path):
    with pytest.raises(UserError, match="holds no finished model"):
        read_checkpoint(tmp_path)


def test_a_manifest_that_points_outside_is_refused(tmp_path):
    path = write_checkpoint(tmp_path, a_set(1)) / MANIFEST
    path.write_text(path.read_text().replace("history.f32", "../history.f32"))
    with pytest.raises(UserError, match="outside"):
        read_checkpoint(tmp_path)


def test_newest_model_first(tmp_path):
    import os

    for index, name in enumerate(["old", "new"]):
        manifest = write_checkpoint(model_folder(tmp_path, name, "SAEHD"), a_set(1)) / MANIFEST
        os.utime(manifest, (1000 + index, 1000 + index))
    assert list_models(tmp_path) == [("new", "SAEHD"), ("old", "SAEHD")]
    assert list_models(tmp_path, "Quick96") == []


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(UserError, match="Saving the model"):
        write_checkpoint(tmp_path, a_set(1))
    assert list(Path(tmp_path).iterdir()) == []


def test_a_set_is_known_by_its_weights(tmp_path):
    digests = []
    for name, iteration, step in (("a", 5, 0.0), ("b", 5, 1.0), ("c", 9, 0.0)):
        saved = a_set(iteration)
        weights = {key: array + np.asarray(step, array.dtype) for key, array in a_set(5).weights.items()}
        write_checkpoint(tmp_path / name, replace(saved, weights=weights))
        digests.append(read_checkpoint(tmp_path / name).digest)
    assert digests[0] == digests[2] != digests[1]
    assert len(digests[0]) == 64
