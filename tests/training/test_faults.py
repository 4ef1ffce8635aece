"""What goes wrong on users' machines while they train."""

import subprocess
import sys

import numpy as np
import pytest

from dfl.models.checkpoint import Checkpoint, model_folder, read_checkpoint, write_checkpoint
from dfl.training.choose_model import load_or_new
from dfl.training.options import TrainOptions
from tests.recording_report import RecordingReport
from tests.training.drawn_faces import make_faceset

SMALL = {
    "resolution": 32,
    "archi": "df-u",
    "ae_dims": 8,
    "e_dims": 8,
    "d_dims": 8,
    "d_mask_dims": 4,
    "batch_size": 2,
    "engine": "tensorflow",
    "seed": 7,
    "preview": "none",
}


@pytest.fixture
def faces(workspace):
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    make_faceset(workspace.aligned("dst"), (200, 180, 120))
    return workspace


def command(workspace, **options) -> list[str]:
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in (SMALL | options).items()]
    return [sys.executable, "-m", "dfl", "train", *flags, "--workspace", str(workspace.root), "--progress", "plain"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process instead of sending it a signal")
def test_ctrl_c_again_and_again_still_saves_once_and_whole(faces):
    with subprocess.Popen(command(faces), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if " saved" in line and "[#000001]" in line:
                break
        for _ in range(3):
            process.send_signal(2)
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    assert rest.count("Finishing this iteration, then saving.") == 1
    assert "Stopped: iteration" in rest
    saved = read_checkpoint(model_folder(faces.model, "new", "SAEHD"))
    assert len(saved.history) == saved.iteration >= 1


@pytest.mark.slow
def test_an_unreadable_face_is_named_and_the_others_are_learned(faces):
    victim = faces.aligned("src") / "00002_0.jpg"
    content = victim.read_bytes()
    victim.write_bytes(content[: content.index(b"\xff\xda") + 2])  # its face data are whole, its pixels gone
    run = subprocess.run(command(faces, target_iter=5), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "! " in run.stdout
    assert "00002_0.jpg" in run.stdout
    assert "Target reached: iteration 5, 5 in this run" in run.stdout


def test_a_cut_weights_file_goes_back_to_the_set_before(workspace):
    folder = model_folder(workspace.model, "new", "SAEHD")
    for iteration in (5, 9):
        path = write_checkpoint(folder, Checkpoint("SAEHD", {}, iteration, {"w": np.zeros(5000, np.float32)}))
    weights = path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    heard = RecordingReport()
    assert load_or_new(workspace, "new", TrainOptions(), heard).iteration == 5
    assert "weights.safetensors is damaged" in heard.lines[0]
    assert "Using the checkpoint before it, of iteration 5." in heard.lines[0]
    assert (folder / "damaged-set-000002").is_dir(), "nothing is deleted"
