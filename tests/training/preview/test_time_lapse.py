"""The time-lapse of a preview history."""

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import write_picture
from dfl.models.checkpoint import Checkpoint, model_folder, write_checkpoint
from dfl.training.options import TimeLapseOptions
from dfl.training.preview.time_lapse import run
from dfl.video.marking import read_marks
from dfl.video.read_clip import open_clip
from tests.recording_report import RecordingReport


@pytest.fixture
def folder(workspace):
    place = model_folder(workspace.model, "new", "SAEHD")
    write_checkpoint(place, Checkpoint("SAEHD", {}, 1, {"w": np.zeros(4, np.float32)}))
    return place


def put(folder, shades, size=(120, 160), page="preview"):
    (folder / "history" / page).mkdir(parents=True, exist_ok=True)
    for iteration, shade in shades.items():
        write_picture(folder / "history" / page / f"{iteration:07d}.jpg", np.full((*size, 3), shade, np.uint8))


def frames_of(path):
    with open_clip(path) as container:
        return [(float(frame.time), frame.to_ndarray(format="bgr24")[60, 80, 0]) for frame in container.decode(video=0)]


def test_pictures_in_order_of_iterations_and_marked_as_made(workspace, folder):
    put(folder, {1: 20, 10: 60, 9999999: 140, 10000000: 200})
    put(folder, {1: 0}, page="preview_masked")
    write_picture(folder / "history" / "preview" / "_last.jpg", np.zeros((120, 160, 3), np.uint8))
    heard = RecordingReport()
    run(workspace, TimeLapseOptions(fps=10), heard)
    found = frames_of(folder / "time-lapse_preview.mp4")
    assert [round(time, 3) for time, _ in found] == [0, 0.1, 0.2, 0.3]
    assert np.allclose([int(shade) for _, shade in found], [20, 60, 140, 200], atol=4)
    assert {"tag", "XMP"} <= set(read_marks(folder / "time-lapse_preview.mp4").layers)
    assert heard.lines[-1].endswith("4 pictures, 2.4 s.")


def test_pictures_of_another_layout_and_broken_ones(workspace, folder):
    put(folder, {1: 90, 3: 90}, size=(40, 40))
    put(folder, {2: 100, 4: 100})
    (folder / "history" / "preview" / "0000002.jpg").write_bytes(b"broken")
    heard = RecordingReport()
    run(workspace, TimeLapseOptions(), heard)
    assert len(frames_of(folder / "time-lapse_preview.mp4")) == 3
    assert any("0000002.jpg" in line and "left out" in line for line in heard.lines)


def test_what_is_missing_is_said(workspace, folder):
    with pytest.raises(UserError, match="has no preview history"):
        run(workspace, TimeLapseOptions(), RecordingReport())
    put(folder, {1: 1})
    with pytest.raises(UserError, match="has no page other"):
        run(workspace, TimeLapseOptions(page="other"), RecordingReport())
    with pytest.raises(UserError, match="no such model"):
        run(workspace, TimeLapseOptions(name="other"), RecordingReport())
