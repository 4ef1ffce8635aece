"""AMP in training: what its losses hold, which weights move, what is shown, and training as a user runs it."""

import keras
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import read_picture
from dfl.base.report import Report
from dfl.data.batches import load_training_faces
from dfl.models.checkpoint import Checkpoint, model_folder, read_checkpoint
from dfl.models.engine import start_engine
from dfl.models.options import AmpOptions
from dfl.training.options import TrainOptions
from dfl.training.train import run
from tests.training.drawn_faces import make_faceset

start_engine("tensorflow")


from keras import ops  # noqa: E402

from dfl.models.amp import build_amp  # noqa: E402
from dfl.training.build_training import build_training  # noqa: E402
from dfl.training.losses.adversarial import GanSettings  # noqa: E402
from dfl.training.losses.reconstruction import LossSettings, compare, side_terms, total_variation  # noqa: E402
from dfl.training.objectives.amp import AmpObjective, chosen_channels  # noqa: E402

WIDTHS = {"resolution": 32, "ae_dims": 8, "inter_dims": 12, "e_dims": 4, "d_dims": 4, "d_mask_dims": 2}
SMALL = WIDTHS | {"model": "AMP", "batch_size": 2, "engine": "tensorflow", "seed": 7}
LOSSES = LossSettings(32, eyes_mouth_prio=True, has_two_windows=True)


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(3)
    made = {}
    for side in ("src", "dst"):
        for name in ("warped", "target"):
            made[f"{side}_{name}"] = random.random((2, 32, 32, 3), np.float32)
        for name in ("mask", "eyes_mouth"):
            made[f"{side}_{name}"] = np.zeros((2, 32, 32, 1), np.float32)
        made[f"{side}_mask"][:, 8:24, 8:24] = 1
        made[f"{side}_eyes_mouth"][:, 12:16, 10:20] = 1
    return made | chosen_channels(2, 12, 0.5, seed=1, iteration=0)


def objective(gan=None):
    keras.utils.set_random_seed(5)
    return AmpObjective(build_amp(AmpOptions(**WIDTHS)), LOSSES, 0.5, gan, gan_patch_size=4, gan_dims=4)


@pytest.fixture(scope="module")
def plain():
    return objective()


def test_losses_are_the_originals_sums(plain, batch):
    """src and dst with two windows and eyes and mouth; dst outside the mask, and its variation."""
    faces = plain.network.reconstruct(batch["src_warped"], batch["dst_warped"], batch["chosen"])
    losses = plain.losses(batch)
    for side, pair in (("src", faces[:2]), ("dst", faces[2:])):
        arrays = [batch[f"{side}_{name}"] for name in ("target", "mask", "eyes_mouth")]
        terms = side_terms(*arrays, *pair, LOSSES)
        assert set(terms) == {"dssim", "mse", "mask", "eyes_mouth"}
        for name, term in terms.items():
            assert np.allclose(losses.pop(f"{side}/{name}"), term, rtol=1e-5)
    assert set(losses) == {"background/dst"}
    pair = compare(batch["dst_target"], batch["dst_mask"], faces[2], LOSSES)
    outside = np.array(1 - pair.weight)
    difference = np.array(faces[2]) - batch["dst_target"]
    wanted = 0.1 * (difference**2 * outside**2).mean(axis=(1, 2, 3)) + 1e-6 * np.array(
        total_variation(np.array(faces[2]) * outside)
    )
    assert np.allclose(losses["background/dst"], wanted, rtol=1e-4)


def test_src_is_mixed_by_the_batchs_channels(plain, batch):
    losses = plain.losses(batch)
    others = plain.losses(batch | chosen_channels(2, 12, 0.5, seed=1, iteration=1))
    for name, loss in losses.items():
        assert np.allclose(loss, others[name]) == (not name.startswith("src/")), name


def test_every_iteration_chooses_anew_and_the_same_again():
    one, two = (chosen_channels(4, 100, 0.3, seed=9, iteration=number)["chosen"] for number in (5, 6))
    assert (one.sum(axis=1) == 30).all()
    assert not np.array_equal(one, two)
    assert np.array_equal(one, chosen_channels(4, 100, 0.3, seed=9, iteration=5)["chosen"])


