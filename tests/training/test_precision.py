"""Training in short numbers and with activations computed twice: the same learning, and what is stored is float32."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.faceset.faceset import list_faceset
from dfl.models.engine import start_engine
from tests.training.drawn_faces import make_faceset

start_engine("tensorflow")

import keras  # noqa: E402
from keras import ops  # noqa: E402

from dfl.models.checkpoint import Checkpoint, read_checkpoint  # noqa: E402
from dfl.models.kinds import KINDS  # noqa: E402
from dfl.training.build_training import build_training  # noqa: E402
from dfl.training.loss_scale import LossScale, all_finite  # noqa: E402
from dfl.training.optimizers import Optimizer  # noqa: E402
from dfl.training.trainer import Trainer  # noqa: E402
from dfl.training.training_step import make_training_step  # noqa: E402

TINY: dict[str, Any] = {"resolution": 32, "ae_dims": 8, "e_dims": 8, "d_dims": 8, "d_mask_dims": 4, "batch_size": 2}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("faces")
    for side, colour in (("src", (90, 140, 220)), ("dst", (200, 180, 120))):
        (folder / side).mkdir()
        make_faceset(folder / side, colour, count=4)
    return {side: list_faceset(folder / side) for side in ("src", "dst")}


def _trainer(folder: Path, faces: dict[str, Any], class_name: str = "SAEHD", **given: Any) -> Trainer:
    sizes = TINY | {"inter_dims": 16} if class_name == "AMP" else TINY if class_name == "SAEHD" else {"batch_size": 2}
    options = KINDS[class_name].options(**(sizes | given))
    saved = Checkpoint(class_name, options.model_dump(), 0, {})
    setup = build_training(saved, faces, 3)
    return Trainer(folder, saved, setup.objective, setup.batch_source, setup.optimizer, 3)


def _trained(folder: Path, faces: dict[str, Any], steps: int, **given: Any) -> tuple[np.ndarray, Checkpoint]:
    """Losses of every step, and what was saved at the end."""
    trainer = _trainer(folder, faces, **given)
    try:
        losses = np.array([[*trainer.iterate().values()] for _ in range(steps)])
        trainer.save()
    finally:
        trainer.close()
    return losses, read_checkpoint(folder)


@pytest.mark.slow
@pytest.mark.parametrize(("class_name", "precision"), [("SAEHD", "float16"), ("AMP", "bfloat16")])
def test_short_numbers_learn_almost_the_same(tmp_path: Path, faces: Any, class_name: str, precision: str) -> None:
    full, _ = _trained(tmp_path / "full", faces, 6, class_name=class_name)
    short, saved = _trained(tmp_path / "short", faces, 6, class_name=class_name, precision=precision)
    assert np.abs(short / full - 1).max() < 0.02
    assert (short != full).any()
    assert {array.dtype.name for array in saved.weights.values()} == {"float32"}


@pytest.mark.slow
def test_activations_computed_twice_give_the_same_steps(tmp_path: Path, faces: Any) -> None:
    kept, saved = _trained(tmp_path / "kept", faces, 4)
    again, saved_again = _trained(tmp_path / "again", faces, 4, recompute=True)
    np.testing.assert_allclose(again, kept, rtol=1e-5)
    for name, weight in saved.weights.items():
        np.testing.assert_allclose(saved_again.weights[name], weight, atol=2e-5, err_msg=name)


@pytest.mark.slow
def test_float16_goes_on_bit_for_bit_with_its_scale(tmp_path: Path, faces: Any) -> None:
    through, _ = _trained(tmp_path / "through", faces, 6, precision="float16")
    _, saved = _trained(tmp_path / "part", faces, 3, precision="float16")
    assert saved.optimizer["loss_scale"] == 2.0**15
    setup = build_training(saved, faces, 3)
    trainer = Trainer(tmp_path / "part", saved, setup.objective, setup.batch_source, setup.optimizer, 3)
    try:
        rest = np.array([[*trainer.iterate().values()] for _ in range(3)])
    finally:
        trainer.close()
    np.testing.assert_array_equal(rest, through[3:])


def test_a_gradient_too_large_for_float16_moves_nothing_but_the_scale() -> None:
    number = keras.Variable(np.array([1.0], np.float32))
    optimizer = Optimizer({"number": number}, is_adabelief=False, learning_rate=0.1, scales_loss=True)

    def losses(batch: Any) -> dict[str, Any]:
        return {"src/product": ops.cast(ops.cast(number.value, "float16") * ops.cast(batch, "float16"), "float32")}

    step = make_training_step(losses, [number], optimizer)
    found = step(np.array([8.0], np.float32))  # 8 * 2^15 is beyond float16
    assert found.terms["src/product"] == 8
    assert number.numpy()[0] == 1
    assert optimizer.state()["loss_scale"].numpy() == 2.0**14
    for _ in range(3):
        step(np.array([8.0], np.float32))
    assert number.numpy()[0] < 1, "with a smaller scale it moves"


@pytest.mark.slow
def test_the_scale_doubles_after_many_good_steps() -> None:
    scale = LossScale()
    for _ in range(2000):
        scale.update(all_finite([ops.ones((2,))]))
    assert scale.state()["loss_scale"].numpy() == 2.0**16
    scale.update(all_finite([ops.convert_to_tensor([1.0, np.nan])]))
    assert scale.state()["loss_scale"].numpy() == 2.0**15
