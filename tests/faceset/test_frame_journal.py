import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl.faceset.cut_journal import FrameCuts, cut_frame
from dfl.faceset.found_faces import found_frame
from dfl.faceset.frame_journal import FrameJournal, journal_files, note, read_journal, start_journal

OPTIONS = {"face_type": "wf", "image_size": 512}
ONE = FrameCuts("00001.png", "0123456789abcdef", 1)
TWO = FrameCuts("Bild ü 顔.png", "fedcba9876543210", 0, ("Bild ü 顔_0.jpg",))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "extraction.jsonl"


def _start(file: Path) -> FrameJournal[FrameCuts]:
    return start_journal(file, OPTIONS, cut_frame)


def _read(file: Path) -> FrameJournal[FrameCuts]:
    journal = read_journal(file, cut_frame)
    assert journal
    return journal


def test_what_was_noted_is_read_again(file: Path) -> None:
    journal = _start(file)
    note(file, [ONE])
    note(file, [TWO])
    journal.gather()
    assert journal.entries == {ONE.frame: ONE, TWO.frame: TWO}
    assert journal_files(file) == {"extraction.jsonl"}
    assert _read(file) == journal
    assert _read(file).options == OPTIONS


def test_the_last_word_on_a_frame_counts(file: Path) -> None:
    _start(file)
    later = FrameCuts(ONE.frame, "another", 2)
    note(file, [ONE])
    _read(file)
    note(file, [later])
    assert _read(file).entries == {ONE.frame: later}


def _notes(file: Path) -> Path:
    (name,) = journal_files(file) - {file.name}
    return file.with_name(name)


# Bytes that a kill took from the end.
@pytest.mark.parametrize("torn", [2, 5, 40])
def test_a_torn_line_is_done_again(file: Path, torn: int) -> None:
    _start(file)
    note(file, [ONE, TWO])
    _notes(file).write_bytes(_notes(file).read_bytes()[:-torn])
    journal = _read(file)
    assert journal.entries == {ONE.frame: ONE}
    note(file, [TWO])
    journal.gather()
    assert journal.entries == {ONE.frame: ONE, TWO.frame: TWO}


def test_a_new_journal_forgets_the_old_one(file: Path) -> None:
    start_journal(file, {"image_size": 256}, cut_frame)
    note(file, [ONE])
    _start(file)
    assert _read(file).entries == {}
    assert _read(file).options == OPTIONS


def test_no_journal_and_one_without_its_head_give_none(file: Path) -> None:
    assert read_journal(file, cut_frame) is None
    file.write_bytes(b"\0" * 400)
    assert read_journal(file, cut_frame) is None


_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["frame", "facts", "faces", "digest", "rejected", "cut", "box", "landmarks", "confidence", "thumbnail"]
            ),
            inner,
            max_size=8,
        )
    ),
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), _ANY_JSON.map(lambda value: json.dumps(value).encode()))))
def test_no_line_whatever_it_holds_breaks_a_reader(file: Path, lines: list[bytes]) -> None:
    _start(file)
    note(file, [ONE])
    with _notes(file).open("ab") as notes:
        notes.write(b"\n".join(lines))
    assert ONE.frame in _read(file).entries
    assert read_journal(file, found_frame) is not None
