"""Snapshots of a model compared, as a user does it."""

import subprocess
import sys

import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture
from dfl.models.backups import make_backup
from dfl.models.checkpoint import model_folder
from dfl.models.engine import start_engine
from dfl.training.compare_snapshots import SHEET, run
from dfl.training.options import CompareOptions, TrainOptions
from dfl.training.train import run as train
from tests.recording_report import RecordingReport
from tests.training.drawn_faces import make_faceset

start_engine("tensorflow")

SAEHD = {"resolution": 32, "archi": "df-u", "ae_dims": 16, "e_dims": 8, "d_dims": 8, "d_mask_dims": 4}
AMP = {"model": "AMP", "resolution": 32, "ae_dims": 16, "inter_dims": 16, "e_dims": 8, "d_dims": 8, "d_mask_dims": 4}


@pytest.mark.slow
@pytest.mark.parametrize("options", [SAEHD, AMP])
def test_the_table_and_the_sheet(workspace, options):
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    make_faceset(workspace.aligned("dst"), (200, 180, 120))
    folder = model_folder(workspace.model, "new", options.get("model", "SAEHD"))
    for target in (1, 40):
        train(
            workspace,
            TrainOptions(**options, batch_size=2, seed=7, target_iter=target, preview="none"),
            RecordingReport(),
        )
        make_backup(folder)
    heard = RecordingReport()
    run(workspace, CompareOptions(faces=4), heard)
    table = [line.split() for line in heard.lines if line.startswith(("backup", "newest"))]
    assert [(row[:-3]) for row in table] == [["backup", "02", "1"], ["backup", "01", "40"], ["newest", "40"]]
    assert table[1][-3:] == table[2][-3:], "backup 01 is the newest set"
    early, late = (sum(map(float, row[-3:])) for row in table[:2])
    assert late < early
    assert "4 faces of each side that it was trained on" in heard.lines[1]
    assert read_picture(folder / SHEET).shape == (4 * 164 - 4, 4 * 164 - 4, 3)
    heard = RecordingReport()
    run(workspace, CompareOptions(faces=4, snapshots="2"), heard)
    assert [line.split()[0] for line in heard.lines if line.startswith(("backup", "newest"))] == ["backup", "newest"]
    with pytest.raises(UserError, match="no backup 09"):
        run(workspace, CompareOptions(snapshots="09"), RecordingReport())


def test_no_model(workspace):
    with pytest.raises(UserError, match="no such model"):
        run(workspace, CompareOptions(), RecordingReport())


def test_the_stages_of_training_leave_the_engine_to_be_chosen():
    """Keras reads its engine when it is imported: before that it must be known which."""
    stages = "train, dfl.training.compare_snapshots, dfl.training.preview.time_lapse, dfl.models.models_stage"
    code = f"import sys, dfl.training.{stages}; print({{'keras', 'tensorflow', 'torch'}} & set(sys.modules))"
    run_ = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run_.stdout.strip() == "set()"
