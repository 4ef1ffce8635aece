"""Weights of the original's face networks on disk: what is kept comes back, and what is wrong is named."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.models.engine import start_engine

start_engine("tensorflow")

from dfl.models.face_weights import (  # noqa: E402
    FACE_NETWORKS,
    face_network_file,
    needed_arrays,
    open_face_network,
    read_weights,
    save_face_network,
    write_weights,
)
from dfl.nets.fan import ConvBlock  # noqa: E402
from dfl.nets.layers import named_weights  # noqa: E402
from dfl.nets.s3fd import L2Norm  # noqa: E402


@pytest.fixture(autouse=True)
def weights_folder(tmp_path, monkeypatch):
    folder = tmp_path / "wéights 顔"
    monkeypatch.setenv("DFL_WEIGHTS", str(folder))
    return folder


def block_arrays():
    """A small network's worth of arrays; the whole ones have 22 million numbers and more."""
    random = np.random.default_rng(1)
    return {
        name: random.normal(size=tuple(variable.shape)).astype(np.float32)
        for name, variable in named_weights(ConvBlock(8, 8)).items()
    }


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {"a/weight": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.array([1.5], np.float32)}
    write_weights(tmp_path / "x.safetensors", arrays)
    got = read_weights(tmp_path / "x.safetensors")
    assert set(got) == set(arrays)
    for name, array in arrays.items():
        assert got[name].dtype == array.dtype
        assert np.array_equal(got[name], array)


@pytest.mark.parametrize("place", [0, 9, 60, -1, None])
def test_another_byte_anywhere_is_noticed(tmp_path, place):
    file = tmp_path / "x.safetensors"
    write_weights(file, block_arrays())
    content = bytearray(file.read_bytes())
    if place is None:
        content = content[:-4]
    else:
        content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.safetensors is damaged"):
        read_weights(file)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: _with_length(text.encode()))))
def test_no_bytes_get_past_the_checksum(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("any") / "x.safetensors"
    file.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        read_weights(file)


def _with_length(header):
    return len(header).to_bytes(8, "little") + header


def test_what_fits_is_kept_in_the_networks_shapes_and_half_precision_stays():
    arrays = block_arrays() | {"more": np.zeros(3)}
    arrays["conv1/weight"] = arrays["conv1/weight"].astype(np.float16)
    arrays["bn1/bias"] = arrays["bn1/bias"].astype(np.float64)
    fitted = needed_arrays(ConvBlock(8, 8), arrays, Path("x.npy"))
    assert list(fitted) == list(block_arrays())
    assert fitted["conv1/weight"].dtype == np.float16
    assert fitted["bn1/bias"].dtype == np.float32


def test_axes_of_length_one_do_not_count():
    fitted = needed_arrays(L2Norm(5), {"weight": np.arange(5, dtype=np.float32)}, Path("x.npy"))
    assert fitted["weight"].shape == (1, 1, 1, 5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda array: None, "conv2/weight is missing"),
        (lambda array: array[..., :1], r"conv2/weight has shape \(3, 3, 4, 1\), expected \(3, 3, 4, 2\)"),
        (lambda array: array.reshape(-1), r"conv2/weight has shape \(72,\)"),
        (lambda array: array.astype(np.int32), "conv2/weight holds int32"),
        (lambda array: array * np.nan, "conv2/weight holds values that are no numbers"),
        (lambda array: array.astype(np.float64) * 1e300, "conv2/weight holds values .* infinite"),
    ],
)
def test_what_does_not_fit_is_named(change, told):
    arrays = block_arrays()
    changed = change(arrays.pop("conv2/weight"))
    if changed is not None:
        arrays["conv2/weight"] = changed
    with pytest.raises(UserError, match=f"2DFAN.npy: the array {told}"):
        needed_arrays(ConvBlock(8, 8), arrays, Path("2DFAN.npy"))


@pytest.mark.parametrize("name", FACE_NETWORKS)
def test_without_weights_the_way_to_get_them_is_told(name):
    with pytest.raises(UserError) as caught:
        open_face_network(name)
    assert f"{name}.safetensors" in caught.value.what
    assert "dfl import weights FOLDER" in caught.value.todo


def test_another_networks_file_is_refused_when_it_is_opened(weights_folder):
    save_face_network("S3FD", block_arrays())
    assert face_network_file("S3FD") == weights_folder / "S3FD.safetensors"
    with pytest.raises(UserError, match=r"S3FD\.safetensors: the array conv1_1/weight is missing"):
        open_face_network("S3FD")
