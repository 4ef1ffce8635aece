"""Which arrays of a set are written again though nothing uses them today."""

import numpy as np

from dfl.models.checkpoint import Checkpoint
from dfl.training.carried_arrays import carried_arrays


def arrays(*names: str) -> dict[str, np.ndarray]:
    return {name: np.full(3, index, np.float32) for index, name in enumerate(names)}


def test_judges_that_are_off_and_weights_that_do_not_move_keep_their_arrays():
    saved = Checkpoint(
        "SAEHD",
        {},
        9,
        arrays("encoder/w", "inter_AB/w", "D_src/w", "dis/w"),
        arrays(
            *("steps", "random", "loss_scale", "m/encoder/w", "v/encoder/w", "m/inter_AB/w", "v/inter_AB/w"),
            *("D_src_opt/steps", "D_src_opt/m/D_src/w", "dis_opt/m/dis/w", "a/encoder/w", "order/src/losses"),
        ),
    )
    weights, optimizer = carried_arrays(
        saved,
        ["encoder/w", "inter_AB/w", "dis/w"],
        ["steps", "random", "m/encoder/w", "v/encoder/w", "dis_opt/m/dis/w"],
    )
    assert list(weights) == ["D_src/w"]
    assert sorted(optimizer) == ["D_src_opt/m/D_src/w", "D_src_opt/steps", "m/inter_AB/w", "v/inter_AB/w"]
    assert all(np.array_equal(optimizer[name], saved.optimizer[name]) for name in optimizer)
    assert all(array.base is None for array in (weights | optimizer).values()), "a view would hold the whole file"


def test_nothing_is_carried_where_all_is_in_use():
    saved = Checkpoint("XSeg", {}, 9, arrays("XSeg/w"), arrays("steps", "a/XSeg/w"))
    assert carried_arrays(saved, ["XSeg/w"], ["steps", "a/XSeg/w"]) == ({}, {})
