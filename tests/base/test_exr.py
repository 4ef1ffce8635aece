"""OpenEXR files: another reader gives back what was written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.exr import write_exr

# OpenCV reads the format only when it is told to before it is loaded.
READ = """
import sys, cv2, numpy as np
for name in sys.argv[1:]:
    np.save(name + ".npy", cv2.imread(name, cv2.IMREAD_UNCHANGED))
"""


def test_another_reader_gives_back_colours_and_alpha(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    written = {}
    for height, width, is_noise in ((40, 33, True), (16, 64, False), (1, 1, True), (17, 200, False)):
        flat = np.full((4, height, width), [[[0.25]], [[2]], [[0]], [[1]]])
        planes = random.random((4, height, width)) if is_noise else flat
        name = str(tmp_path / f"{height}.exr")
        write_exr(Path(name), dict(zip("BGRA", planes, strict=True)), "made")
        written[name] = planes.astype(np.float16).transpose(1, 2, 0)
    environment = os.environ | {"OPENCV_IO_ENABLE_OPENEXR": "1"}
    subprocess.run([sys.executable, "-c", READ, *written], check=True, env=environment)
    for name, wanted in written.items():
        assert np.array_equal(np.load(name + ".npy").reshape(wanted.shape), wanted), name


def test_what_cannot_be_written_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    plane = np.zeros((4, 4))
    with pytest.raises(UserError, match=r"gone.*a\.exr"):
        write_exr(tmp_path / "gone" / "a.exr", {"R": plane})
    old = tmp_path / "Würk 顔.exr"
    write_exr(old, {"R": plane})
    assert [path.name for path in tmp_path.iterdir()] == [old.name]
