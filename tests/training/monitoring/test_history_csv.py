"""history.csv survives whatever happened to the run before."""

import errno

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.training.monitoring.history_csv import HistoryCsv

NAMES = ("src", "dst")


def losses(count: int) -> np.ndarray:
    return np.arange(2 * count, dtype=np.float32).reshape(-1, 2)


def row(number: int) -> dict[str, float]:
    """The losses of an iteration by name."""
    return dict(zip(NAMES, losses(number)[number - 1], strict=True))


def written(folder, upto: int):
    """A file of a run that saved at `upto`."""
    file = HistoryCsv(folder, NAMES, 0, losses(0))
    for iteration in range(1, upto + 1):
        file.add(iteration, 0.5, row(iteration))
    file.append()
    return file


def rows(folder) -> list[list[str]]:
    return [line.split(",") for line in (folder / "history.csv").read_text().splitlines()[1:]]


def test_seconds_and_losses(tmp_path):
    written(tmp_path, 3).append()
    assert (tmp_path / "history.csv").read_text() == (
        "iteration,seconds,src,dst,held_out_src,held_out_dst\n1,0.5000,0,1,,\n2,0.5000,2,3,,\n3,0.5000,4,5,,\n"
    )


def test_lines_of_a_save_that_was_not_written_are_filled_in(tmp_path):
    written(tmp_path, 3)
    HistoryCsv(tmp_path, NAMES, 5, losses(5))
    assert [row[:3] for row in rows(tmp_path)][2:] == [["3", "0.5000", "4"], ["4", "", "6"], ["5", "", "8"]]


def test_lines_after_the_set_are_cut_off(tmp_path):
    written(tmp_path, 9)
    HistoryCsv(tmp_path, NAMES, 4, losses(4))
    assert [int(row[0]) for row in rows(tmp_path)] == [1, 2, 3, 4]


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_torn_end_is_mended(tmp_path, cut):
    written(tmp_path, 6)
    path = tmp_path / "history.csv"
    path.write_bytes(path.read_bytes()[:-cut])
    HistoryCsv(tmp_path, NAMES, 6, losses(6))
    assert [[int(row[0]), float(row[2]), float(row[3])] for row in rows(tmp_path)] == [
        [iteration, 2 * iteration - 2, 2 * iteration - 1] for iteration in range(1, 7)
    ]


def test_a_long_file_is_cut_far_from_its_end(tmp_path):
    written(tmp_path, 9000)
    assert (tmp_path / "history.csv").stat().st_size > 2 * 2**16
    HistoryCsv(tmp_path, NAMES, 3, losses(3))
    assert [int(row[0]) for row in rows(tmp_path)] == [1, 2, 3]


@given(st.binary(max_size=400), st.integers(0, 9))
def test_any_rubbish_behind_is_cut_off(tmp_path_factory, rubbish, saved_at):
    folder = tmp_path_factory.mktemp("csv")
    written(folder, 9)
    with (folder / "history.csv").open("ab") as handle:
        handle.write(b"x" + rubbish.replace(b"\n", b"") + b"\n")
    HistoryCsv(folder, NAMES, saved_at, losses(saved_at))
    assert [int(row[0]) for row in rows(folder)] == list(range(1, saved_at + 1))


def test_an_imported_model_begins_where_its_history_does(tmp_path):
    HistoryCsv(tmp_path, NAMES, 1000, losses(2))
    assert [row[:4] for row in rows(tmp_path)] == [["999", "", "0", "1"], ["1000", "", "2", "3"]]


def test_a_file_of_other_columns_is_kept_aside(tmp_path):
    (tmp_path / "history.csv").write_text("my,own\n1,2\n")
    written(tmp_path, 1)
    assert (tmp_path / "history-1.csv").read_text() == "my,own\n1,2\n"
    assert len(rows(tmp_path)) == 1


OLD = "iteration,seconds,src,dst,held_out_src,held_out_dst\n1,0.5000,0,1,,\n2,0.5000,2,3,7,8\n"


