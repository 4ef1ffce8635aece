"""Models that begin with what was learned before: after pretraining, and from another model."""

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.models.backups import list_backups
from dfl.models.checkpoint import model_folder, read_checkpoint
from dfl.models.engine import start_engine
from dfl.training.options import TrainOptions
from dfl.training.train import run
from tests.recording_report import RecordingReport
from tests.training.drawn_faces import make_faceset

start_engine("tensorflow")

SMALL = {"resolution": 32, "ae_dims": 16, "e_dims": 8, "d_dims": 8, "d_mask_dims": 4}
HOW = {"batch_size": 2, "seed": 7, "preview": "none", "engine": "tensorflow"}


@pytest.fixture
def faces(workspace, eager):
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    make_faceset(workspace.aligned("dst"), (200, 180, 120))
    return workspace


def train(workspace, **options):
    heard = RecordingReport()
    run(workspace, TrainOptions(**(HOW | options)), heard)
    return "\n".join(heard.lines)


def moved(before, after) -> set[str]:
    """Parts whose weights are not what they were, beyond what one step moves."""
    return {
        name.split("/")[0]
        for name, array in before.weights.items()
        if name in after.weights and np.abs(array - after.weights[name]).max() > 0.01
    }


@pytest.mark.slow
@pytest.mark.parametrize(("archi", "inter"), [("df-u", {"inter"}), ("liae-u", {"inter_AB", "inter_B"})])
def test_pretraining_ends_as_in_the_original(faces, archi, inter):
    faces.pretraining_faces.mkdir()
    make_faceset(faces.pretraining_faces, (130, 130, 130))
    how = {"target_iter": 12, "write_preview_history": True, "learning_rate": 1e-2}  # a rate that shows in every weight
    train(faces, archi=archi, **SMALL, pretrain=True, **how)
    folder = model_folder(faces.model, "new", "SAEHD")
    before = read_checkpoint(folder)
    assert before.iteration == 12
    text = train(faces, pretrain=False, target_iter=1, learning_rate=5e-5)
    after = read_checkpoint(folder)
    assert "Pretraining is over after 12 iterations" in text
    assert (after.iteration, len(after.history)) == (1, 1)
    assert moved(before, after) == inter
    assert after.optimizer["steps"] == 13, "the optimizer goes on"
    assert [backup.iteration for backup in list_backups(folder)] == [12]
    assert (folder / "history-pretraining.csv").read_text().count("\n") == 13
    assert (folder / "history.csv").read_text().count("\n") == 2
    assert (folder / "history-pretraining").is_dir()
    assert "Pretraining is over" not in train(faces, target_iter=2)


@pytest.mark.slow
def test_a_new_model_from_a_trained_one(faces):
    train(faces, name="old", archi="df-u", **SMALL, target_iter=9, true_face_power=0.01, random_warp=False, held_out=0)
    old = read_checkpoint(model_folder(faces.model, "old", "SAEHD"))
    text = train(faces, start_from="old", name="next", target_iter=1, seed=8)
    new = read_checkpoint(model_folder(faces.model, "next", "SAEHD"))
    assert "Starts from old at iteration 9" in text
    assert (new.iteration, len(new.history), new.optimizer["steps"]) == (1, 1, 1)
    assert new.state["seed"] == 8
    assert moved(old, new) == set()
    assert not any(name.startswith("D_src") for name in new.weights)
    assert (new.options["resolution"], new.options["random_warp"]) == (32, True), "fixed kept, others as for a new one"
    train(faces, start_from="old", name="third", target_iter=1, reset_inter=True, seed=8)
    assert moved(old, read_checkpoint(model_folder(faces.model, "third", "SAEHD"))) == {"inter"}
    assert read_checkpoint(model_folder(faces.model, "old", "SAEHD")).iteration == 9

    for wrong, what in (
        ({"name": "old"}, "old .SAEHD. exists"),
        ({"name": "fourth", "start_from": "missing"}, "no SAEHD model missing to start from. Models: third, next, old"),
        ({"name": "fourth", "resolution": 64}, "made with resolution 32"),
    ):
        with pytest.raises(UserError, match=what):
            train(faces, **({"start_from": "old"} | wrong))


@pytest.mark.slow
def test_a_restart_keeps_the_model_as_a_backup_and_its_history(faces):
    train(faces, archi="df-u", **SMALL, target_iter=5)
    folder = model_folder(faces.model, "new", "SAEHD")
    before = read_checkpoint(folder)
    text = train(faces, restart=True, target_iter=2, seed=8)
    after = read_checkpoint(folder)
    assert "its checkpoint of iteration 5 becomes a backup" in text
    assert (after.iteration, after.optimizer["steps"]) == (2, 2)
    assert moved(before, after) >= {"encoder", "inter"}
    assert [backup.iteration for backup in list_backups(folder)] == [5]
    assert (folder / "history-restart.csv").read_text().count("\n") == 6
    train(faces, restart=True, target_iter=1)
    assert [backup.iteration for backup in list_backups(folder)] == [2, 5]
    assert (folder / "history-restart-2.csv").read_text().count("\n") == 3
