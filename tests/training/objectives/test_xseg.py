"""What XSeg learns and shows."""

import keras
import numpy as np
import pytest

from dfl.models.engine import start_engine

start_engine("tensorflow")

from dfl.nets.xseg import XSeg  # noqa: E402
from dfl.training.objectives.xseg import XsegObjective  # noqa: E402


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(2)
    return XSeg(base=2, resolution=64)


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(4)
    mask = np.zeros((2, 64, 64, 1), np.float32)
    mask[:, 16:48, 16:48] = 1
    faces = {name: random.random((2, 64, 64, 3), np.float32) for name in ("picture", "src", "dst")}
    return faces | {"mask": mask}


def test_the_loss_is_the_cross_entropy_of_the_mask(network, batch):
    logits = np.array(network(batch["picture"])[0], np.float64)
    probability = 1 / (1 + np.exp(-logits))
    wanted = -np.log(np.where(batch["mask"] == 1, probability, 1 - probability)).mean(axis=(1, 2, 3))
    (loss,) = XsegObjective(network, is_pretraining=False).losses(batch).values()
    assert np.allclose(loss, wanted, rtol=1e-5)


def test_pretraining_compares_with_the_picture_in_grey_and_uses_no_skips(network, batch):
    grey = batch["picture"].mean(axis=-1, keepdims=True)
    objective = XsegObjective(network, is_pretraining=True)
    losses = objective.losses(batch | {"mask": grey})
    prediction = np.array(network(batch["picture"], is_pretraining=True)[1])
    square = (10 * (grey - prediction) ** 2).mean(axis=(1, 2, 3))
    assert np.allclose(losses["mask/mse"], square, rtol=1e-5)
    assert (np.array(losses["mask/dssim"]) > 0).all()
    for term in objective.losses({"picture": batch["picture"], "mask": prediction}).values():
        assert np.abs(np.array(term)).max() < 1e-5


def test_pages_lay_green_over_what_is_outside_the_mask(network, batch):
    pages = XsegObjective(network, is_pretraining=False).preview_pages(batch)
    assert list(pages) == ["preview", "preview_src", "preview_dst"]
    assert all(page.shape == (2 * 64, 3 * 64, 3) for page in pages.values())
    learned, face = pages["preview"], batch["picture"][0]
    assert np.array_equal(learned[16:48, 16:48], (face[16:48, 16:48] * 255 + 0.5).astype(np.uint8))
    wanted = (face[0, 0] + [0, 1, 0]) / 2 * 255
    assert np.abs(learned[0, 0] - wanted).max() <= 1
    drawn = np.array(network(batch["src"])[1])[0, :, :, 0]
    assert np.abs(pages["preview_src"][:64, 64:128, 0] - drawn * 255).max() <= 1
    assert np.array_equal(pages["preview_src"][:64, :64], (batch["src"][0] * 255 + 0.5).astype(np.uint8))


@pytest.mark.slow
def test_a_side_without_faces_has_no_page(network, batch):
    only_dst = {name: array for name, array in batch.items() if name != "src"}
    assert list(XsegObjective(network, is_pretraining=False).preview_pages(only_dst)) == ["preview", "preview_dst"]


@pytest.mark.slow
def test_pretraining_shows_faces_and_what_is_made_of_them(network, batch):
    grey = batch["picture"].mean(axis=-1, keepdims=True)
    pages = XsegObjective(network, is_pretraining=True).preview_pages({"picture": batch["picture"], "mask": grey})
    assert {name: page.shape for name, page in pages.items()} == {"preview": (2 * 64, 2 * 64, 3)}
