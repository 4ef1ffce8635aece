"""A step whose gradient is no finite number, beside a finite loss, changes nothing."""

import importlib.util
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from dfl.models.engine import start_engine

start_engine(os.environ.get("KERAS_BACKEND", "tensorflow"))

import keras  # noqa: E402
from keras import ops  # noqa: E402

from dfl.training import training_step as step_module  # noqa: E402
from dfl.training.optimizers import Optimizer  # noqa: E402
from dfl.training.training_step import make_training_step  # noqa: E402

HOWS = [
    {"is_adabelief": is_adabelief, "clip_norm": clip, "scales_loss": scales_loss}
    for is_adabelief in (False, True)
    for clip in (0.0, 1.0)
    for scales_loss in (False, True)
]


def losses_of(number: keras.Variable) -> Any:
    """The root of number * batch: its gradient is NaN where the batch is 0, and 5e24 where it is 1e50 in effect."""

    def losses(batch: Any) -> dict[str, Any]:
        root = ops.sqrt(number.value * batch[:, 0])
        return {"src/root": root, "dst/product": number.value * batch[:, 1] * batch[:, 1]}

    return losses


BAD = {"NaN": (0.0, 0.0), "too large to be squared": (1.0, 1e12)}


def check(how: dict[str, Any], bad: tuple[float, float]) -> None:
    """Before a good step and after it."""
    number = keras.Variable(np.array([1.0], np.float32))
    optimizer = Optimizer({"number": number}, learning_rate=0.01, keep_prob=0.999, cosine_period=1000, **how)
    step = make_training_step(losses_of(number), [number], optimizer)
    for _ in range(2):
        before = {name: ops.convert_to_numpy(value).copy() for name, value in optimizer.state().items()}
        weight = ops.convert_to_numpy(number).copy()
        found = step(np.array([bad], np.float32))
        assert np.isfinite([*found.terms.values()]).all()
        assert found.has_finite_gradient == how["scales_loss"], "a scale that can shrink is no fault"
        assert np.array_equal(ops.convert_to_numpy(number), weight)
        after = {name: ops.convert_to_numpy(value) for name, value in optimizer.state().items()}
        changed = {name for name in before if not np.array_equal(before[name], after[name])}
        assert changed <= ({"loss_scale", "loss_scale_steps"} if how["scales_loss"] else set())
        assert step(np.array([[1.0, 0.0]], np.float32)).has_finite_gradient
        assert ops.convert_to_numpy(number) < weight


def check_result() -> None:
    """Sums of the reported groups for each sample, and the mean of every term over the batch."""
    number = keras.Variable(np.array([1.0], np.float32))

    def losses(batch: Any) -> dict[str, Any]:
        loss = number.value * batch
        return {"src/one": loss, "dst/one": 2 * loss, "src/two": 3 * loss, "gan/generator": 5 * loss}

    optimizer = Optimizer({"number": number}, learning_rate=0.0, is_adabelief=False)
    batch = np.array([1.0, 2.0, 6.0], np.float32)
    found = make_training_step(losses, [number], optimizer, ("src", "dst"))(batch)
    assert np.array_equal(found.sums, [4 * batch, 2 * batch])
    assert found.terms == {"src/one": 3.0, "dst/one": 6.0, "src/two": 9.0, "gan/generator": 15.0}
    gradient_square = ops.convert_to_numpy(optimizer.state()["a/number"])[0] / 0.1
    assert gradient_square == pytest.approx((11 * batch.sum()) ** 2), "all terms are minimised, summed over the batch"
    assert make_training_step(losses, [number], optimizer)(batch).sums.size == 0, "nothing is reported"


def test_a_step_gives_sums_for_each_sample_and_means_of_every_term():
    check_result()


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("how", HOWS, ids=str)
def test_an_infinite_gradient_beside_a_finite_loss_changes_nothing(how, bad):
    check(how, bad)


def test_a_scale_that_cannot_shrink_any_more_is_a_fault():
    number = keras.Variable(np.array([1.0], np.float32))
    optimizer = Optimizer({"number": number}, learning_rate=0.01, is_adabelief=False, scales_loss=True)
    step = make_training_step(losses_of(number), [number], optimizer)
    found = [step(np.array([BAD["NaN"]], np.float32)).has_finite_gradient for _ in range(17)]
    assert found == [True] * 15 + [False] * 2, "2^15 is halved fifteen times"


def test_the_probe_of_the_compiler_does_what_an_update_does(monkeypatch):
    """Where the compiler lacks roots or cosines, as without CUDA's libdevice, the step must not use it."""
    import tensorflow as tf

    assert step_module._can_fuse() in (True, False)
    for name in ("sqrt", "cos"):
        with monkeypatch.context() as patch:

            def missing(*_: Any) -> Any:
                raise tf.errors.InternalError(None, None, "libdevice not found at ./libdevice.10.bc")

            patch.setattr(f"dfl.training.optimizers.ops.{name}", missing)
            assert not step_module._can_fuse(), name


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_an_infinite_gradient_changes_nothing_on_torch():
    checks = "[check(how, bad) for how in HOWS for bad in BAD.values()]\ncheck_result()"
    program = f"from tests.training.test_training_step import *\n{checks}"
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"KERAS_BACKEND": "torch"},
    )
    assert run.returncode == 0, run.stderr[-3000:]
