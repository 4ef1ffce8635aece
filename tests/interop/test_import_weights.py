"""Weights out of an installation of the original. The files here have random numbers under the right names."""

import pickle

import numpy as np
import pytest

from dfl.base import pickle_writer
from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.models.engine import start_engine

start_engine("tensorflow")

from dfl.interop.import_stage import run  # noqa: E402
from dfl.interop.import_weights import find_weights  # noqa: E402
from dfl.interop.options import ImportOptions  # noqa: E402
from dfl.models.face_weights import build_face_network, open_face_network  # noqa: E402
from dfl.nets.layers import named_weights  # noqa: E402


@pytest.fixture(autouse=True)
def weights_folder(tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    monkeypatch.setenv("DFL_WEIGHTS", str(folder))
    return folder


@pytest.fixture(scope="module")
def s3fd():
    """A detector's arrays with 16 bits, as the original names them."""
    random = np.random.default_rng(1)
    return {
        f"{name}:0": random.standard_normal(tuple(variable.shape), np.float32).astype(np.float16)
        for name, variable in named_weights(build_face_network("S3FD")).items()
    }


@pytest.fixture
def facelib(tmp_path):
    folder = tmp_path / "DeepFaceLab ü" / "_internal" / "DeepFaceLab" / "facelib"
    folder.mkdir(parents=True)
    return folder


def options(folder):
    return ImportOptions(kind="weights", folder=folder)


@pytest.mark.slow
def test_a_network_comes_over_number_for_number(workspace, facelib, s3fd, weights_folder, capsys):
    (facelib / "S3FD.npy").write_bytes(pickle_writer.dumps(s3fd | {"more/weight:0": np.zeros(2)}))
    run(workspace, options(facelib.parents[2]), Report())
    told = capsys.readouterr().out
    assert "left out: more/weight" in told
    assert "Imported 1 of 4 networks; not there: 2DFAN, 3DFAN, FaceEnhancer." in told
    # A few bytes of names come on top of 16 bits a number.
    assert (weights_folder / "S3FD.safetensors").stat().st_size < 2.01 * 22_459_110
    network = open_face_network("S3FD")
    for name, variable in named_weights(network).items():
        assert np.array_equal(np.asarray(variable), s3fd[f"{name}:0"].astype(np.float32)), name


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_every_folder_around_the_files_will_do(facelib, level):
    (facelib / "2DFAN.npy").write_bytes(b"")
    folder = [facelib, *facelib.parents][level]
    assert find_weights(folder) == {"2DFAN": facelib / "2DFAN.npy"}


def test_a_folder_without_them_says_what_it_looked_for(workspace, tmp_path):
    with pytest.raises(UserError, match=r"S3FD\.npy, 2DFAN\.npy, 3DFAN\.npy, FaceEnhancer\.npy") as caught:
        run(workspace, options(tmp_path), Report())
    assert "facelib" in caught.value.todo


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (pickle.dumps(print), "damaged or holds more"),
        (pickle.dumps([1, 2]), "holds no weights"),
        (pickle.dumps({"conv1_1/weight:0": np.zeros((3, 3, 3, 64))})[:1000], "damaged"),
        (
            pickle.dumps({"conv1_1/weight:0": np.zeros((3, 3, 3, 64))}),
            r"conv1_1/bias is missing, expected shape \(64,\)",
        ),
    ],
)
def test_damaged_files_are_named_and_the_others_kept(workspace, facelib, s3fd, weights_folder, content, told, capsys):
    (facelib / "S3FD.npy").write_bytes(content)
    (facelib / "FaceEnhancer.npy").write_bytes(content)
    with pytest.raises(UserError, match="2 of 2 networks could not be imported") as caught:
        run(workspace, options(facelib), Report())
    assert str(facelib / "S3FD.npy") in caught.value.what
    assert "! " in capsys.readouterr().out
    assert not list(weights_folder.glob("*")) if weights_folder.is_dir() else True
    with pytest.raises(UserError, match=told):
        run(workspace, options(facelib), Report())


@pytest.mark.slow
def test_what_was_kept_before_is_replaced_only_by_whole_weights(workspace, facelib, s3fd, weights_folder):
    (facelib / "S3FD.npy").write_bytes(pickle_writer.dumps(s3fd))
    run(workspace, options(facelib), Report())
    before = (weights_folder / "S3FD.safetensors").read_bytes()
    (facelib / "S3FD.npy").write_bytes(pickle_writer.dumps(s3fd | {"fc7/bias:0": np.full(1024, np.nan)}))
    with pytest.raises(UserError, match=r"S3FD\.npy: the array fc7/bias holds values"):
        run(workspace, options(facelib), Report())
    assert (weights_folder / "S3FD.safetensors").read_bytes() == before
