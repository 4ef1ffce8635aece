"""Several devices or processes that share a batch make the step of one on the joint batch."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.models.checkpoint import model_folder, read_checkpoint
from dfl.models.engine import start_engine
from dfl.training import train
from dfl.training.distributed import check_shares
from dfl.training.options import TrainOptions
from dfl.workspace import Workspace
from tests.models.compiled_functions import not_compiled
from tests.training.drawn_faces import make_faceset

SIZES = {"resolution": 32, "archi": "df-u", "ae_dims": 8, "e_dims": 8, "d_dims": 8, "d_mask_dims": 4}
TRAINED = SIZES | {
    "batch_size": 4,
    "clipgrad": True,
    "gan_power": 0.1,
    "gan_patch_size": 4,
    "lr_dropout": "y",
    "seed": 2**32 - 1,  # the largest: torch has no such number
}
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture
def faces(workspace: Workspace) -> Workspace:
    for side, colour in (("src", (90, 140, 220)), ("dst", (200, 180, 120))):
        make_faceset(workspace.aligned(side), colour, count=6)
    return workspace


def _command(workspace: Workspace, name: str, engine: str, **more: Any) -> list[str]:
    given = TRAINED | {"engine": engine, "name": name, "preview": "none", "progress": "plain"} | more
    flags = []
    for key, value in given.items():
        flag = f"--{key.replace('_', '-')}"
        flags.append(flag if value is True else f"{flag}={value}")
    return [sys.executable, "-m", "dfl", "train", *flags, "--workspace", str(workspace.root), "--yes"]


def _environment(rank: int, port: int) -> dict[str, str]:
    """What torchrun tells each of two processes."""
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return os.environ | {name: str(value) for name, value in own.items()} | {"OMP_NUM_THREADS": "1"}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _assert_equal(workspace: Workspace, first: str, second: str) -> None:
    """Losses within a thousandth; weights within 1e-4, but for a thousandth of each array's.

    Shares are summed in another order, so a gradient near zero may get the other sign; and AdaBelief's first steps
    depend on a gradient's sign, not on its size. Its m is the sum of all (g - m) / 9, so step t is at most
    sqrt(t) / (9 * sqrt(0.001)) learning rates long (Cauchy-Schwarz), of which v's decay adds less than a hundredth.
    """
    ours, theirs = (read_checkpoint(model_folder(workspace.model, name, "SAEHD")) for name in (first, second))
    assert ours.iteration == theirs.iteration == 4
    np.testing.assert_allclose(ours.history, theirs.history, rtol=1e-3)
    farthest = 1.01 * theirs.options["learning_rate"] * np.sqrt([1, 2, 3, 4]).sum() / (9 * np.sqrt(0.001))
    for name, weight in theirs.weights.items():
        differences = np.abs(ours.weights[name] - weight)
        assert (differences > 1e-4).sum() <= weight.size / 1000, name
        assert differences.max() <= 2 * farthest, name


@pytest.mark.slow
def test_two_devices_of_tensorflow_train_as_one(faces: Workspace) -> None:
    start_engine("tensorflow")
    with not_compiled():
        train.run(
            faces, TrainOptions(**TRAINED, engine="tensorflow", name="one", preview="none", target_iter=4), Report()
        )
    _run(_command(faces, "two", "tensorflow", devices=2, target_iter=4))
    _assert_equal(faces, "one", "two")


def _run_in_two(command: list[str]) -> None:
    port = _free_port()
    other = subprocess.Popen(command, env=_environment(1, port), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    leader = subprocess.run(command, env=_environment(0, port), capture_output=True, text=True, check=False)
    said, _ = other.communicate()
    assert (leader.returncode, other.returncode) == (0, 0), leader.stdout + leader.stderr + said.decode()
    assert "2 processes." in leader.stdout


@pytest.mark.slow
@needs_torch
def test_two_processes_of_torch_train_as_one(faces: Workspace) -> None:
    _run(_command(faces, "one", "torch", target_iter=4))
    _run_in_two(_command(faces, "two", "torch", target_iter=4))
    _assert_equal(faces, "one", "two")


@pytest.mark.slow
@needs_torch
def test_faces_that_losses_of_earlier_runs_choose_are_the_same_in_all_processes(faces: Workspace) -> None:
    """Six faces of each side, so the third iteration draws from the losses of the first two."""
    _run(_command(faces, "one", "torch", target_iter=2, retrain_high_loss=True))
    shutil.copytree(*(model_folder(faces.model, name, "SAEHD") for name in ("one", "two")))
    _run(_command(faces, "one", "torch", target_iter=4, retrain_high_loss=True))
    _run_in_two(_command(faces, "two", "torch", target_iter=4, retrain_high_loss=True))
    _assert_equal(faces, "one", "two")


@pytest.mark.slow
@needs_torch
@pytest.mark.skipif(sys.platform == "win32", reason="signals of Linux")
@pytest.mark.parametrize("victim", [0, 1], ids=["leader", "follower"])
def test_a_killed_process_ends_the_other_with_a_message(faces: Workspace, victim: int) -> None:
    port, command = _free_port(), _command(faces, "two", "torch")
    processes = [
        subprocess.Popen(
            command, env=_environment(rank, port), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for rank in (0, 1)
    ]
    assert processes[0].stdout
    for line in processes[0].stdout:
        if line.rstrip().endswith(" saved"):
            break
    processes[victim].send_signal(signal.SIGKILL)
    survivor = processes[1 - victim]
    said, _ = survivor.communicate()
    processes[victim].communicate()
    assert survivor.returncode == 2, said
    assert "Another training process ended, or cannot be reached." in said
    assert read_checkpoint(model_folder(faces.model, "two", "SAEHD")).iteration >= 1


@pytest.mark.slow
def test_the_bench_says_that_a_split_processor_does_not_pay() -> None:
    command = [sys.executable, "-m", "dfl", "bench", "train", "--devices=2", "--resolution=32", "--batch-size=2"]
    run = subprocess.run([*command, "--rounds=1"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "One device: " in run.stdout
    assert "2 devices: " in run.stdout


def test_a_batch_must_be_shared_out_evenly() -> None:
    check_shares(8, 4)
    with pytest.raises(UserError, match="A batch of 10 cannot be shared out evenly among 4") as error:
        check_shares(10, 4)
    assert "--batch-size 8 or 12" in error.value.todo
    with pytest.raises(UserError) as error:
        check_shares(2, 4)
    assert "--batch-size 4." in error.value.todo


@needs_torch
def test_devices_of_torch_are_processes() -> None:
    program = "from dfl.models.engine import start_engine; start_engine('torch', 2)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "With torch, several devices are several processes." in run.stderr
    assert "torchrun --nproc-per-node 2" in run.stderr
