"""Logs that TensorBoard reads back."""

import sys
import types

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import decode_picture
from dfl.training.monitoring.tensorboard_log import TensorBoardLog


def test_losses_and_previews_can_be_read_back(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TensorBoardLog(tmp_path)
    for iteration in range(1, 26):
        log.step(iteration, {"src": float(iteration)})
    log.point(25, {"held_out_src": 0.5})
    log.pages(25, {"preview": np.full((20, 30, 3), 77, np.uint8)})
    log.close()
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert [(point.step, point.value) for point in read.Scalars("src")] == [(10, 5.5), (20, 15.5)]
    assert [(point.step, point.value) for point in read.Scalars("held_out_src")] == [(25, 0.5)]
    picture = decode_picture(read.Images("preview")[0].encoded_image_string, "preview")
    assert picture.shape == (20, 30, 3)
    assert abs(int(picture[5, 5, 0]) - 77) < 3


def test_without_the_package_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(UserError, match="needs the package tensorboard"):
        TensorBoardLog(tmp_path)


class Writer:
    """In the place of TensorBoard's: its thread has ended on a full disk."""

    def __init__(self, *_, **__):
        pass

    def add_event(self, event):
        raise RuntimeError("RESOURCE_EXHAUSTED: No space left on device")

    def close(self):
        raise AssertionError("would wait for a thread that has ended")


@pytest.fixture
def full_disk(monkeypatch):
    def summary(**values):
        return values

    summary.Value = summary.Image = summary
    for name, content in (
        ("tensorboard.compat.proto.event_pb2", {"Event": summary}),
        ("tensorboard.compat.proto.summary_pb2", {"Summary": summary}),
        ("tensorboard.summary.writer.event_file_writer", {"EventFileWriter": Writer}),
    ):
        parts = name.split(".")
        for depth in range(1, len(parts)):
            monkeypatch.setitem(sys.modules, ".".join(parts[:depth]), types.ModuleType(parts[depth - 1]))
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


def test_a_full_disk_ends_the_logs_and_not_training(tmp_path, full_disk):
    heard = []
    log = TensorBoardLog(tmp_path, heard.append)
    for iteration in range(1, 40):
        log.step(iteration, {"src": 1.0})
    log.pages(40, {"preview": np.zeros((20, 30, 3), np.uint8)})
    log.close()
    assert heard == [
        "The logs for TensorBoard end here: RESOURCE_EXHAUSTED: No space left on device. Training goes on."
    ]
