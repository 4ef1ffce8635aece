import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dfl.base import locks
from dfl.base.errors import UserError
from dfl.base.locks import Held, hold_file, hold_folders, running

_HOLDER = """
import sys
from pathlib import Path
from dfl.base.locks import hold_folders

with hold_folders(Path(sys.argv[1]), "sort dst", (), ("data_dst/aligned",), print):
    print("begun", flush=True)
    sys.stdin.readline()
"""


def _unheard(text: str) -> None:
    raise AssertionError(text)


def _hold(folder: Path, stage: str, reads: tuple[str, ...] = (), writes: tuple[str, ...] = ()):
    return hold_folders(folder, stage, reads, writes, _unheard)


def _started(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    return process


def test_a_stage_started_twice_is_told_that_the_first_is_running(tmp_path: Path) -> None:
    with _started(tmp_path) as process:
        with (
            pytest.raises(UserError, match=rf"sort dst \(process {process.pid}, since \d\d:\d\d\) is running already"),
            _hold(tmp_path, "sort dst", (), ("data_dst/aligned",)),
        ):
            pass
        assert [holder.stage for holder in running(tmp_path)] == ["sort dst"]
        process.communicate("\n")
    assert running(tmp_path) == []
    with _hold(tmp_path, "sort dst", (), ("data_dst/aligned",)):
        pass
    assert [path.name for path in tmp_path.iterdir() if path.name != "start.lock"] == []


def test_a_killed_stage_leaves_nothing_that_others_wait_for(tmp_path: Path) -> None:
    with _started(tmp_path) as process:
        process.kill()
    with _hold(tmp_path, "sort dst", (), ("data_dst/aligned",)):
        assert len(running(tmp_path)) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"start.lock"}


@pytest.mark.parametrize(
    ("reads", "writes", "goes"),
    [
        (("data_dst/aligned",), (), False),  # train while the faces are sorted
        ((), ("data_dst/aligned",), False),
        (("data_dst",), ("data_dst/aligned_mask",), True),
        (("data_src/aligned",), ("data_src",), True),
        ((), (), True),  # doctor, models list, verify never wait
    ],
)
def test_a_part_is_written_by_one_and_read_by_nobody_meanwhile(
    tmp_path: Path, reads: tuple[str, ...], writes: tuple[str, ...], goes: bool
) -> None:
    with _hold(tmp_path, "sort dst", (), ("data_dst/aligned",)):
        if goes:
            with _hold(tmp_path, "another", reads, writes):
                pass
        else:
            with (
                pytest.raises(UserError, match=r"data_dst/aligned cannot be .* now: sort dst \(process"),
                _hold(tmp_path, "another", reads, writes),
            ):
                pass


def test_many_may_read(tmp_path: Path) -> None:
    with _hold(tmp_path, "train", ("data_dst/aligned",)), _hold(tmp_path, "train", ("data_dst/aligned",)):
        assert len(running(tmp_path)) == 2
        with (
            pytest.raises(UserError, match="cannot be changed now: train"),
            _hold(tmp_path, "sort dst", (), ("data_dst/aligned",)),
        ):
            pass


def test_a_file_is_held_once_and_its_holder_named(tmp_path: Path) -> None:
    with hold_file(tmp_path / "training.lock", "train"):
        with pytest.raises(Held) as held, hold_file(tmp_path / "training.lock", "models"):
            pass
        assert held.value.holder
        assert (held.value.holder.stage, held.value.holder.pid) == ("train", os.getpid())
    with hold_file(tmp_path / "training.lock"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"stage": 1}', "[" * 100_000])
def test_a_damaged_note_of_a_holder_keeps_nobody_away(tmp_path: Path, content: str) -> None:
    with _hold(tmp_path, "sort dst", (), ("data_dst/aligned",)):
        (note,) = tmp_path.glob("*.json")
        note.write_text(content)
        with _hold(tmp_path, "sort dst", (), ("data_dst/aligned",)):
            pass


def _refuse(number: int) -> Callable[..., None]:
    def acquire(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return acquire


def test_a_network_folder_without_locks_is_said_and_worked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks.FileLock, "acquire", _refuse(errno.ENOLCK))
    heard: list[str] = []
    with hold_folders(tmp_path, "sort dst", (), ("data_dst/aligned",), heard.append):
        assert len(heard) == 1
        assert "cannot lock files" in heard[0]


def test_a_place_where_no_lock_can_be_written_is_worked_in_silently(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with _hold(tmp_path / "logs" / "running", "inspect", ("data_dst/aligned",), ("inspect.html",)):
        pass
