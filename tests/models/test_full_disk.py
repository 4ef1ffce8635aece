"""A disk that fills up in the middle of a save: a small one of the test's own, and files that may not grow."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.models.backups import list_backups, make_backup
from dfl.models.checkpoint import Checkpoint, read_checkpoint, write_checkpoint


def a_set(iteration: int) -> Checkpoint:
    value = np.full((300, 300), iteration, np.float32)
    return Checkpoint("SAEHD", {}, iteration, {"encoder/weight": value}, {"m/encoder/weight": value})


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A disk of 2.5 MB, whose free space is told wrongly: it fills up after that was asked."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = sys.platform == "linux" and shutil.which("mount")
    command = ["mount", "-t", "tmpfs", "-o", "size=2560k", "tmpfs", str(place)]
    if not mounted or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk of its own can be mounted here")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2**40})())
    yield place / "new_SAEHD"
    subprocess.run(["umount", str(place)], check=True)


def test_a_save_on_a_full_disk_keeps_both_sets_and_leaves_nothing_behind(small_disk):
    for iteration in (1, 2):
        write_checkpoint(small_disk, a_set(iteration))
    (small_disk.parent / "other").write_bytes(b"x" * 500_000)
    with pytest.raises(UserError, match="The disk is full"):
        write_checkpoint(small_disk, a_set(3))
    assert sorted(path.name for path in small_disk.iterdir()) == ["set-000001", "set-000002"]
    assert read_checkpoint(small_disk).iteration == 2
    (small_disk.parent / "other").unlink()
    write_checkpoint(small_disk, a_set(4))
    assert read_checkpoint(small_disk).iteration == 4


def test_a_backup_on_a_full_disk_keeps_the_others(small_disk, monkeypatch):
    write_checkpoint(small_disk, a_set(1))
    make_backup(small_disk)
    write_checkpoint(small_disk, a_set(2))

    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    (small_disk.parent / "other").write_bytes(b"x" * 700_000)
    with pytest.raises(UserError, match="The disk is full"):
        make_backup(small_disk)
    assert [(backup.number, backup.iteration) for backup in list_backups(small_disk)] == [(1, 1)]
    assert [path.name for path in (small_disk / "backups").iterdir()] == ["01"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_files_that_may_not_grow(tmp_path):
    import resource

    write_checkpoint(tmp_path, a_set(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(UserError, match="cannot be written"):
            write_checkpoint(tmp_path, a_set(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in Path(tmp_path).iterdir()] == ["set-000001"]
    assert read_checkpoint(tmp_path).iteration == 1