def test_gan_adds_four_maps_to_the_model_and_eight_to_the_judge(plain, batch):
    against = objective(GanSettings(1e6))
    (discriminator,) = against.discriminators
    assert discriminator.name == "GAN", "as the original names its file"
    assert all(name.startswith("GAN/") for name in discriminator.weights)
    # A judge that answers 0 everywhere is wrong by ln 2 on every map.
    for name, weight in discriminator.weights.items():
        if name.startswith(("GAN/out_conv", "GAN/center_out")):
            weight.assign(np.zeros(weight.shape, np.float32))
    losses = against.losses(batch)
    assert set(losses) - set(plain.losses(batch)) == {"gan/generator", "gan/background"}
    assert np.allclose(np.array(losses["gan/generator"]) / 1e6, 4 * np.log(2), rtol=1e-4)
    (loss,) = discriminator.losses(batch).values()
    assert np.allclose(loss, np.log(2), rtol=1e-5), "an eighth of eight maps"


@pytest.mark.slow
def test_pages_show_the_first_sample_as_the_original_does(plain, batch):
    pages = plain.preview_pages({name: array for name, array in batch.items() if name != "chosen"})
    assert list(pages) == ["preview", "preview_morphs", "preview_morphs_masked"]
    assert all(one.shape == (64, 96, 3) and one.dtype == np.uint8 for one in pages.values())
    first = (batch["src_target"][0] * 255 + 0.5).astype(np.uint8)
    assert np.array_equal(pages["preview"][:32, :32], first)
    dst_face = pages["preview"][32:, 32:64]
    assert np.array_equal(pages["preview_morphs"][:32, :32], dst_face), "the list begins with dst itself"
    assert np.array_equal(pages["preview_morphs"][32:, 64:], pages["preview"][32:, 64:]), "and ends with the swap"


@pytest.fixture
def faces(workspace):
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    make_faceset(workspace.aligned("dst"), (200, 180, 120))
    return workspace


def train(workspace, **options):
    run(workspace, TrainOptions(**(SMALL | options)), Report())
    return read_checkpoint(model_folder(workspace.model, options.get("name", "new"), "AMP"))


@pytest.mark.slow
def test_training_learns_and_shows_it(faces):
    saved = train(faces, target_iter=60, learning_rate=1e-3, gan_power=0.01, gan_dims=4)
    assert saved.history.shape == (60, 2)
    assert saved.history[-20:].mean() < 0.8 * saved.history[:10].mean()
    assert "GAN_opt/m/GAN/in_conv/weight" in saved.optimizer
    started = begin(faces, saved.options)
    started.batch_source.close()
    start = started.objective.network.weights() | started.objective.discriminators[0].weights
    for name in ("encoder/dense1/weight", "inter_src/dense2/weight", "inter_dst/dense2/weight", "GAN/in_conv/weight"):
        moved = np.abs(saved.weights[name] - ops.convert_to_numpy(start[name])).max()
        assert 0 < moved < 0.3, name
    folder = model_folder(faces.model, "new", "AMP")
    for name in ("preview", "preview_morphs", "preview_morphs_masked"):
        assert read_picture(folder / f"{name}.png").shape == (100 + 2 * 32, 3 * 32, 3)


def begin(workspace, options, iteration=0):
    listed = {side: load_training_faces(workspace.aligned(side)) for side in ("src", "dst")}
    return build_training(Checkpoint("AMP", options, iteration, {}), listed, 7)


@pytest.mark.slow
def test_batches_are_the_same_wherever_training_goes_on(faces):
    options = AmpOptions(**WIDTHS, batch_size=2).model_dump()
    whole, later = (begin(faces, options, iteration).batch_source for iteration in (0, 2))
    try:
        batches = [whole.next_batch(number) for number in range(3)]
        again = later.next_batch(2)
    finally:
        whole.close()
        later.close()
    assert set(again) == {"chosen"} | {
        f"{side}_{part}" for side in ("src", "dst") for part in ("warped", "target", "mask", "eyes_mouth")
    }
    assert all(np.array_equal(batches[2][name], array) for name, array in again.items())


def test_impossible_options_give_the_reason(faces):
    with pytest.raises(UserError, match="multiple of 32"):
        train(faces, resolution=80)
