"""What was merged is remembered, whatever a crash or another program left in the file."""

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl.merging.running.merge_journal import MergeJournal, name_of

HOW: dict[str, Any] = {"faces": [{"model": "a", "iteration": 5, "mode": "overlay"}], "mark": True}
OTHER: dict[str, Any] = {"faces": [{"model": "a", "iteration": 6, "mode": "overlay"}], "mark": True}
STEMS = ("00001", "Bäum 2", "3")


def write(path: Path, stems: tuple[str, ...], how: dict[str, Any] = HOW) -> None:
    with MergeJournal(path) as journal:
        for stem in stems:
            journal.add(stem, f"source {stem}", how)


def known(path: Path, how: dict[str, Any] = HOW) -> list[bool]:
    journal = MergeJournal(path)
    return [journal.has(stem, f"source {stem}", how) for stem in STEMS]


def test_frames_are_remembered_over_several_runs_and_ways(tmp_path: Path) -> None:
    path = tmp_path / "merge.journal"
    write(path, STEMS[:1])
    write(path, STEMS[1:2], OTHER)
    assert known(path) == [True, False, False]
    assert known(path, OTHER) == [False, True, False]
    assert MergeJournal(path).signature_of("Bäum 2") == OTHER
    assert MergeJournal(path).signature_of("3") is None


def test_another_source_or_way_is_not_done(tmp_path: Path) -> None:
    path = tmp_path / "merge.journal"
    write(path, STEMS)
    journal = MergeJournal(path)
    assert not journal.has("3", "another source", HOW)
    assert not journal.has("3", "source 3", OTHER)
    write(path, ("3",), OTHER)
    assert known(path) == [True, True, False]


def test_a_way_is_the_same_whatever_the_order_of_its_parts() -> None:
    assert name_of({"a": 1, "b": 2}) == name_of({"b": 2, "a": 1}) != name_of({"a": 1, "b": 3})


def test_ways_nobody_has_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "merge.journal"
    write(path, STEMS)
    write(path, STEMS, OTHER)
    with MergeJournal(path) as journal:
        assert journal.stems == set(STEMS)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(STEMS)
    assert known(path, OTHER) == [True, True, True]


def test_a_line_that_was_cut_off_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "merge.journal"
    write(path, STEMS)
    path.write_bytes(path.read_bytes()[:-4])
    assert known(path) == [True, True, False]
    write(path, ())
    assert known(path) == [True, True, False]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='{}[]",:01\nnulokade', max_size=80).map(str.encode)))
def test_any_file_in_its_place_is_harmless(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "merge.journal"
    path.write_bytes(content)
    assert known(path) == [False, False, False]
    write(path, STEMS[:1])
    assert known(path) == [True, False, False]


def test_a_way_without_a_name_of_its_own_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "merge.journal"
    path.write_text('["00001", "source 00001", "' + name_of(HOW) + '"]\n', encoding="utf-8")
    assert known(path) == [False, False, False]
