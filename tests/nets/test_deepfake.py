"""Architectures: names, shapes and orders of weights as the original's files have them."""

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.models.engine import start_engine

start_engine("tensorflow")

from dfl.nets.deepfake import Architecture, Decoder, Encoder, Inter  # noqa: E402
from dfl.nets.layers import named_weights, set_computing  # noqa: E402


def shapes(network):
    return [f"{name} {','.join(map(str, weight.shape))}" for name, weight in named_weights(network).items()]


def with_biases(text):
    """The worked lists name a layer and its kernel; every layer also has a bias of the last number."""
    lines = []
    for entry in text.split(";"):
        name, shape = entry.split()
        lines += [f"{name}/weight {shape}", f"{name}/bias {shape.split(',')[-1]}"]
    return lines


def test_weights_of_df_ud_at_64_pixels():
    archi = Architecture.parse("df-ud")
    encoder = Encoder(16, 64, archi)
    assert shapes(encoder) == with_biases(
        "down1/downs_0/conv1 5,5,3,16;down1/downs_1/conv1 5,5,16,32;down1/downs_2/conv1 5,5,32,64;"
        "down1/downs_3/conv1 5,5,64,128"
    )
    assert shapes(Inter(encoder.length, 32, 32, 64, archi)) == with_biases(
        "dense1 2048,32;dense2 32,128;upscale1/conv1 3,3,32,128"
    )
    assert shapes(Decoder(32, 16, 8, archi)) == with_biases(
        "upscale0/conv1 3,3,32,512;upscale1/conv1 3,3,128,256;upscale2/conv1 3,3,64,128;res0/conv1 3,3,128,128;"
        "res0/conv2 3,3,128,128;res1/conv1 3,3,64,64;res1/conv2 3,3,64,64;res2/conv1 3,3,32,32;res2/conv2 3,3,32,32;"
        "upscalem0/conv1 3,3,32,256;upscalem1/conv1 3,3,64,128;upscalem2/conv1 3,3,32,64;out_conv 1,1,32,3;"
        "out_conv1 3,3,32,3;out_conv2 3,3,32,3;out_conv3 3,3,32,3;upscalem3/conv1 3,3,16,32;out_convm 1,1,8,1"
    )


def test_weights_of_liae_udt_at_64_pixels():
    archi = Architecture.parse("liae-udt")
    encoder = Encoder(16, 64, archi)
    assert shapes(encoder) == with_biases(
        "down1/conv1 5,5,3,16;res1/conv1 3,3,16,16;res1/conv2 3,3,16,16;down2/conv1 5,5,16,32;down3/conv1 5,5,32,64;"
        "down4/conv1 5,5,64,128;down5/conv1 5,5,128,128;res5/conv1 3,3,128,128;res5/conv2 3,3,128,128"
    )
    assert shapes(Inter(encoder.length, 32, 64, 64, archi)) == with_biases("dense1 512,32;dense2 32,256")
    decoder = shapes(Decoder(128, 16, 8, archi))
    assert len(decoder) == 44
    assert decoder[-6:] == with_biases("out_conv3 3,3,32,3;upscalem4/conv1 3,3,16,32;out_convm 1,1,8,1")


@pytest.mark.slow
@pytest.mark.parametrize("text", ["df", "df-u", "df-d", "df-t", "df-udtc", "liae-ud", "liae-t"])
def test_every_letter_gives_a_picture_of_the_right_size(text):
    archi = Architecture.parse(text)
    encoder = Encoder(4, 64, archi)
    widen = 1 if archi.kind == "df" else 2
    inter = Inter(encoder.length, 8, widen * 8, 64, archi)
    face, mask = Decoder(widen * 8, 4, 2, archi)(inter(encoder(np.full((2, 64, 64, 3), 0.5, np.float32))))
    assert tuple(face.shape) == (2, 64, 64, 3)
    assert tuple(mask.shape) == (2, 64, 64, 1)


@pytest.mark.parametrize("text", ["", "dfx", "df-", "df-x", "sae-ud"])
def test_other_names_are_refused_with_the_rule(text):
    with pytest.raises(UserError, match="letters of u, d, t, c"):
        Architecture.parse(text)


@pytest.mark.parametrize("text", ["df-ud", "liae-t"])
def test_shorter_numbers_stay_inside(text):
    """Code, face and mask are float32 and near those of float32; the weights are the same."""
    archi = Architecture.parse(text)
    parts = [Encoder(8, 64, archi)]
    parts += [Inter(parts[0].length, 8, 8, 64, archi), Decoder(8, 8, 4, archi)]
    picture = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)

    def outputs():
        code = parts[0](picture)
        return [np.array(array) for array in (code, *parts[2](parts[1](code)))]

    wanted = outputs()
    for part in parts:
        set_computing(part, "bfloat16")
    for got, exact in zip(outputs(), wanted, strict=True):
        assert got.dtype == np.float32
        assert not np.array_equal(got, exact)
        assert np.abs(got - exact).max() < 0.02 * np.abs(exact).max()
