"""Backups: numbered from the newest on, each whole, whatever happens while one is made."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.models.backups import MAX_BACKUPS, list_backups, make_backup, restore_backup
from dfl.models.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

BACK_UP_AND_DIE = """
import os, signal, sys
from pathlib import Path
from dfl.models.backups import make_backup

folder, die_at = Path(sys.argv[1]), int(sys.argv[2])
seen = 0

def watch(event, arguments):
    global seen
    is_write = event == "open" and str(folder) in str(arguments[0])
    if is_write or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"):
        seen += 1
        if seen == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
make_backup(folder)
"""


def save(folder: Path, iteration: int) -> None:
    weights = {"encoder/weight": np.full((8, 8), iteration, np.float32)}
    write_checkpoint(folder, Checkpoint("SAEHD", {"batch_size": 4}, iteration, weights))


def iterations(folder: Path) -> dict[int, int]:
    return {backup.number: backup.iteration for backup in list_backups(folder)}


def test_the_newest_is_01_and_the_25th_goes(tmp_path):
    for iteration in range(1, MAX_BACKUPS + 3):
        save(tmp_path, iteration)
        make_backup(tmp_path)
    assert iterations(tmp_path) == {number: MAX_BACKUPS + 3 - number for number in range(1, MAX_BACKUPS + 1)}
    for backup in list_backups(tmp_path):
        assert (read_checkpoint(backup.folder).weights["encoder/weight"] == backup.iteration).all()
    assert len(list((tmp_path / "backups").iterdir())) == MAX_BACKUPS


def test_a_backup_costs_no_copy_and_outlives_its_set(tmp_path):
    save(tmp_path, 1)
    (tmp_path / "preview.png").write_bytes(b"picture")
    made = make_backup(tmp_path)
    assert (made / "set-000001" / "weights.safetensors").stat().st_nlink == 2
    assert (made / "preview.png").read_bytes() == b"picture"
    for iteration in (2, 3, 4):
        save(tmp_path, iteration)
    assert not (tmp_path / "set-000001").exists()
    assert read_checkpoint(made).iteration == 1


def test_without_hard_links_it_is_a_copy(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    save(tmp_path, 5)
    made = make_backup(tmp_path)
    assert read_checkpoint(made).iteration == 5
    assert (made / "set-000001" / "weights.safetensors").stat().st_nlink == 1


@pytest.mark.slow
def test_killed_at_every_file_operation(tmp_path):
    deaths = 0
    for die_at in range(1, 100):
        folder = tmp_path / f"{die_at}"
        for iteration in (1, 2, 3):
            save(folder, iteration)
            make_backup(folder)
        save(folder, 4)
        killed = subprocess.run([sys.executable, "-c", BACK_UP_AND_DIE, str(folder), str(die_at)], check=False)
        found = list(iterations(folder).values())
        assert found in ([3, 2, 1], [4, 3, 2, 1]), f"killed at operation {die_at}: {iterations(folder)}"
        make_backup(folder)
        assert list(iterations(folder).values()) == [4, *found]
        assert not [path.name for path in (folder / "backups").iterdir() if "-" in path.name]
        if killed.returncode == 0:
            break
        deaths += 1
    assert killed.returncode == 0, "the backup never came to its end"
    assert deaths > 10


def test_a_backup_is_put_back_as_the_newest_set(tmp_path):
    save(tmp_path, 1)
    make_backup(tmp_path)
    save(tmp_path, 2)
    assert restore_backup(tmp_path, 1) == 1
    assert read_checkpoint(tmp_path).iteration == 1
    with pytest.raises(UserError, match="no backup 07"):
        restore_backup(tmp_path, 7)


def test_a_damaged_backup_is_not_put_back(tmp_path):
    save(tmp_path, 1)
    made = make_backup(tmp_path)
    save(tmp_path, 2)
    (made / "set-000001" / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="damaged"):
        restore_backup(tmp_path, 1)
    assert read_checkpoint(tmp_path).iteration == 2


def test_no_space_is_said_before_anything_is_written(tmp_path, monkeypatch):
    save(tmp_path, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(UserError, match="A backup of the model needs"):
        make_backup(tmp_path)
    assert not (tmp_path / "backups").exists()


def test_nothing_to_back_up(tmp_path):
    with pytest.raises(UserError, match="no finished model"):
        make_backup(tmp_path)


def test_folders_that_a_user_put_beside_the_backups_stay(tmp_path):
    save(tmp_path, 1)
    make_backup(tmp_path)
    kept = ["old-good one", "part-1", "old-0a1b2c3", "old-0a1b2c3d4", "mine"]
    for name in (*kept, "old-0a1b2c3d", "part-0a1b2c3d"):
        (tmp_path / "backups" / name).mkdir()
    make_backup(tmp_path)
    assert sorted(path.name for path in (tmp_path / "backups").iterdir()) == sorted([*kept, "01", "02"])
