"""Freed memory is handed on within the process; what may still be taken is known in containers too."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from dfl.base import memory
from dfl.base.memory import container_memory
from dfl.base.processes import worker_count
from dfl.data.face_cache import memory_for_faces

ROUNDS = """
import resource
import sys
import numpy as np
from dfl.base.memory import keep_freed_memory

if "keep" in sys.argv:
    keep_freed_memory()
for round in range(20):
    pictures = [np.ones((1024, 4096), np.uint8) for _ in range(4)]
    del pictures
    if round == 4:
        begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin) // 15)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that is told")
def test_pictures_that_come_and_go_are_not_asked_of_the_system_again() -> None:
    def pages_asked_for_in_a_round(*arguments: str) -> int:
        run = subprocess.run([sys.executable, "-c", ROUNDS, *arguments], capture_output=True, text=True, check=True)
        return int(run.stdout)

    assert pages_asked_for_in_a_round("keep") < 100 < pages_asked_for_in_a_round(), "of 4096"


def _group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="ascii")


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/\n")
    assert container_memory(tmp_path, own) == math.inf
    _group(tmp_path, memory__current="900", memory__stat="anon 600\ninactive_file 250\nactive_file 1\n")
    for limit, free in (("max\n", math.inf), ("1000\n", 350)):
        _group(tmp_path, memory__max=limit)
        assert container_memory(tmp_path, own) == free


def test_the_tightest_of_nested_groups_counts(tmp_path: Path) -> None:
    """A cluster's job: slice/job/step, of which the middle one is limited; its numbers are another's when renamed."""
    own = tmp_path / "own"
    own.write_text("0::/slice/job/step\n")
    for name, limit in (("slice", "max"), ("slice/job", "1000"), ("slice/job/step", "5000"), ("other", "10")):
        _group(tmp_path / name, memory__max=limit, memory__current="600", memory__stat="inactive_file 0\n")
    assert container_memory(tmp_path, own) == 400
    own.write_text("0::/../../etc\n")
    assert container_memory(tmp_path, own) == math.inf


def test_a_limit_of_old_control_groups_counts(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/docker/abc\n3:cpuset:/docker/abc\n0::/\n")
    used = {"memory__usage_in_bytes": "700", "memory__stat": "inactive_file 1\ntotal_inactive_file 100\n"}
    _group(tmp_path / "memory", memory__limit_in_bytes="9223372036854771712", **used)
    assert container_memory(tmp_path, own) == math.inf
    _group(tmp_path / "memory" / "docker" / "abc", memory__limit_in_bytes="1000", **used)
    assert container_memory(tmp_path, own) == 400


def test_all_that_takes_memory_goes_by_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "container_memory", lambda: 500 * 2**20)
    assert memory.free_memory() == 500 * 2**20
    assert worker_count() <= 2
    assert worker_count(7) == 7  # whoever names a number gets it
    assert memory_for_faces() == 500 * 2**20 // 8
    monkeypatch.setattr(memory, "container_memory", lambda: -5)
    assert (memory.free_memory(), worker_count(), memory_for_faces()) == (0, 1, 0)
