"""AMP as merging sees it: opened from a saved set, morphed as far as asked."""

import numpy as np
import pytest

from dfl.base.report import Report
from dfl.faces.face_type import FaceType
from dfl.models.checkpoint import Checkpoint, model_folder, write_checkpoint
from dfl.models.engine import start_engine
from dfl.models.options import AmpOptions

start_engine("tensorflow")

from keras import ops  # noqa: E402

from dfl.models.amp import build_amp  # noqa: E402
from dfl.models.open_model import open_model  # noqa: E402

WIDTHS = {"resolution": 32, "ae_dims": 8, "inter_dims": 10, "e_dims": 4, "d_dims": 4, "d_mask_dims": 2}
OPTIONS = AmpOptions(**WIDTHS, face_type="head")


@pytest.fixture
def saved(workspace):
    network = build_amp(OPTIONS)
    weights = {name: np.array(ops.convert_to_numpy(weight)) for name, weight in network.weights().items()}
    for name, other in (("other_SAEHD", "SAEHD"), ("XSeg_XSeg", "XSeg")):
        write_checkpoint(workspace.model / name, Checkpoint(other, {}, 1, {}))
    write_checkpoint(
        model_folder(workspace.model, "two people", "AMP"), Checkpoint("AMP", OPTIONS.model_dump(), 9, weights)
    )
    return workspace, network


@pytest.mark.slow
@pytest.mark.parametrize("morph", [0.0, 0.4, 1.0])
def test_it_predicts_what_the_networks_swap(saved, morph):
    workspace, network = saved
    faces = np.random.default_rng(2).random((3, 32, 32, 3), np.float32)
    model = open_model(workspace.model, "two people", None, None, Report(), morph_factor=morph)
    face, mask, dst_face, dst_mask = network.swap(faces, np.float32(morph))
    got = model.predict(faces)
    for one, other in ((got.face, face), (got.face_mask, mask), (got.dst_mask, dst_mask)):
        assert np.abs(one - np.array(other)).max() < 1e-6
    assert (np.abs(got.face - np.array(dst_face)).max() < 1e-6) == (morph == 0)
    for one, other in zip(model.reconstruct(faces), (dst_face, dst_mask), strict=True):
        assert np.abs(one - np.array(other)).max() < 1e-6
    assert (model.name, model.iteration, model.resolution, model.face_type) == ("two people", 9, 32, FaceType.HEAD)
    assert model.settings == {"morph_factor": morph}


def test_an_xseg_model_is_never_taken_for_one_that_swaps(saved):
    workspace, _ = saved
    write_checkpoint(workspace.model / "XSeg_XSeg", Checkpoint("XSeg", {}, 2, {}))  # saved last
    assert open_model(workspace.model, None, None, None, Report()).name == "two people"
