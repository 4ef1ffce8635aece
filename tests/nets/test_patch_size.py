"""Patch sizes against the table that the original's own search gives."""

import pytest

from dfl.nets.patch_size import patch_multiple, patch_strides, receptive_field

# Patch size: receptive field, strides.
CHOSEN = {
    8: (7, "22"), 10: (11, "212"), 12: (11, "212"), 14: (15, "222"), 16: (15, "222"), 18: (19, "2122"),
    20: (19, "2122"), 24: (23, "2212"), 28: (27, "21212"), 32: (31, "2222"), 36: (35, "21222"), 40: (39, "22122"),
    48: (47, "22212"), 56: (55, "221212"), 64: (63, "22222"), 80: (79, "222122"),
}  # fmt: skip
# All fields up to 255 that are hit exactly.
FIELDS = (
    "3(2) 7(22) 11(212) 15(222) 19(2122) 23(2212) 27(21212) 31(2222) 35(21222) 39(22122) 43(212122) 47(22212) "
    "51(212212) 55(221212) 59(2121212) 63(22222) 67(212222) 71(221222) 75(2121222) 79(222122) 83(2122122) 87(2212122) "
    "91(21212122) 95(222212) 99(2122212) 103(2212212) 107(21212212) 111(2221212) 115(21221212) 119(22121212) "
    "123(212121212) 127(222222) 131(2122222) 135(2212222) 139(21212222) 143(2221222) 147(21221222) 151(22121222) "
    "155(212121222) 159(2222122) 163(21222122) 167(22122122) 171(212122122) 175(22212122) 179(212212122) "
    "183(221212122) 191(2222212) 195(21222212) 199(22122212) 203(212122212) 207(22212212) 211(212212212) "
    "215(221212212) 223(22221212) 227(212221212) 231(221221212) 239(222121212) 255(2222222)"
)


def digits(strides):
    return "".join(map(str, strides))


@pytest.mark.parametrize("patch_size", CHOSEN)
def test_chosen_layers(patch_size):
    field, strides = CHOSEN[patch_size]
    assert digits(patch_strides(patch_size)) == strides
    assert receptive_field(patch_strides(patch_size)) == field


def test_every_field_up_to_255():
    table = dict(entry.rstrip(")").split("(") for entry in FIELDS.split())
    assert {field: digits(patch_strides(int(field))) for field in table} == table
    chosen = {receptive_field(patch_strides(size)) for size in range(1, 256)}
    assert chosen == set(map(int, table))


def test_every_halving_needs_an_even_map():
    assert patch_multiple(16) == 8
    assert patch_multiple(64) == 32
