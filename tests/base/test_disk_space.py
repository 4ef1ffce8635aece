from pathlib import Path

import pytest

from dfl.base.disk_space import need_space, size_in_words
from dfl.base.errors import UserError


def test_space_is_asked_for_before_work_begins(tmp_path: Path) -> None:
    need_space(tmp_path, 1, "This")
    with pytest.raises(UserError, match=r"The frames needs about .* GB"):
        need_space(tmp_path / "not" / "there yet", 2**60, "The frames")


def test_little_space_is_told_in_megabytes(tmp_path: Path) -> None:
    said = [size_in_words(size) for size in (-1, 300_000, 14_680_064, 2**29, 3 * 2**30)]
    assert said == ["0.0 MB", "0.3 MB", "14 MB", "512 MB", "3.0 GB"]
