"""Models of every class as the original files them: written here with random numbers, read by the closed reader."""

import os
import pickle

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.models.engine import start_engine

start_engine("tensorflow")

from keras import ops  # noqa: E402

from dfl.interop.import_model import as_checkpoint, run  # noqa: E402
from dfl.interop.options import ImportOptions  # noqa: E402
from dfl.interop.read_model import find_models, read_model  # noqa: E402
from dfl.models.checkpoint import read_checkpoint  # noqa: E402
from dfl.models.open_model import set_weights  # noqa: E402
from dfl.models.options import SaehdOptions  # noqa: E402
from dfl.models.saehd import Saehd  # noqa: E402
from dfl.nets.amp import Amp  # noqa: E402
from dfl.nets.discriminators import CodeDiscriminator, UNetPatchDiscriminator  # noqa: E402
from dfl.nets.layers import named_weights  # noqa: E402
from dfl.nets.xseg import XSeg  # noqa: E402
from dfl.training.optimizers import Optimizer  # noqa: E402


def numbers(network):
    return {name: np.array(ops.convert_to_numpy(weight)) for name, weight in named_weights(network).items()}


def write(path, content):
    path.write_bytes(pickle.dumps(content, protocol=4))


class Installation:
    """A model folder of the original."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def add_data(self, prefix, options, losses):
        data = {"iter": 7, "options": options, "loss_history": [[0.5] * losses] * 7, "sample_for_preview": None}
        write(self.folder / f"{prefix}_data.dat", data)

    def add_network(self, file, network):
        write(self.folder / f"{file}.npy", {f"{name}:0": array for name, array in numbers(network).items()})

    def add_optimizer(self, file, networks, slots):
        arrays = {"iters:0": np.int64(7)}
        for slot in slots:
            for own_name, network in networks.items():
                for name, array in numbers(network).items():
                    arrays[f"{slot}_{own_name}/{name}_0:0"] = np.full_like(array, 0.25)
        write(self.folder / f"{file}.npy", arrays)


def tiny_amp():
    return Amp(64, ae=8, inter=6, e=4, d=4, d_mask=2)


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path / "model")


@pytest.fixture
def amp(installation):
    """AMP with GAN, as saved by the original, and its networks."""
    network = tiny_amp()
    gan = UNetPatchDiscriminator(8, 64, base=4)
    installation.add_data("my face_AMP", {"resolution": 64, "morph_factor": 0.5, "gan_power": 0.1}, 2)
    for part, own in network.parts.items():
        installation.add_network(f"my face_AMP_{part}", own)
    trained = {part: network.parts[part] for part in ("encoder", "decoder")}
    installation.add_optimizer("my face_AMP_src_dst_opt", trained, ("ms", "vs"))
    installation.add_network("my face_AMP_GAN", gan)
    installation.add_optimizer("my face_AMP_GAN_opt", {"GAN": gan}, ("ms", "vs"))
    return network


def test_amp_answers_as_before(installation, amp):
    model = read_model(installation.folder)
    assert (model.name, model.class_name, model.iteration) == ("my face", "AMP", 7)
    assert model.options["morph_factor"] == 0.5
    again = tiny_amp()
    set_weights(again, model.weights, model.name)
    faces = np.random.default_rng(1).random((1, 64, 64, 3), np.float32)
    for one, other in zip(amp.swap(faces, np.float32(0.5)), again.swap(faces, np.float32(0.5)), strict=True):
        assert np.array_equal(one, other)


def test_amps_optimizers_fit_ours(installation, amp):
    model = read_model(installation.folder)
    own = Optimizer(amp.trained_weights(), is_adabelief=True, learning_rate=1.0)
    assert set(model.optimizer) == set(own.state()) - {"random"}
    gan = {f"GAN/{name}": weight for name, weight in named_weights(UNetPatchDiscriminator(8, 64, base=4)).items()}
    for name, weight in gan.items():
        assert model.weights[name].shape == tuple(weight.shape)
    own = Optimizer(gan, is_adabelief=True, learning_rate=1.0)
    assert set(model.discriminator_optimizers) == {"GAN"}
    got = model.discriminator_optimizers["GAN"]
    assert set(got) == set(own.state()) - {"random"}
    assert int(got["steps"]) == 7


@pytest.mark.slow
def test_xseg_answers_as_before(installation):
    network = XSeg(2, 64)
    installation.add_data("XSeg", {"face_type": "wf", "batch_size": 4, "pretrain": False}, 1)
    installation.add_network("XSeg_256", network)
    installation.add_optimizer("XSeg_256_opt", {"XSeg": network}, ("acc",))
    model = read_model(installation.folder)
    assert (model.name, model.class_name) == ("XSeg", "XSeg")
    assert model.history.shape == (7, 1)
    again = XSeg(2, 64)
    set_weights(again, model.weights, model.name)
    faces = np.random.default_rng(1).random((1, 64, 64, 3), np.float32)
    assert np.array_equal(network(faces)[0], again(faces)[0])
    own = Optimizer(again.weights(), is_adabelief=False, learning_rate=1.0)
    assert set(model.optimizer) == set(own.state()) - {"random"}


def test_saehd_brings_its_discriminators(installation):
    options = {"resolution": 64, "archi": "df-ud", "ae_dims": 8, "e_dims": 4, "d_dims": 4, "d_mask_dims": 2}
    networks = Saehd(SaehdOptions(**options)).parts
    judges = {"D_src": UNetPatchDiscriminator(8, 64, base=4), "dis": CodeDiscriminator(8, 4)}
    installation.add_data("new_SAEHD", options, 2)
    for part, network in networks.items():
        installation.add_network(f"new_SAEHD_{part}", network)
    installation.add_optimizer("new_SAEHD_src_dst_opt", networks, ("acc",))
    installation.add_network("new_SAEHD_GAN", judges["D_src"])
    installation.add_optimizer("new_SAEHD_GAN_opt", {"D_src": judges["D_src"]}, ("acc",))
    installation.add_network("new_SAEHD_code_discriminator", judges["dis"])
    installation.add_optimizer("new_SAEHD_D_code_opt", {"dis": judges["dis"]}, ("acc",))
    saved, _ = as_checkpoint(read_model(installation.folder))
    for own_name, network in judges.items():
        for name, array in numbers(network).items():
            assert np.array_equal(saved.weights[f"{own_name}/{name}"], array)
            assert saved.optimizer[f"{own_name}_opt/a/{own_name}/{name}"].shape == array.shape
        assert int(saved.optimizer[f"{own_name}_opt/steps"]) == 7
    assert int(saved.optimizer["steps"]) == 7


def test_xseg_in_the_same_folder_is_never_taken_by_mistake(installation, amp):
    installation.add_data("XSeg", {}, 1)
    os.utime(installation.folder / "my face_AMP_data.dat", ns=(1, 1))
    assert find_models(installation.folder) == [("my face", "AMP"), ("XSeg", "XSeg")]
    assert read_model(installation.folder).class_name == "AMP"
    with pytest.raises(UserError, match=r"XSeg_256\.npy is missing"):
        read_model(installation.folder, class_name="XSeg")
    with pytest.raises(UserError, match=r"named other of class SAEHD .*found: my face \(AMP\), XSeg \(XSeg\)"):
        read_model(installation.folder, "other", "SAEHD")


def test_a_damaged_discriminator_is_named(installation, amp):
    (installation.folder / "my face_AMP_GAN.npy").write_bytes(b"\x80\x04nothing")
    with pytest.raises(UserError, match=r"GAN\.npy"):
        read_model(installation.folder)


def test_xseg_becomes_ours_under_its_one_name(installation, workspace):
    network = XSeg(2, 64)
    installation.add_data("XSeg", {"face_type": "head", "batch_size": 4, "pretrain": False}, 1)
    installation.add_network("XSeg_256", network)
    run(workspace, ImportOptions(kind="model", folder=installation.folder), Report())
    saved = read_checkpoint(workspace.model / "XSeg_XSeg")
    assert (saved.class_name, saved.iteration, saved.history.shape) == ("XSeg", 7, (7, 1))
    assert saved.options["face_type"] == "head"
    set_weights(XSeg(2, 64), saved.weights, "XSeg")


def test_amp_keeps_its_untrained_inters(installation, amp):
    saved, left_out = as_checkpoint(read_model(installation.folder))
    assert saved.options["train_inter"] is False
    assert "train_inter" not in left_out