def test_terms_get_columns_behind_and_rows_before_them_stay(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(OLD + "3,0.50")
    file = HistoryCsv(tmp_path, NAMES, 2, losses(2))
    assert path.read_text() == OLD, "nothing changes before there is a term to write"
    file.add(3, 0.5, row(3) | {"src/dssim": 0.25})
    file.add_validation((9.0, 10.0))
    file.append()
    file.add(4, 0.5, row(4) | {"src/dssim": 0.125, "gan/generator": 3.0})
    file.append()
    again = HistoryCsv(tmp_path, NAMES, 4, losses(4))
    again.add(5, 0.5, row(5))
    again.append()
    assert path.read_text() == (
        "iteration,seconds,src,dst,held_out_src,held_out_dst,src/dssim,gan/generator\n"
        "1,0.5000,0,1,,,,\n2,0.5000,2,3,7,8,,\n3,0.5000,4,5,9,10,0.25,\n4,0.5000,6,7,,,0.125,3\n5,0.5000,8,9,,,,\n"
    )


def test_a_disk_that_fills_up_while_columns_are_added_loses_no_row(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    path.write_text(OLD)
    said: list[str] = []
    file = HistoryCsv(tmp_path, NAMES, 2, losses(2), said.append)
    file.add(3, 0.5, row(3) | {"src/dssim": 0.25})
    with monkeypatch.context() as patch:

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr("dfl.base.files.move_over", full)
        file.append()
        file.append()
    assert len(said) == 1
    assert "history.csv cannot be written" in said[0]
    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path], "no half-written file stays"
    file.append()
    assert [line[:4] + line[6:] for line in rows(tmp_path)] == [
        ["1", "0.5000", "0", "1", ""], ["2", "0.5000", "2", "3", ""], ["3", "0.5000", "4", "5", "0.25"]
    ]  # fmt: skip


def test_going_back_forgets(tmp_path):
    file = written(tmp_path, 5)
    file.add(6, 1.0, row(1))
    file.forget(3)
    file.add(4, 1.0, row(1))
    file.append()
    assert [int(row[0]) for row in rows(tmp_path)] == [1, 2, 3, 4]


@pytest.fixture
def lock(tmp_path):
    """Makes history.csv a file that nobody can write to, as Excel does, and back; the tests may run as root."""
    path, away = tmp_path / "history.csv", tmp_path / "away"

    def change(is_locked: bool) -> None:
        if is_locked:
            if path.exists():
                path.rename(away)
            path.mkdir()
        else:
            path.rmdir()
            if away.exists():
                away.rename(path)

    return change


def test_a_spreadsheet_that_has_it_open_stops_neither_start_nor_save(tmp_path, lock):
    written(tmp_path, 3)
    lock(True)
    said: list[str] = []
    file = HistoryCsv(tmp_path, NAMES, 5, losses(5), said.append)
    for iteration in (6, 7):
        file.add(iteration, 0.5, row(iteration))
        file.append()
    assert len(said) == 1
    assert "history.csv cannot be written" in said[0]
    lock(False)
    file.add(8, 0.5, row(8))
    file.append()
    assert [row[:3] for row in rows(tmp_path)][2:] == [
        ["3", "0.5000", "4"], ["4", "", "6"], ["5", "", "8"], ["6", "0.5000", "10"], ["7", "0.5000", "12"],
        ["8", "0.5000", "14"],
    ]  # fmt: skip
    lock(True)
    file.add(9, 0.5, row(9))
    file.append()
    assert len(said) == 2, "it is said again when it happens again"


def test_a_line_that_was_half_written_is_written_once(tmp_path, lock):
    file = written(tmp_path, 3)
    lock(True)
    file.add(4, 0.5, row(4))
    file.append()
    lock(False)
    with (tmp_path / "history.csv").open("ab") as handle:
        handle.write(b"4,0.50")  # as a full disk leaves it
    file.append()
    assert [row[:3] for row in rows(tmp_path)][2:] == [["3", "0.5000", "4"], ["4", "0.5000", "6"]]


def test_going_back_while_it_cannot_be_written(tmp_path, lock):
    file = written(tmp_path, 5)
    lock(True)
    file.add(6, 1.0, row(6))
    file.append()
    file.forget(3)
    file.add(4, 1.0, row(1))
    lock(False)
    file.append()
    assert [(row[0], row[1]) for row in rows(tmp_path)][2:] == [("3", "0.5000"), ("4", "1.0000")]
