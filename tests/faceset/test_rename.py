import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from dfl.base.errors import UserError
from dfl.faceset.rename import finish_renaming, rename_all
from dfl.workspace import RENAMING, RENAMING_JOURNAL

NAMES = {"a.jpg": "b.jpg", "b.jpg": "c.jpg", "c.jpg": "a.jpg", "d.jpg": "00000.jpg", "e.jpg": "E.jpg"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "al igned é 顔"
    _fill(made)
    return made


def _fill(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for letter in "abcdef":
        (folder / f"{letter}.jpg").write_text(letter)


def _content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


RENAMED = {"b.jpg": "a", "c.jpg": "b", "a.jpg": "c", "00000.jpg": "d", "E.jpg": "e", "f.jpg": "f"}


def test_files_change_places(folder: Path) -> None:
    rename_all(folder, NAMES)
    assert _content(folder) == RENAMED
    rename_all(folder, {name: name for name in RENAMED})
    assert _content(folder) == RENAMED


@pytest.mark.slow
def test_a_killed_run_is_finished_by_the_next(folder: Path, kill_at_every: Any) -> None:
    before = {f"{letter}.jpg": letter for letter in "abcdef"}

    def check(operation: int) -> None:
        found = sorted(path.read_text() for path in folder.rglob("*.jpg"))
        assert found == list("abcdef"), f"files were lost by a kill at operation {operation}"
        finish_renaming(folder)
        left = {name: text for name, text in _content(folder).items() if ".part-" not in name}
        left.pop("renaming.lock", None)
        assert left in (before, RENAMED)
        assert not (folder / RENAMING_JOURNAL).exists()

    count = kill_at_every(lambda: rename_all(folder, NAMES), lambda: _fill(folder), check)
    assert count > 2 * len(NAMES)


@pytest.mark.slow
def test_a_run_that_was_killed_while_finishing_another_is_finished_too(folder: Path, kill_at_every: Any) -> None:
    aside = folder / RENAMING

    def half_done() -> None:
        _fill(folder)
        aside.mkdir()
        (folder / "a.jpg").rename(aside / "b.jpg")
        journal = {"format": 1, "names": NAMES, "round": 1, "tables": []}
        (folder / RENAMING_JOURNAL).write_text(json.dumps(journal))

    def check(operation: int) -> None:
        finish_renaming(folder)
        (folder / "renaming.lock").unlink(missing_ok=True)
        assert {name: text for name, text in _content(folder).items() if ".part-" not in name} == RENAMED

    assert kill_at_every(lambda: finish_renaming(folder), half_done, check) > len(NAMES)


@pytest.mark.parametrize(
    "names",
    [
        {"a.jpg": "f.jpg"},  # f stays
        {"a.jpg": "F.JPG"},  # the same on Windows
        {"a.jpg": "x.jpg", "b.jpg": "X.jpg"},
        {"gone.jpg": "x.jpg"},
        {"a.jpg": "../x.jpg"},
        {"a.jpg": "nul.jpg"},
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_touched(folder: Path, names: dict[str, str]) -> None:
    before = _content(folder)
    with pytest.raises(UserError):
        rename_all(folder, names)
    assert _content(folder) == before


def test_a_file_in_the_way_is_not_overwritten(folder: Path) -> None:
    (folder / RENAMING).mkdir()
    (folder / "a.jpg").rename(folder / RENAMING / "f.jpg")
    (folder / RENAMING_JOURNAL).write_text(
        json.dumps({"format": 1, "names": {"a.jpg": "f.jpg"}, "round": 2, "tables": []})
    )
    with pytest.raises(UserError, match="in the way"):
        finish_renaming(folder)
    (folder / "f.jpg").unlink()
    assert finish_renaming(folder)
    assert (folder / "f.jpg").read_text() == "a"


def test_files_of_unknown_origin_in_the_folder_aside_are_kept(folder: Path) -> None:
    (folder / RENAMING).mkdir()
    (folder / RENAMING / "z.jpg").write_text("z")
    with pytest.raises(UserError, match="holds files"):
        rename_all(folder, NAMES)
    assert (folder / RENAMING / "z.jpg").read_text() == "z"


def test_two_programs_do_not_rename_at_once(folder: Path) -> None:
    with FileLock(folder / "renaming.lock"), pytest.raises(UserError, match="Another program"):
        rename_all(folder, NAMES)
    assert (folder / "a.jpg").read_text() == "a"


@pytest.mark.parametrize(
    "journal",
    [
        "",
        "[]",
        '{"format": 1}',
        '{"format": 2, "names": {}, "round": 1, "tables": []}',
        '{"format": 1, "names": {"a.jpg": "../x"}, "round": 1, "tables": []}',
        '{"format": 1, "names": {"../a.jpg": "x"}, "round": 1, "tables": []}',
        '{"format": 1, "names": {"..": "x"}, "round": 1, "tables": []}',
        '{"format": 1, "names": {"a.jpg": "x", "b.jpg": "X"}, "round": 1, "tables": []}',
    ],
)
def test_a_damaged_or_hostile_journal_is_refused(folder: Path, journal: str) -> None:
    (folder / RENAMING_JOURNAL).write_text(journal)
    with pytest.raises(UserError):
        finish_renaming(folder)
    assert (folder / "a.jpg").read_text() == "a"
