"""Freed memory is handed on within the process."""

import subprocess
import sys

import pytest

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
