"""Losses against discriminators, by the formulas that were checked on the original, in plain numpy."""

import keras
import numpy as np
import pytest

from dfl.models.engine import start_engine

start_engine("tensorflow")

from dfl.training.losses import adversarial  # noqa: E402
from dfl.training.losses.adversarial import AMP_SHARE, SAEHD_SHARE, GanSettings  # noqa: E402
from dfl.training.losses.reconstruction import LossSettings, compare  # noqa: E402


@pytest.fixture(scope="module")
def maps():
    """Logits of two samples: patches and pixels for two pictures each."""
    random = np.random.default_rng(5)
    return [random.normal(0, 3, (2, side, side, 1)).astype(np.float32) for side in (8, 64, 8, 64)]


@pytest.fixture
def seed():
    return keras.random.SeedGenerator(7)


def entropy(label, logits):
    """-log of the probability that the sigmoid gives to the label, mean over the map."""
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return -(label * np.log(probability) + (1 - label) * np.log(1 - probability)).mean(axis=(1, 2, 3))


def test_generator_wants_ones_of_every_map(maps):
    got = adversarial.gan_generator_loss(maps[:2], GanSettings(0.1))
    assert np.allclose(got, 0.1 * (entropy(1, maps[0]) + entropy(1, maps[1])), rtol=1e-5)


def test_discriminator_of_saehd_and_amp(maps, seed):
    real, fake = maps[:2], maps[2:]
    total = sum(entropy(1, one) for one in real) + sum(entropy(0, one) for one in fake)
    got = adversarial.gan_discriminator_loss(real, fake, SAEHD_SHARE, GanSettings(0.1), seed)
    assert np.allclose(got, total / 2, rtol=1e-5)
    four = adversarial.gan_discriminator_loss([*real, *fake], [*fake, *real], AMP_SHARE, GanSettings(0.1), seed)
    both = total + sum(entropy(1, one) for one in fake) + sum(entropy(0, one) for one in real)
    assert np.allclose(four, both / 8, rtol=1e-5)


def test_smooth_labels_are_one_sided(maps, seed):
    settings = GanSettings(0.1, label_smoothing=0.2)
    got = adversarial.gan_discriminator_loss(maps[:1], maps[1:2], SAEHD_SHARE, settings, seed)
    assert np.allclose(got, (entropy(0.8, maps[0]) + entropy(0, maps[1])) / 2, rtol=1e-5)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_noise_turns_its_share_of_the_labels_round(maps, seed, label):
    settings = GanSettings(0.1, label_smoothing=0.1, label_noise=0.3)
    labels = np.array(adversarial.discriminator_labels(label, maps[1], settings, seed))
    assert set(np.unique(labels)) == {np.float32(0), np.float32(0.9)}
    assert abs((labels != 0.9 * label).mean() - 0.3) < 0.02
    again = np.array(adversarial.discriminator_labels(label, maps[1], settings, seed))
    assert (labels != again).any(), "every step must draw anew"


def test_background_of_gan(maps):
    random = np.random.default_rng(3)
    target, face = (random.random((2, 64, 64, 3), np.float32) for _ in range(2))
    mask = np.zeros((2, 64, 64, 1), np.float32)
    mask[:, 20:40, 20:40] = 1
    pair = compare(target, mask, face, LossSettings(64))
    outside = 1 - np.array(pair.weight)
    variation = sum((np.diff(face, axis=axis) ** 2).sum(axis=(1, 2, 3)) for axis in (1, 2))
    wanted = 1e-6 * variation + 0.02 * ((face - target) ** 2 * outside**2).mean(axis=(1, 2, 3))
    assert np.allclose(adversarial.gan_background_loss(pair), wanted, rtol=1e-4)


def test_true_face_and_its_discriminator(maps):
    src, dst = maps[0], maps[2]
    assert np.allclose(adversarial.true_face_loss(src, 0.01), 0.01 * entropy(1, src), rtol=1e-5)
    wanted = (entropy(1, dst) + entropy(0, src)) / 2
    assert np.allclose(adversarial.code_discriminator_loss(src, dst), wanted, rtol=1e-5)


def test_large_logits_stay_numbers():
    far = np.full((1, 2, 2, 1), 200, np.float32)
    assert np.allclose(adversarial.cross_entropy(np.zeros_like(far), far), 200)
    assert np.allclose(adversarial.cross_entropy(np.ones_like(far), far), 0)
