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
from dfl.base.files import (
    free_name,
    in_natural_order,
    list_folders,
    list_pictures,
    need_space,
    newest_first,
    read_json,
    remove_parts,
    replacing,
    size_in_words,
    sync_folder,
    to_user_error,
    write_bytes,
    write_json,
    write_text,
)

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


def test_pictures_are_listed_by_name_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("b.PNG", "a10.jpg", "a2.jpeg", "c.tiff", "d.webp", "notes.txt", "clip.mp4", "x.part-ffffff3d.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["a2.jpeg", "a10.jpg", "b.PNG", "c.tiff", "d.webp"]
    assert list_pictures(tmp_path / "missing") == []


def test_space_is_asked_for_before_work_begins(tmp_path: Path) -> None:
    need_space(tmp_path, 1, "This")
    with pytest.raises(UserError, match=r"The frames needs about .* GB"):
        need_space(tmp_path / "not" / "there yet", 2**60, "The frames")


def test_the_newest_file_comes_first(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("b", "a", "c")]
    for moment, path in enumerate(paths):
        path.write_text("")
        os.utime(path, (0, min(moment, 1)))
    assert [path.name for path in newest_first(paths)] == ["a", "c", "b"]


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


def test_little_space_is_told_in_megabytes(tmp_path: Path) -> None:
    said = [size_in_words(size) for size in (-1, 300_000, 14_680_064, 2**29, 3 * 2**30)]
    assert said == ["0.0 MB", "0.3 MB", "14 MB", "512 MB", "3.0 GB"]


def test_files_that_only_look_half_written_are_not_deleted(tmp_path: Path) -> None:
    kept = [
        "holiday.part-2.mp4",
        "data_dst.part-1.png",
        "a.part-12345.png",
        "a.part-0123456g.png",
        "a.part-0A1B2C3D.png",
        "a.part-0a1b2c3d.tar.gz",
        "a.part-0a1b2c3d and more.png",
        ".part-0a1b2c3d.png",
    ]
    for name in (*kept, "a.part-ffffff3d.png", "b.part-ffffff00", "a.part-2.part-ffffff3d.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.part-ffffff3d").mkdir()
    remove_parts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "folder.part-ffffff3d"])
    assert {"data_dst.part-1.png", "a.part-12345.png"} <= {path.name for path in list_pictures(tmp_path)}
    remove_parts(tmp_path / "missing")


def test_what_another_stage_is_still_writing_is_not_deleted(tmp_path: Path) -> None:
    result = tmp_path / "result.mp4"
    with replacing(result) as part:
        part.write_bytes(b"half")
        _python("import sys; from pathlib import Path; from dfl.base.files import remove_parts\n"
                "remove_parts(Path(sys.argv[1]))", str(tmp_path))  # fmt: skip
        assert part.exists()
        part.write_bytes(b"whole")
    assert result.read_bytes() == b"whole"


def test_a_rest_is_removed_though_another_process_has_its_number_by_now(tmp_path: Path) -> None:
    rest = tmp_path / f"a.part-{os.getpid():06x}00.png"
    rest.write_bytes(b"")
    os.utime(rest, (1, 1))  # before this process began
    remove_parts(tmp_path)
    assert not rest.exists()


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    for name in ("00001.png", "._00001.png", ".00002.png", "00002.png", "Thumbs.db", ".DS_Store"):
        (tmp_path / name).write_bytes(b"")
    for name in ("anna", ".thumbnails", "@eaDir"):
        (tmp_path / name).mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["00001.png", "00002.png"]
    assert [path.name for path in list_folders(tmp_path)] == ["@eaDir", "anna"]


@pytest.mark.parametrize(
    "names",
    [
        [f"img{number}.png" for number in range(1, 15)],
        ["img.png", "img01.jpg", "img1.png", "IMG2.png", "img10.png"],  # mixed widths and cases
        ["shot2_frame9.png", "shot2_frame10.png", "shot10_frame1.png"],  # several numbers
        ["img１.png", "img２.png", "img１０.png"],  # digits of other scripts
        ["a-99999999999999999999998.png", "a-99999999999999999999999.png", "a-100000000000000000000000.png"],
        ["1 (1).png", "1 (2).png", "1 (10).png"],
        ["a.png", "a1b.png", "ab.png"],
    ],
)  # fmt: skip
def test_img2_comes_before_img10(tmp_path: Path, names: list[str]) -> None:
    for name in reversed(names):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in list_pictures(tmp_path)] == names
    assert in_natural_order(reversed(names)) == names


def test_natural_order_is_the_plain_one_for_our_own_names() -> None:
    frames = [f"{number:05d}.png" for number in range(300)]
    assert in_natural_order(reversed(frames)) == sorted(frames)
    faces = [f"{number:05d}_{face}.jpg" for number in range(9) for face in range(3)]
    assert in_natural_order(reversed(faces)) == sorted(faces)
    assert in_natural_order(reversed([*faces, "00009.jpg"])) == sorted([*faces, "00009.jpg"])


def test_a_free_name_is_the_first_that_nothing_has(tmp_path: Path) -> None:
    path = tmp_path / "a.b.mp4"
    assert free_name(path) == path
    path.write_bytes(b"x")
    (tmp_path / "a.b_2.mp4").mkdir()
    assert free_name(path) == tmp_path / "a.b_3.mp4"
