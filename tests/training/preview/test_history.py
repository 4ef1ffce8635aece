"""The preview history: where its pictures are, and that it never holds training up."""

import threading

import numpy as np
import pytest

from dfl.base.pictures import read_picture
from dfl.training.preview import history as history_module
from dfl.training.preview.history import PreviewHistory, history_interval
from dfl.training.preview.loss_graph import GRAPH_HEIGHT


def test_a_picture_for_every_page_and_moment(tmp_path):
    history = PreviewHistory(tmp_path)
    for iteration in (10, 20):
        pages = {name: np.full((40, 90, 3), iteration, np.uint8) for name in ("preview", "préview 2")}
        history.put(pages, np.ones((iteration, 2), np.float32), iteration)
    history.close()
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg"))
    files = ["0000010.jpg", "0000020.jpg", "_last.jpg"]
    assert names == [f"history/{page}/{file}" for page in ("preview", "préview 2") for file in files]
    last = read_picture(tmp_path / "history" / "preview" / "_last.jpg")
    assert last.shape == (GRAPH_HEIGHT + 40, 90, 3)
    assert abs(int(last[-5, 5, 0]) - 20) < 4


def test_a_slow_disk_costs_pictures_not_time(tmp_path, monkeypatch):
    go_on, under_way = threading.Event(), threading.Event()
    written = []

    def slow(path, _):
        under_way.set()
        go_on.wait()
        written.append(path.name)

    monkeypatch.setattr(history_module, "write_picture", slow)
    history = PreviewHistory(tmp_path)
    page, losses = {"preview": np.zeros((8, 90, 3), np.uint8)}, np.ones((1, 2), np.float32)
    history.put(page, losses, 1)
    under_way.wait()
    for iteration in range(2, 10):
        history.put(page, losses, iteration)
    assert history.left_out == 6, "one is being written, two wait"
    go_on.set()
    history.close()
    assert written == ["0000001.jpg", "_last.jpg", "0000002.jpg", "_last.jpg", "0000003.jpg", "_last.jpg"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "history").write_text("in the way")
    history = PreviewHistory(tmp_path)
    history.put({"preview": np.zeros((8, 90, 3), np.uint8)}, np.ones((1, 2), np.float32), 1)
    history.close()
    assert "history" in history.problem


@pytest.mark.parametrize(("resolution", "interval"), [(64, 10), (96, 10), (128, 20), (224, 30), (512, 80)])
def test_the_originals_intervals(resolution, interval):
    assert history_interval(resolution) == interval


@pytest.mark.parametrize(
    "error", [ValueError("bad page"), MemoryError(), KeyError("x"), RuntimeError("from OpenCV")], ids=repr
)
def test_an_error_that_nobody_thought_of_costs_a_moment_and_never_holds_up_the_end(tmp_path, monkeypatch, error):
    written = []

    def write(path, _):
        if path.name == "0000001.jpg":
            raise error
        written.append(path.name)

    monkeypatch.setattr(history_module, "write_picture", write)
    history = PreviewHistory(tmp_path)
    page, losses = {"preview": np.zeros((8, 90, 3), np.uint8)}, np.ones((1, 2), np.float32)
    for iteration in range(1, 4):
        history._waiting.put((page, losses, iteration))
    history.close()
    assert not history._thread.is_alive()
    assert written == ["0000002.jpg", "_last.jpg", "0000003.jpg", "_last.jpg"]
    assert history.left_out == 1
    assert history.problem


def test_a_disk_that_never_answers_does_not_hold_up_the_end(tmp_path, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(history_module, "write_picture", lambda *_: go_on.wait())
    monkeypatch.setattr(history_module, "_END_SECONDS", 0.01)
    history = PreviewHistory(tmp_path)
    for iteration in range(1, 6):
        history.put({"preview": np.zeros((8, 90, 3), np.uint8)}, np.ones((1, 2), np.float32), iteration)
    history.close()
    assert history.problem == "the disk did not respond"
    go_on.set()
