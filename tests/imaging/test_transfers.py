"""The list of colour transfers: every name has an entry, and every entry does something to a pair of pictures."""

from typing import get_args

import numpy as np
import pytest

from dfl.imaging.transfers import (
    MERGING_TRANSFERS,
    STATISTICAL_TRANSFERS,
    TRAINING_TRANSFERS,
    TRANSFERS,
    MergingTransfer,
)

TARGET = np.random.default_rng(1).uniform(0.1, 0.5, (32, 32, 3)).astype(np.float32)
REFERENCE = np.random.default_rng(2).uniform(0.4, 0.9, (32, 32, 3)).astype(np.float32)
AREA = np.ones((32, 32, 1), np.float32)


def test_every_name_of_an_option_has_an_entry() -> None:
    assert set(TRANSFERS) == set(get_args(MergingTransfer)) - {"auto"} | set(TRAINING_TRANSFERS)
    assert set(MERGING_TRANSFERS) == set(get_args(MergingTransfer)) - {"auto"}
    assert STATISTICAL_TRANSFERS == ("rct", "mkl-m", "lct", "mkl")


@pytest.mark.parametrize("name", [name for name, one in TRANSFERS.items() if one.apply and name != "none"])
def test_a_transfer_brings_the_mean_nearer_to_the_references(name: str) -> None:
    apply = TRANSFERS[name].apply  # type: ignore[index]
    assert apply is not None
    made = apply(TARGET.copy(), REFERENCE, AREA, np.random.default_rng(0))
    assert made.shape == TARGET.shape
    wanted = REFERENCE.mean(axis=(0, 1))
    assert np.abs(made.mean(axis=(0, 1)) - wanted).max() < 0.5 * np.abs(TARGET.mean(axis=(0, 1)) - wanted).max()
