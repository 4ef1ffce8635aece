"""The plan of a run: what comes when, and that a stopped run keeps it."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.data.prefetch import MAX_BEGUN
from dfl.models.checkpoint import Checkpoint, model_folder, read_checkpoint
from dfl.models.engine import start_engine
from dfl.models.options import AmpOptions, Quick96Options, SaehdOptions, XsegOptions
from dfl.training.options import TrainOptions, TrainRunOptions
from dfl.training.plan import STATE_KEY, TrainingPlan, plan_of
from dfl.training.train import run
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
    "gan_patch_size": 4,
    "gan_dims": 4,
}


def _saved(iteration: int = 0, state: dict[str, Any] | None = None, **options: Any) -> Checkpoint:
    return Checkpoint("SAEHD", SaehdOptions(**SMALL, **options).model_dump(), iteration, {}, state=state or {})


def _plan(saved: Checkpoint, **run_options: Any) -> TrainingPlan:
    plan = plan_of(saved, TrainRunOptions(**run_options))
    assert plan is not None
    return plan


def test_a_target_plans_warp_rate_and_gan_by_iteration() -> None:
    plan = _plan(_saved(target_iter=1000, gan_power=0.1))
    assert [plan.is_warped(iteration) for iteration in (0, 649, 650, 999)] == [True, True, False, False]
    assert [plan.has_gan(iteration) for iteration in (0, 799, 800)] == [False, False, True]
    assert [plan.rate_share(iteration) for iteration in (0, 500, 750, 900)] == pytest.approx([1, 1, 0.5, 0.2])
    assert 0 < plan.rate_share(999) < 0.01
    assert plan.is_over(1000)
    assert not plan.is_over(999)


def test_time_plans_by_the_pace_and_decides_before_batches_are_made() -> None:
    plan = _plan(_saved(), minutes=10)
    assert plan.is_warped(10**9)
    assert plan.rate_share(0) == 1
    warped_until = 0
    for iteration in range(1, 1201):  # two a second
        plan.update(iteration, iteration / 2, 2.0, [])
        if plan.is_warped(iteration + MAX_BEGUN):
            warped_until = iteration + MAX_BEGUN
        else:  # decided: no batch that may have been begun before changes its kind
            assert not plan.is_warped(warped_until + 1)
    assert warped_until == pytest.approx(0.65 * 1200, abs=3)
    assert plan.is_over(1200)
    assert plan.rate_share(1199) < 0.01


def test_a_slower_machine_gets_the_same_shares_of_its_time() -> None:
    plan, iteration, rates = _plan(_saved(), minutes=1), 0, []
    for second in range(1, 61):
        pace = 10 if second < 20 else 5
        rates.append(plan.rate_share(iteration))
        iteration += pace
        plan.update(iteration, second, pace, [])
    assert rates == pytest.approx([min(1, (60 - second) / 30) for second in range(60)])


def test_of_time_and_target_the_nearer_one_counts() -> None:
    plan = _plan(_saved(target_iter=1000), minutes=60)  # ten a second: the target comes after 100 seconds
    for iteration in range(1, 1000):
        plan.update(iteration, iteration / 10, 10.0, [])
        if not plan.is_warped(iteration):
            break
    assert iteration == pytest.approx(650, abs=20)
    assert plan.rate_share(750) == pytest.approx(0.5)
    assert plan.is_over(1000)


def test_a_stopped_run_goes_on_with_its_plan_and_more_time_begins_a_round() -> None:
    plan = _plan(_saved(), minutes=10)
    for iteration in range(1, 901):
        plan.update(iteration, iteration / 2, 2.0, [])
    stopped = _saved(900, {STATE_KEY: plan.state()})
    again = _plan(stopped, minutes=10)
    assert not again.is_warped(900)
    again.update(901, 0.5, 2.0, [])
    assert again.rate_share(901) == pytest.approx(plan.rate_share(901), abs=0.01)
    more = _plan(stopped, minutes=20)
    assert more.is_warped(901)
    assert more.rate_share(901) == 1
    for iteration in range(901, 1202):
        again.update(iteration, (iteration - 900) / 2, 2.0, [])
    done = _saved(1201, {STATE_KEY: again.state()})
    assert again.is_over(1201)
    assert _plan(done, minutes=10).is_warped(1202)


def test_without_an_end_the_stages_begin_at_a_plateau() -> None:
    plan = _plan(_saved(), plan="auto", stop_at_plateau=100)
    for iteration in range(1, 1500):
        plan.update(iteration, 0, 10.0, [max(1 - iteration / 1000, 0.1)])
        if not plan.is_warped(iteration + MAX_BEGUN + 1):
            break
    assert 950 < iteration < 1100
    end = iteration / 0.65
    assert plan.rate_share(round(0.75 * end)) == pytest.approx(0.5, abs=0.02)
    assert plan.is_over(round(end) + 1)


def test_what_is_not_planned() -> None:
    assert plan_of(_saved(), TrainRunOptions()) is None
    assert plan_of(_saved(target_iter=100), TrainRunOptions(plan="none")) is None
    assert plan_of(_saved(target_iter=100, pretrain=True), TrainRunOptions()) is None
    assert plan_of(_saved(100, target_iter=100), TrainRunOptions()) is None
    for name, options in (("Quick96", Quick96Options(target_iter=9)), ("XSeg", XsegOptions(target_iter=9))):
        assert plan_of(Checkpoint(name, options.model_dump(), 0, {}), TrainRunOptions()) is None
    assert plan_of(Checkpoint("AMP", AmpOptions(target_iter=9).model_dump(), 0, {}), TrainRunOptions()) is not None


def test_a_schedule_of_the_users_own_is_left_alone() -> None:
    assert _plan(_saved(target_iter=1000, lr_cos=100)).rate_share(999) == 1
    assert _plan(_saved(target_iter=1000, lr_dropout="y")).rate_share(999) == 1


@pytest.fixture
def faces(workspace: Any) -> Any:
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    make_faceset(workspace.aligned("dst"), (200, 180, 120))
    return workspace


def _command(workspace: Any, name: str) -> list[str]:
    options = {**SMALL, "name": name, "engine": "tensorflow", "seed": 7, "target_iter": 20, "gan_power": 0.1}
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    return [
        *(sys.executable, "-m", "dfl", "train", *flags, "--workspace", str(workspace.root)),
        *("--progress", "plain", "--preview", "none", "--save-minutes", "0.01"),
    ]


def _arrays(folder: Path) -> dict[str, np.ndarray]:
    saved = read_checkpoint(folder)
    assert saved.iteration == 20
    return {**saved.weights, **saved.optimizer, "history": saved.history}


@pytest.mark.slow
@pytest.mark.parametrize("stops_at", ["without random warp", "with the GAN"])
def test_a_run_killed_where_a_stage_begins_ends_bit_for_bit_as_one_that_was_not(faces: Any, stops_at: str) -> None:
    start_engine("tensorflow")
    options = {**SMALL, "engine": "tensorflow", "seed": 7, "target_iter": 20, "gan_power": 0.1}
    heard = RecordingReport()
    run(faces, TrainOptions(name="whole", **options), heard)
    assert [line for line in heard.lines if line.startswith("From iteration")] == [
        "From iteration 13 on without random warp.",
        "From iteration 16 on with the GAN.",
    ]
    with subprocess.Popen(
        _command(faces, "killed"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        assert any(stops_at in line for line in process.stdout)
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    folder = model_folder(faces.model, "killed", "SAEHD")
    assert read_checkpoint(folder).iteration < 20
    subprocess.run(_command(faces, "killed"), check=True, capture_output=True)
    whole, killed = _arrays(model_folder(faces.model, "whole", "SAEHD")), _arrays(folder)
    assert set(whole) == set(killed)
    for name, array in whole.items():
        assert np.array_equal(array, killed[name], equal_nan=True), name
