"""The benchmarks measure what they say."""

import numpy as np
import pytest

from dfl.bench.bench import run
from dfl.bench.options import BenchOptions
from dfl.bench.whole_stages import MirrorModel
from tests.recording_report import RecordingReport


@pytest.mark.slow
def test_a_training_step_is_measured(workspace):
    heard = RecordingReport()
    run(workspace, BenchOptions(what="train", resolution=32, batch_size=1, rounds=1), heard)
    assert "s a step" in heard.lines[-1]


def test_the_mirror_gives_faces_back_under_a_round_mask():
    faces = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    prediction = MirrorModel(32).predict(faces)
    assert np.array_equal(prediction.face, faces)
    assert prediction.face_mask.shape == (2, 32, 32, 1)
    assert prediction.face_mask[0, 16, 16, 0] == 1
    assert prediction.face_mask[0, 0, 0, 0] == 0
