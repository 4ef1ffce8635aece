"""Losses of faces that a model is not trained on."""

import numpy as np
import pytest

from dfl.faceset.faceset import list_faceset
from dfl.models.engine import start_engine
from dfl.models.options import AmpOptions, SaehdOptions
from tests.training.drawn_faces import make_faceset

start_engine("tensorflow")

from dfl.training.monitoring.validation_loss import ValidationLoss, split_sides, validation_batches  # noqa: E402
from tests.training.tiny_training import TinyObjective  # noqa: E402


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    sides = {}
    for side, colour, count in (("src", (90, 140, 220), 130), ("dst", (200, 180, 120), 110)):
        folder = tmp_path_factory.mktemp(side)
        make_faceset(folder, colour, count)
        sides[side] = list_faceset(folder)
    return sides


def names(found):
    return {side: [face.name for face in rows] for side, rows in found.items()}


def test_the_same_faces_are_held_out_every_time(faces):
    training, held = split_sides(faces, 8, seed=3)
    assert names(held) == names(split_sides(faces, 8, seed=3)[1])
    for side in faces:
        assert 1 <= len(held[side]) <= 8
        assert not set(names(training)[side]) & set(names(held)[side])


def test_nothing_is_held_out_of_small_sets_or_unless_asked(faces):
    for count, sides in ((0, faces), (8, faces | {"src": faces["src"][:40]})):
        training, held = split_sides(sides, count, seed=3)
        assert names(training) == names(sides)
        assert held == {"src": [], "dst": []}


@pytest.mark.parametrize(
    "options",
    [
        SaehdOptions(resolution=32, face_type="wf", random_src_flip=True, random_hsv_power=0.3, ct_mode="rct"),
        AmpOptions(resolution=32, inter_dims=16),
    ],
)
def test_batches_are_the_faces_as_they_are(faces, options):
    few = {"src": faces["src"][:5], "dst": faces["dst"][:7]}
    batches = list(validation_batches(few, options, batch_size=3))
    assert [len(batch["src_target"]) for batch in batches] == [3, 2], "as many as the smaller side has"
    for batch, again in zip(batches, validation_batches(few, options, batch_size=3), strict=True):
        assert np.array_equal(batch["src_warped"], batch["src_target"])
        assert all(np.array_equal(batch[name], again[name]) for name in batch)
    assert ("chosen" in batches[0]) == isinstance(options, AmpOptions)


def test_the_mean_is_over_faces_not_batches():
    batches = [{"src": np.array([1, 1, 1], np.float32)}, {"src": np.array([3], np.float32)}]
    assert ValidationLoss(TinyObjective(), batches).losses() == pytest.approx((1.0, 0.5)), (
        "three of loss 0, one of loss 4"
    )
