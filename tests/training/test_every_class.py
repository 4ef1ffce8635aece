"""A small run of every class of model, as users do it: past iteration 500, over a restart, and all that reads it."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.faceset.aligned_face import read_metadata, with_metadata
from dfl.faceset.segmentation import Polygon
from dfl.models.backups import list_backups, make_backup
from dfl.models.checkpoint import Checkpoint, model_folder, read_checkpoint
from dfl.models.engine import start_engine
from dfl.models.options import QUICK96, XSEG_SIZE
from dfl.training.compare_snapshots import SHEET
from dfl.training.compare_snapshots import run as compare
from dfl.training.options import CompareOptions, TrainOptions
from dfl.training.train import run
from tests.models.compiled_functions import not_compiled
from tests.recording_report import RecordingReport
from tests.training.drawn_faces import make_faceset

start_engine("tensorflow")

from dfl.models.open_model import open_model, open_xseg  # noqa: E402

DIMS = {"resolution": 32, "ae_dims": 8, "e_dims": 4, "d_dims": 4, "d_mask_dims": 2, "write_preview_history": True}
GAN = {"gan_power": 0.01, "gan_patch_size": 4, "gan_dims": 4}
# By the plan, which is df's, the GAN comes last, and the step is built anew for it.
THROUGHOUT = GAN | {"plan": "none"}
KINDS: dict[str, dict[str, Any]] = {
    "df": {"model": "SAEHD", "archi": "df-ud", **DIMS, **GAN, "true_face_power": 0.01, "eyes_mouth_prio": True},
    "liae": {"model": "SAEHD", "archi": "liae-udt", **DIMS, **THROUGHOUT, "retrain_high_loss": True, "lr_dropout": "y"},
    "AMP": {"model": "AMP", **DIMS, **THROUGHOUT, "inter_dims": 16},
    "Quick96": {"model": "Quick96"},
    "XSeg": {"model": "XSeg"},
}
# So many faces that three of each side are held out, in batches of two and one.
FACES, HELD_OUT, BATCH = 320, 3, 2


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Of the classes without options for it."""
    for name, value in {"ae_dims": 8, "e_dims": 4, "d_dims": 4, "d_mask_dims": 2}.items():
        monkeypatch.setitem(QUICK96, name, value)
    for name, value in {"base": 2, "resolution": 64}.items():
        monkeypatch.setitem(XSEG_SIZE, name, value)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> dict[str, Path]:
    """Facesets of both sides, their faces labelled."""
    folders = {}
    for side, colour in (("src", (90, 140, 220)), ("dst", (200, 180, 120))):
        folders[side] = tmp_path_factory.mktemp(side)
        make_faceset(folders[side], colour, FACES)
        for path in list_pictures(folders[side])[:20]:
            metadata = read_metadata(path.read_bytes(), path.name)
            outline = metadata.landmarks[[*range(17), *range(26, 16, -1)]]
            path.write_bytes(with_metadata(path.read_bytes(), replace(metadata, polygons=(Polygon(True, outline),))))
    return folders


def train(workspace, options: dict[str, Any], target: int) -> tuple[Checkpoint, str]:
    heard = RecordingReport()
    how = {"batch_size": BATCH, "seed": 7, "preview": "none", "engine": "tensorflow", "held_out": HELD_OUT}
    run(workspace, TrainOptions(**(how | options | {"target_iter": target})), heard)
    name = "XSeg" if options["model"] == "XSeg" else "new"
    return read_checkpoint(model_folder(workspace.model, name, options["model"])), "\n".join(heard.lines)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_past_iteration_500_saves_starts_again_and_is_read(workspace, drawn, kind):
    options = KINDS[kind]
    swaps = options["model"] != "XSeg"
    for side, folder in drawn.items():
        shutil.copytree(folder, workspace.aligned(side), dirs_exist_ok=True)
    first, text = train(workspace, options, 503)
    folder = model_folder(workspace.model, "new" if swaps else "XSeg", options["model"])
    assert (first.iteration, len(first.history)) == (503, 503)
    assert np.isfinite(first.history).all()
    assert first.history[-50:].mean() < first.history[:50].mean()
    make_backup(folder)
    with not_compiled():  # the steps are those of the first run, and five are not worth the seconds of compiling them
        again, text_again = train(workspace, {"model": options["model"]}, 508)
    assert again.iteration == 508
    assert np.array_equal(again.history[:503], first.history)
    assert again.optimizer["steps"] == 508
    assert sorted(again.weights) == sorted(first.weights)
    for told in (text, text_again):
        assert "left out" not in told
        assert "went back" not in told
        assert "Target reached" in told
    assert (folder / "history.csv").read_text().count("\n") == 509
    assert read_picture(folder / "preview.png").size
    assert [backup.iteration for backup in list_backups(folder)] == [503]

    if not swaps:
        model = open_xseg(workspace.model, None, RecordingReport())
        for count in (3, 1, 2):
            assert model.predict(np.zeros((count, 64, 64, 3), np.float32)).shape == (count, 64, 64, 1)
        return
    assert "Held out of training: 3 of each side" in text
    assert "held out" in text_again
    swap = open_model(workspace.model, None, None, None, RecordingReport())
    faces = np.random.default_rng(1).random((3, swap.resolution, swap.resolution, 3), np.float32)
    for count in (3, 1, 2):
        assert swap.predict(faces[:count]).face.shape == faces[:count].shape
    heard = RecordingReport()
    compare(workspace, CompareOptions(faces=5), heard)  # batches of four and one
    rows = [line.split() for line in heard.lines if line.startswith(("backup", "newest"))]
    assert [row[:-3] for row in rows] == [["backup", "01", "503"], ["newest", "508"]]
    assert np.isfinite([float(number) for row in rows for number in row[-3:]]).all()
    assert read_picture(folder / SHEET).size
