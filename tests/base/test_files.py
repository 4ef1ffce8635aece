import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfl.base.errors import UserError
from dfl.base.files import read_json, replacing, sync_folder, write_bytes, write_json, write_text
from dfl.base.listing import list_pictures
from dfl.base.part_files import remove_parts

_KILLED_HALF_WAY = """
import os, sys
from pathlib import Path
from dfl.base.files import replacing

with replacing(Path(sys.argv[1])) as part:
    part.write_bytes(b"half of the new")
    os.abort()
"""


_LIMITED = """
import resource, sys
from pathlib import Path
from dfl.base.errors import UserError
from dfl.base.files import write_bytes

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]), bytes(5000), durable=sys.argv[2] == "durable")
except UserError as error:
    print(error.what)
"""


def _python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return done.stdout


def test_what_is_written_is_there_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "Gesicht 顔.json"
    write_json(path, {"größe": [1, 2.5, None]})
    assert read_json(path) == {"größe": [1, 2.5, None]}
    write_text(path, "[]\n")
    assert path.read_bytes() == b"[]\n"
    write_bytes(path, b"7", durable=False)
    assert read_json(path) == 7
    assert list(path.parent.iterdir()) == [path]


def test_an_error_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(b"old")

    def fail_half_way() -> None:
        with replacing(path) as part:
            assert (part.suffix, part.parent) == (".jpg", tmp_path)
            part.write_bytes(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(b"old")
    _python(_KILLED_HALF_WAY, str(path))
    assert path.read_bytes() == b"old"
    left = [other for other in tmp_path.iterdir() if other != path]
    assert len(left) == 1
    assert list_pictures(tmp_path) == [path]
    remove_parts(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a file's size")
@pytest.mark.parametrize("durable", ["durable", "quick"])
def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path: Path, durable: str) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(b"old")
    said = _python(_LIMITED, str(path), durable)
    assert f"{path} cannot be written" in said
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB; only root can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a tiny disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("durable", [True, False])
def test_a_full_disk_leaves_the_old_file_and_says_so(tiny_disk: Path, durable: bool) -> None:
    path = tiny_disk / "face.jpg"
    write_bytes(path, b"old")
    with pytest.raises(UserError, match="The disk is full"):
        write_bytes(path, bytes(200_000), durable=durable)
    assert path.read_bytes() == b"old"
    assert list(tiny_disk.iterdir()) == [path]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("no folder")
    for durable in (True, False):
        with pytest.raises(UserError, match=r"a\.json cannot be written"):
            write_bytes(tmp_path / "model" / "a.json", b"1", durable=durable)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b"[" * 200_000])
def test_json_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "answers.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"answers\.json cannot be read"):
        read_json(path)
    with pytest.raises(UserError, match=r"gone\.json cannot be read"):
        read_json(tmp_path / "gone.json")


def test_a_mark_of_byte_order_from_a_windows_editor_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "merge_session.json"
    path.write_bytes(b'\xef\xbb\xbf{"frames": "\xc3\xbc"}')
    assert read_json(path) == {"frames": "ü"}


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    path = tmp_path / "face.jpg"
    write_bytes(path, b"new")
    sync_folder(tmp_path)
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="folders are not synced there")
def test_a_failing_disk_is_told_when_it_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=r"face\.jpg cannot be written"):
        write_bytes(tmp_path / "face.jpg", b"new")
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_folder(tmp_path)


class _SharingViolation(PermissionError):
    """What Windows raises while another program holds the file."""

    winerror = 32


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_that_a_scanner_holds_for_a_moment_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    refusals = [_SharingViolation(errno.EACCES, "in use")] * 3
    really_replace = Path.replace

    def replace(source: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return really_replace(source, target)

    monkeypatch.setattr(Path, "replace", replace)
    path = tmp_path / "face.jpg"
    write_bytes(path, b"new", durable=durable)
    assert (path.read_bytes(), refusals) == (b"new", [])


def test_a_file_that_stays_held_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(*_: object) -> None:
        raise _SharingViolation(errno.EACCES, "in use")

    clock = iter(range(100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(UserError, match="Close programs that have it open"):
        write_bytes(tmp_path / "face.jpg", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_leaves_no_room_for_the_mark_of_half_written_files_is_written(tmp_path: Path) -> None:
    for name in ("a" * 251 + ".jpg", "顔" * 83 + ".jpeg", "👤" * 62 + ".png"):
        for durable in (True, False):
            write_bytes(tmp_path / name, b"new", durable=durable)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()
    for durable in (True, False):
        with pytest.raises(UserError, match="its name is too long"):
            write_bytes(tmp_path / ("a" * 252 + ".jpg"), b"new", durable=durable)


def test_a_file_where_a_folder_should_be_and_a_folder_where_a_file_should_be_are_named(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("no folder")
    (tmp_path / "answers.json").mkdir()
    for durable in (True, False):
        with pytest.raises(UserError) as caught:
            write_bytes(tmp_path / "model" / "new" / "a.json", b"1", durable=durable)
        assert f"{tmp_path / 'model'} is a file, where a folder should be" in caught.value.what
        with pytest.raises(UserError, match=r"answers\.json cannot be written"):
            write_bytes(tmp_path / "answers.json", b"1", durable=durable)
