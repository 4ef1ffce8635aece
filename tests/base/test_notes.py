import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfl.base.notes import gathering, note, notes_of, read_notes

_NOTES = """
import sys
from pathlib import Path
from dfl.base.notes import note

for number in range(3000):
    note(Path(sys.argv[1]), f"{number}\\n")
"""


def lines(file: Path) -> list[str]:
    return [line for path in notes_of(file) for line in read_notes(path).decode().splitlines()]


def gathered(file: Path) -> list[str]:
    with gathering(file) as notes:
        return [line for content in notes for line in content.decode().splitlines()]


def test_lines_noted_while_others_are_gathered_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "faceset.json"
    note(file, "read\n")
    handle = notes_of(file)[0].open("ab") if os.name != "nt" else None
    with gathering(file) as notes:
        assert notes == [b"read\n"]
        note(file, "meanwhile\n")
        if handle:  # a process that had the file open before it was taken away
            handle.write(b"late\n")
            handle.flush()
    assert sorted(lines(file)) == (["late", "meanwhile"] if handle else ["meanwhile"])
    if handle:
        handle.close()
    assert sorted(gathered(file)) == (["late", "meanwhile"] if handle else ["meanwhile"])
    assert not notes_of(file)


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no file that is open")
def test_a_line_that_came_too_late_for_its_file_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "faceset.json"
    real, deleted = os.fstat, []

    def fstat(descriptor: int) -> os.stat_result:
        if not deleted:  # between writing and looking
            deleted.extend(notes_of(file))
            deleted[0].unlink()
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", fstat)
    note(file, "a\n")
    assert deleted
    assert lines(file) == ["a"]


def test_nothing_is_lost_between_programs_that_note_and_one_that_gathers(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", _NOTES, str(file)]) for _ in range(2)]
    found: list[str] = []
    while any(writer.poll() is None for writer in writers):
        found += gathered(file)
    found += gathered(file)
    assert sorted(set(found), key=int) == [str(number) for number in range(3000)]
    assert len(found) >= 6000
    assert [writer.returncode for writer in writers] == [0, 0]


def test_what_is_gathered_stays_when_it_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    note(file, "a\n")

    def fail() -> None:
        with gathering(file):
            raise OSError

    with pytest.raises(OSError):
        fail()
    assert lines(file) == ["a"]


def test_files_of_the_users_are_no_notes(tmp_path: Path) -> None:
    file = tmp_path / "faceset.json"
    for name in ("faceset-old.jsonl", "faceset-2024-05.jsonl", "faceset-7 copy.jsonl", "xfaceset-7.jsonl"):
        (tmp_path / name).write_text("mine\n")
    assert notes_of(file) == []
    assert gathered(file) == []
    assert len(list(tmp_path.iterdir())) == 4
