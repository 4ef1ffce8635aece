"""The table of model kinds agrees with what it names, and is read without an engine."""

import subprocess
import sys
from typing import Any, get_args

import pytest

from dfl.base.errors import UserError
from dfl.faces.face_type import FaceType
from dfl.models.engine import start_engine
from dfl.models.kinds import KINDS, SWAP_CLASSES, kind_of, kind_with
from dfl.models.options import (
    AmpOptions,
    ModelClass,
    ModelOptions,
    Quick96Options,
    SaehdOptions,
    SwapClass,
    XsegOptions,
)

start_engine("tensorflow")

from dfl.models.open_model import build_network  # noqa: E402
from dfl.nets.size_count import counting  # noqa: E402
from dfl.training.training_config import TRAINING  # noqa: E402

SMALL: dict[str, Any] = {"resolution": 64, "ae_dims": 8, "e_dims": 4, "d_dims": 4, "d_mask_dims": 2}


def test_command_line_and_training_know_the_same_kinds() -> None:
    assert get_args(ModelClass) == tuple(KINDS) == tuple(TRAINING)
    assert get_args(SwapClass) == SWAP_CLASSES


@pytest.mark.parametrize(
    "options",
    [SaehdOptions(archi="df-ud", **SMALL), SaehdOptions(archi="liae", **SMALL), AmpOptions(**SMALL), Quick96Options(),
     XsegOptions()],
    ids=["df", "liae", "AMP", "Quick96", "XSeg"],
)  # fmt: skip
def test_parts_and_sizes_are_those_of_the_networks(options: ModelOptions) -> None:
    kind, stored = kind_with(options), options.model_dump()
    with counting():
        network = build_network(kind.name, stored)
    assert list(kind.parts(stored)) == list(network.parts)
    assert kind.face(stored)[1] == network.resolution
    assert {name.partition("/")[0] for name in network.weights()} == set(network.parts)


def test_face_types_are_the_stored_ones_or_fixed() -> None:
    assert KINDS["SAEHD"].face({"face_type": "head"})[0] is FaceType.HEAD
    assert KINDS["Quick96"].face({})[0] is FaceType.FULL
    assert KINDS["XSeg"].face({}) == (FaceType.WHOLE, 256)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(UserError, match="class Quick128 are not known") as error:
        kind_of("Quick128")
    assert error.value.todo == "Known: SAEHD, AMP, Quick96, XSeg."


def test_the_table_needs_no_engine() -> None:
    code = (
        "import dfl.models.kinds, sys; sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
