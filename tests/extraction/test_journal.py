import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl.extraction.journal import (
    Finished,
    FrameFacts,
    journal_files,
    note,
    read_frame,
    read_journal,
    start_journal,
)

OPTIONS = {"face_type": "wf", "image_size": 512}
ONE = Finished("00001.png", FrameFacts(10, 1_700_000_000_123_456_789, 7), 1)
TWO = Finished("Bild ü 顔.png", FrameFacts(11, 2, 8), 0)


def test_what_was_noted_is_read_again(tmp_path: Path) -> None:
    journal = start_journal(tmp_path, OPTIONS)
    note(tmp_path, ONE)
    note(tmp_path, TWO)
    journal.gather()
    assert journal.finished == {ONE.frame: ONE, TWO.frame: TWO}
    assert journal_files(tmp_path) == {"extraction.jsonl"}
    again = read_journal(tmp_path)
    assert again == journal
    assert again.options == OPTIONS


def test_the_last_word_on_a_frame_counts(tmp_path: Path) -> None:
    start_journal(tmp_path, OPTIONS)
    later = Finished(ONE.frame, FrameFacts(99, 3, 4), 2)
    for frame in (ONE, later):
        note(tmp_path, frame)
        journal = read_journal(tmp_path)
    assert journal
    assert journal.finished == {ONE.frame: later}


def _notes(folder: Path) -> Path:
    (name,) = journal_files(folder) - {"extraction.jsonl"}
    return folder / name


# Bytes that a kill took from the end.
@pytest.mark.parametrize("torn", [2, 5, 40])
def test_a_torn_line_is_done_again(tmp_path: Path, torn: int) -> None:
    start_journal(tmp_path, OPTIONS)
    note(tmp_path, ONE)
    note(tmp_path, TWO)
    _notes(tmp_path).write_bytes(_notes(tmp_path).read_bytes()[:-torn])
    journal = read_journal(tmp_path)
    assert journal
    assert journal.finished == {ONE.frame: ONE}
    note(tmp_path, TWO)
    journal.gather()
    assert journal.finished == {ONE.frame: ONE, TWO.frame: TWO}


def test_a_new_journal_forgets_the_old_one(tmp_path: Path) -> None:
    start_journal(tmp_path, {"image_size": 256})
    note(tmp_path, ONE)
    start_journal(tmp_path, OPTIONS)
    journal = read_journal(tmp_path)
    assert journal
    assert journal.finished == {}
    assert journal.options == OPTIONS


def test_no_journal_and_one_without_its_head_give_none(tmp_path: Path) -> None:
    assert read_journal(tmp_path) is None
    (tmp_path / "extraction.jsonl").write_bytes(b"\0" * 400)
    assert read_journal(tmp_path) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["frame", "facts", "faces", "size", "mtime_ns", "crc", "x"]), inner, max_size=6
                    )
                ),
            ).map(lambda value: json.dumps(value).encode()),
        )
    )
)
def test_no_line_whatever_it_holds_breaks_the_reader(tmp_path: Path, lines: list[bytes]) -> None:
    start_journal(tmp_path, OPTIONS)
    note(tmp_path, ONE)
    with _notes(tmp_path).open("ab") as file:
        file.write(b"\n".join(lines))
    journal = read_journal(tmp_path)
    assert journal
    assert ONE.frame in journal.finished


def test_a_frame_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"123456789")
    content, facts = read_frame(tmp_path / "a.png")
    assert content == b"123456789"
    assert (facts.size, facts.crc) == (9, 0xCBF43926)  # the check value of CRC-32
