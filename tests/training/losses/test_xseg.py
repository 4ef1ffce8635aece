"""XSeg's two losses."""

import numpy as np

from dfl.models.engine import start_engine

start_engine("tensorflow")

from dfl.training.losses.similarity import dssim  # noqa: E402
from dfl.training.losses.xseg import xseg_pretraining_terms, xseg_terms  # noqa: E402


def test_masks_cost_their_cross_entropy():
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (3, 16, 16, 1)).astype(np.float32)
    mask = (random.random((3, 16, 16, 1)) < 0.5).astype(np.float32)
    probability = 1 / (1 + np.exp(-logits))
    wanted = -np.log(np.where(mask == 1, probability, 1 - probability)).mean(axis=(1, 2, 3))
    assert np.allclose(xseg_terms(mask, logits)["cross_entropy"], wanted, rtol=1e-4)


def test_pretraining_compares_grey_pictures_with_both_windows():
    random = np.random.default_rng(2)
    grey, prediction = (random.random((2, 256, 256, 1), np.float32) for _ in range(2))
    square = 10 * ((grey - prediction) ** 2).mean(axis=(1, 2, 3))
    windows = sum(5 * np.array(dssim(grey, prediction, size))[:, 0] for size in (22, 11))
    terms = xseg_pretraining_terms(grey, prediction)
    assert set(terms) == {"dssim", "mse"}
    assert np.allclose(terms["dssim"], windows, rtol=1e-5)
    assert np.allclose(terms["mse"], square, rtol=1e-5)
