import errno
import os
from pathlib import Path

import pytest

from dfl.base.system_errors import to_user_error


@pytest.mark.parametrize(
    ("number", "what", "todo"),
    [
        (errno.ENOSPC, "The disk is full", "Free some space"),
        (errno.EACCES, "cannot be written", "Close programs that have it open"),
        (errno.EROFS, "cannot be written", "may write to"),
        (errno.EIO, "cannot be written", "Check the disk"),
    ],
)
def test_errors_of_the_system_come_with_a_way_out(number: int, what: str, todo: str, tmp_path: Path) -> None:
    error = to_user_error(OSError(number, os.strerror(number)), tmp_path / "face.jpg")
    assert what in error.what
    assert "face.jpg" in error.what
    assert todo in error.todo
