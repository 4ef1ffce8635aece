"""XSeg as merging and the faceset's tools see it."""

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.models.checkpoint import Checkpoint, model_folder, write_checkpoint
from dfl.models.engine import start_engine
from dfl.models.options import XSEG_SIZE, XsegOptions

start_engine("tensorflow")

import keras  # noqa: E402
from keras import ops  # noqa: E402

from dfl.models.open_model import open_xseg  # noqa: E402
from dfl.models.xseg import build_xseg  # noqa: E402


@pytest.fixture
def small(monkeypatch):
    for name, value in {"base": 2, "resolution": 64}.items():
        monkeypatch.setitem(XSEG_SIZE, name, value)


def save(workspace, pretrain=False):
    keras.utils.set_random_seed(1)
    network = build_xseg(XsegOptions())
    network.out_conv.bias.assign(np.array([-2.2], np.float32))  # about 0.1
    weights = {name: np.array(ops.convert_to_numpy(weight)) for name, weight in network.weights().items()}
    options = XsegOptions(face_type="head", pretrain=pretrain).model_dump()
    write_checkpoint(model_folder(workspace.model, "XSeg", "XSeg"), Checkpoint("XSeg", options, 5, weights))
    return network


def test_masks_are_the_networks_without_faint_traces(workspace, small):
    network = save(workspace)
    faces = np.random.default_rng(3).random((3, 64, 64, 3), np.float32)
    model = open_xseg(workspace.model, None, Report())
    raw, masks = np.array(network(faces)[1]), model.predict(faces)
    assert (model.face_type, model.iteration, model.resolution) == (FaceType.HEAD, 5, 64)
    assert masks.shape == (3, 64, 64, 1)
    assert masks.dtype == np.float32
    assert (raw < 0.1).any()
    assert (masks[raw < 0.0999] == 0).all()
    assert np.abs(masks - raw)[raw > 0.1001].max() < 1e-6


def test_it_is_256_pixels_wide_as_every_file_of_the_original(monkeypatch):
    monkeypatch.setitem(XSEG_SIZE, "base", 1)
    assert build_xseg(XsegOptions()).resolution == 256


def test_without_a_model_the_way_to_one_is_told(workspace, small):
    with pytest.raises(UserError, match="no XSeg model") as caught:
        open_xseg(workspace.model, None, Report())
    assert "xseg-train" in caught.value.todo
    save(workspace, pretrain=True)
    with pytest.raises(UserError, match="still pretraining"):
        open_xseg(workspace.model, None, Report())
