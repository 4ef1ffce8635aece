"""Every option of a model does something: to the batch, to the losses, to the step, or to the networks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.faceset.faceset import FaceFile, list_faceset
from dfl.models.engine import start_engine
from dfl.models.options import AmpOptions, SaehdOptions
from tests.training.drawn_faces import make_faceset

start_engine("tensorflow")

import keras  # noqa: E402
from keras import ops  # noqa: E402

from dfl.models.saehd import Saehd  # noqa: E402
from dfl.training.batch_source import SwapBatchSource  # noqa: E402
from dfl.training.objectives.saehd import SaehdObjective  # noqa: E402
from dfl.training.optimizers import Optimizer  # noqa: E402
from dfl.training.training_config import swap_config  # noqa: E402

TINY = {
    "resolution": 32,
    "archi": "df-u",
    "ae_dims": 8,
    "e_dims": 8,
    "d_dims": 8,
    "d_mask_dims": 4,
    "gan_patch_size": 4,
}


def _of_both(*terms: str) -> set[str]:
    return {f"{side}/{term}" for side in ("src", "dst") for term in terms}


# Options that change what is shown to the network: (values, sides whose part changes, parts that change).
ON_BATCH: list[tuple[dict[str, Any], str, set[str]]] = [
    ({"random_src_flip": True}, "src", {"warped", "target", "mask"}),
    ({"random_dst_flip": False}, "dst", {"warped", "target", "mask"}),
    ({"random_warp": False}, "src dst", {"warped"}),
    ({"warp_maps": "centred"}, "src dst", {"warped"}),
    ({"warp_maps": "independent"}, "src dst", {"warped"}),
    ({"random_hsv_power": 0.3}, "src", {"warped"}),
    ({"random_blur": True}, "src dst", {"warped"}),
    ({"random_noise": True}, "src dst", {"warped"}),
    ({"random_jpeg": True}, "src dst", {"warped"}),
    ({"random_downsample": True}, "src dst", {"warped"}),
    ({"random_shadow": "src"}, "src", {"warped"}),
    ({"random_shadow": "dst"}, "dst", {"warped"}),
    ({"random_shadow": "all"}, "src dst", {"warped"}),
    ({"ct_mode": "rct"}, "src", {"warped", "target"}),
    ({"ct_mode": "lct"}, "src", {"warped", "target"}),
    ({"ct_mode": "mkl"}, "src", {"warped", "target"}),
    ({"ct_mode": "idt"}, "src", {"warped", "target"}),
    ({"ct_mode": "sot"}, "src", {"warped", "target"}),
    ({"uniform_yaw": True}, "src dst", {"warped", "target"}),
    ({"face_type": "wf"}, "src dst", {"warped", "target", "mask"}),
    ({"eyes_mouth_prio": True}, "src dst", {"eyes_mouth"}),
]
# Options that change the losses of a batch: (values, terms that change, come or go).
ON_LOSSES: list[tuple[dict[str, Any], set[str]]] = [
    ({"masked_training": False}, _of_both("dssim", "mse")),
    ({"blur_out_mask": True, "resolution": 128}, _of_both("dssim", "mse")),  # its blur is an 128th of the resolution
    ({"eyes_mouth_prio": True}, _of_both("eyes_mouth")),
    ({"eyes_prio": 100.0}, _of_both("eyes", "mouth")),
    ({"mouth_prio": 100.0}, _of_both("eyes", "mouth")),
    ({"loss_function": "MS-SSIM"}, _of_both("dssim", "ms_ssim")),
    ({"loss_function": "MS-SSIM+L1"}, _of_both("dssim", "mse", "ms_ssim", "l1")),
    ({"gan_power": 0.5}, {"gan/generator", "gan/background"}),
    ({"true_face_power": 0.5}, {"true_face/generator"}),
    ({"face_style_power": 10.0}, {"src/face_style"}),
    ({"bg_style_power": 10.0}, {"src/bg_style"}),
]
# Options that change what a gradient does to the weights.
ON_STEP: list[dict[str, Any]] = [
    {"adabelief": False},
    {"bias_correction": True},
    {"learning_rate": 1e-3},
    {"lr_dropout": "y"},
    {"lr_dropout": "cpu"},
    {"lr_cos": 4},
    {"clipgrad": True},
]
# Options that change the networks.
ON_NETWORKS: list[dict[str, Any]] = [
    {"resolution": 64},
    {"archi": "liae-u"},
    {"ae_dims": 10},
    {"e_dims": 10},
    {"d_dims": 10},
    {"d_mask_dims": 6},
    {"gan_power": 0.1, "gan_patch_size": 8},
    {"gan_power": 0.1, "gan_dims": 4},
]
# Tested elsewhere: the run's course, precision and memory, and what needs a run of its own.
ELSEWHERE = {
    "target_iter", "batch_size", "autobackup_hour", "write_preview_history", "precision", "recompute", "pretrain",
    "retrain_high_loss", "preview_faces", "gan_smoothing", "gan_noise", "session_name",
}  # fmt: skip


def test_no_option_is_forgotten() -> None:
    tested = {name for values, *_ in (*ON_BATCH, *ON_LOSSES) for name in values}
    tested |= {name for values in (*ON_STEP, *ON_NETWORKS) for name in values}
    assert tested | ELSEWHERE == set(SaehdOptions.model_fields)
    assert set(AmpOptions.model_fields) - set(SaehdOptions.model_fields) == {
        "inter_dims",
        "morph_factor",
        "train_inter",
        "src_src",
    }


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[FaceFile]:
    folder: Path = tmp_path_factory.mktemp("faces")
    make_faceset(folder, (90, 140, 220), count=6)
    return list_faceset(folder)


def _options(**given: Any) -> SaehdOptions:
    return SaehdOptions(**(TINY | given))


def _batch(faces: list[FaceFile], **given: Any) -> dict[str, np.ndarray]:
    """The first batch of 16."""
    sides = {"src": faces[:3], "dst": faces[3:]}
    batch_source = SwapBatchSource(sides, swap_config(_options(**given)), 16, seed=3, iteration=0)
    try:
        assert batch_source.preview_batch().keys() == batch_source.next_batch(0).keys()
        return batch_source.next_batch(1)
    finally:
        batch_source.close()


def _name(value: object) -> str:
    """The same in every process: sets have no order."""
    return str(sorted(value)) if isinstance(value, set) else str(value)


@pytest.mark.slow
@pytest.mark.parametrize(("given", "sides", "parts"), ON_BATCH, ids=_name)
def test_options_that_change_the_batch(
    faces: list[FaceFile], given: dict[str, Any], sides: str, parts: set[str]
) -> None:
    plain, changed = _batch(faces), _batch(faces, **given)
    expected = {f"{side}_{part}" for side in sides.split() for part in parts}
    different = {name for name in changed if name not in plain or np.abs(plain[name] - changed[name]).max() > 1e-3}
    assert different == expected


def _objective(**given: Any) -> SaehdObjective:
    keras.utils.set_random_seed(5)
    options = _options(**given)
    config = swap_config(options)
    return SaehdObjective(Saehd(options), config.losses, config.extra)


@pytest.mark.slow
@pytest.mark.parametrize(("given", "terms"), ON_LOSSES, ids=_name)
def test_options_that_change_the_losses(faces: list[FaceFile], given: dict[str, Any], terms: set[str]) -> None:
    batch = {name: ops.convert_to_tensor(array[:2]) for name, array in _batch(faces, **given).items()}
    plain, changed = (
        {name: np.asarray(ops.convert_to_numpy(loss)) for name, loss in objective.losses(batch).items()}
        for objective in (_objective(resolution=given.get("resolution", 32)), _objective(**given))
    )
    assert set(plain) == _of_both("dssim", "mse", "mask")
    different = plain.keys() ^ changed.keys()
    for name in plain.keys() & changed.keys():
        if np.abs(changed[name] - plain[name]).max() > 1e-4 * np.abs(changed[name]).max():
            different.add(name)
    assert different == terms


@pytest.mark.parametrize("given", ON_STEP, ids=str)
def test_options_that_change_the_step(given: dict[str, Any]) -> None:
    def moved(**options: Any) -> np.ndarray:
        weight = keras.Variable(np.zeros(64, np.float32))
        settings = swap_config(_options(**options)).optimizer
        Optimizer({"w": weight}, seed=1, **settings).apply([ops.convert_to_tensor(np.linspace(-3, 3, 64, dtype="f"))])
        return np.asarray(ops.convert_to_numpy(weight.value))

    assert np.abs(moved(**given) - moved()).max() > 1e-7


@pytest.mark.slow
@pytest.mark.parametrize("given", ON_NETWORKS, ids=str)
def test_options_that_change_the_networks(given: dict[str, Any]) -> None:
    def shapes(objective: SaehdObjective) -> dict[str, tuple[int, ...]]:
        networks = [objective.network.weights(), *(discriminator.weights for discriminator in objective.discriminators)]
        return {name: tuple(weight.shape) for weights in networks for name, weight in weights.items()}

    reference = {"gan_power": 0.1} if "gan_power" in given else {}
    assert shapes(_objective(**given)) != shapes(_objective(**reference))


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"gan_smoothing": 0.3}, {"gan_noise": 0.5}], ids=str)
def test_options_that_change_the_discriminator_s_loss(faces: list[FaceFile], given: dict[str, Any]) -> None:
    batch = {name: ops.convert_to_tensor(array[:2]) for name, array in _batch(faces).items()}
    plain, changed = (
        np.asarray(
            ops.convert_to_numpy(_objective(gan_power=0.1, **more).discriminators[0].losses(batch)["gan/discriminator"])
        )
        for more in ({}, given)
    )
    assert np.abs(changed - plain).max() > 1e-4


def test_pretraining_forces_what_the_original_forces() -> None:
    given = {"random_src_flip": False, "random_dst_flip": False, "gan_power": 0.1, "random_hsv_power": 0.2}
    config = swap_config(
        _options(pretrain=True, lr_dropout="y", true_face_power=0.1, face_style_power=5.0, ct_mode="rct", **given),
    )
    assert config.is_pretraining
    assert config.has_uniform_yaw
    assert config.src_samples == config.dst_samples
    assert config.src_samples.flip
    assert not config.src_samples.warp
    assert config.src_samples.transfer == "none"
    assert config.src_samples.hsv_power == 0
    assert config.extra.gan is None
    assert config.extra.true_face_power == config.extra.face_style_power == 0
    assert config.optimizer["keep_prob"] == 1
    assert config.optimizer["cosine_period"] == 0


def test_judges_are_named_as_the_original_names_them() -> None:
    """So that those of an imported model go on."""
    objective = _objective(gan_power=0.1, true_face_power=0.1)
    assert {discriminator.name for discriminator in objective.discriminators} == {"dis", "D_src"}
    for discriminator in objective.discriminators:
        assert all(name.startswith(f"{discriminator.name}/") for name in discriminator.weights)


def test_named_faces_are_those_of_the_previews(faces: list[FaceFile]) -> None:
    def shown(names: str, src: list[FaceFile], draw: int = 0) -> np.ndarray:
        sides = {"src": src, "dst": faces[3:]}
        source = SwapBatchSource(sides, swap_config(_options(preview_faces=names)), 2, seed=3, iteration=0)
        try:
            return source.preview_batch(draw)["src_target"]
        finally:
            source.close()

    alone = shown("", faces[1:2])
    assert np.array_equal(shown(f"{faces[1].name}, {faces[5].name}", faces[:3]), alone)
    assert not np.array_equal(shown("", faces[:3]), alone)
    assert np.array_equal(shown(faces[5].name, faces[:3]), shown("", faces[:3])), "none of src is named"
    assert np.array_equal(shown(faces[1].name, faces[:3], 1), shown("", faces[:3], 1)), "P shows others"
