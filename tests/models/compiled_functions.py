"""Everything that is run `compiled`, on the smallest models, each as a function of a batch size.

The engine must be started. As a program: `python -m tests.models.compiled_functions ENGINE` prints for every name the
largest difference between a function that has seen other batch sizes before and the same, not compiled.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any
from unittest.mock import patch

import numpy as np

# The first is compiled for this size, the second for any; sizes that were never seen follow.
SIZES = (2, 3, 1)
SIDE = 32
SAEHD = {"resolution": SIDE, "ae_dims": 8, "e_dims": 4, "d_dims": 4, "d_mask_dims": 2}
GAN = {"gan_power": 0.1, "gan_patch_size": 4, "gan_dims": 4}
EXTRAS: dict[str, dict[str, Any]] = {
    "df": {"archi": "df-u", "true_face_power": 0.1, "face_style_power": 1.0, "bg_style_power": 1.0, **GAN},
    "df-udt": {"archi": "df-udt", "loss_function": "MS-SSIM"},
    "liae": {"archi": "liae-u", "face_style_power": 1.0, "bg_style_power": 1.0, "eyes_mouth_prio": True, **GAN},
    "liae-udt": {"archi": "liae-udt", "eyes_prio": True, "mouth_prio": True},
}
AMP = SAEHD | {"inter_dims": 8} | GAN
KINDS = ("save", "held out", "predict", "compare")
NAMES = [f"{model} {kind}" for model in (*EXTRAS, "quick96", "AMP") for kind in KINDS]
NAMES += [f"XSeg {kind}" for kind in ("save", "pretraining save", "predict")]
LARGE_NAMES = ["S3FD", "2DFAN", "FaceEnhancer"]  # of one size only

Function = Callable[[int], list[np.ndarray]]


def function(name: str) -> Function:
    """Anew, with the same weights every time."""
    import keras

    keras.utils.set_random_seed(5)
    model, _, kind = name.partition(" ")
    if name in LARGE_NAMES:
        return _large(name)
    if model == "XSeg":
        return _xseg(kind)
    return _swap(model, kind)


def _batch(count: int, side: int, names: dict[str, int]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(count)
    return {name: random.random((count, side, side, channels), np.float32) for name, channels in names.items()}


def _swap(model: str, kind: str) -> Function:
    from dfl.models.amp import AmpSwapModel
    from dfl.models.open_model import build_network
    from dfl.models.options import QUICK96, AmpOptions, Quick96Options, SaehdOptions
    from dfl.models.saehd import SaehdSwapModel
    from dfl.nets.amp import Amp
    from dfl.training import compare_snapshots
    from dfl.training.monitoring.validation_loss import ValidationLoss
    from dfl.training.objectives.amp import AmpObjective, chosen_channels
    from dfl.training.objectives.saehd import SaehdObjective
    from dfl.training.training_config import swap_config

    options: Any = SaehdOptions(**SAEHD, **EXTRAS[model]) if model in EXTRAS else Quick96Options()
    options = AmpOptions(**AMP) if model == "AMP" else options
    class_name = {"AMP": "AMP", "quick96": "Quick96"}.get(model, "SAEHD")
    with patch.dict(
        QUICK96, ae_dims=8, e_dims=8, d_dims=8, d_mask_dims=8
    ):  # no option; its 50 million add nothing here
        network: Any = build_network(class_name, options.model_dump())
    config, side = swap_config(options), network.resolution
    objective: Any
    if isinstance(network, Amp):
        objective = AmpObjective(
            network, config.losses, 0.5, config.extra.gan, config.extra.gan_patch_size, config.extra.gan_dims
        )
    else:
        objective = SaehdObjective(network, config.losses, config.extra)
    channels = {"warped": 3, "target": 3, "mask": 1, "eyes_mouth": 2 if "eyes_prio" in EXTRAS.get(model, {}) else 1}
    if model in ("df", "df-udt", "quick96"):
        channels.pop("eyes_mouth")

    def faces(count: int) -> Any:
        names = {f"{one}_{part}": number for one in ("src", "dst") for part, number in channels.items()}
        chosen = chosen_channels(count, 8, 0.5, 1, count) if class_name == "AMP" else {}
        return _batch(count, side, names) | chosen

    first = ValidationLoss(objective, [faces(SIZES[0])])

    def held_out(count: int) -> list[np.ndarray]:
        first._batches = [faces(count)]
        return [np.array(first.losses())]

    if kind == "predict":
        opened: Any = partial(AmpSwapModel, morph_factor=0.5) if class_name == "AMP" else SaehdSwapModel
        predictor = opened(network, None, "", 0)
        return lambda count: list(vars(predictor.predict(faces(count)["dst_target"])).values())
    if kind == "compare":
        compare = compare_snapshots.comparison(network)
        return lambda count: list(compare(faces(count)))
    if kind == "held out":
        return held_out
    # What is done at a save: AMP's pages show one face, whatever the batch.
    return lambda count: [
        np.array(objective.is_collapsed(faces(count))),
        *objective.preview_pages(faces(count)).values(),
    ]


def _xseg(kind: str) -> Function:
    from dfl.faces.face_type import FaceType
    from dfl.models.xseg import XsegModel
    from dfl.nets.xseg import XSeg
    from dfl.training.objectives.xseg import XsegObjective

    network = XSeg(base=2, resolution=64)
    names = {"picture": 3, "mask": 1, "src": 3, "dst": 3}
    if kind == "predict":
        model = XsegModel(network, FaceType.WHOLE, "XSeg", 0)
        return lambda count: [model.predict(_batch(count, 64, names)["picture"])]
    objective = XsegObjective(network, kind.startswith("pretraining"))
    return lambda count: list(objective.preview_pages(_batch(count, 64, names)).values())


def _large(name: Any) -> Function:
    from dfl.models.compiled import compiled
    from dfl.models.face_weights import build_face_network

    network = build_face_network(name)
    run = compiled(network if name == "S3FD" else lambda pictures: (network(pictures),))
    # Convolutions alone, which take smaller faces than they are made for.
    return lambda count: list(run(_batch(count, 64, {"faces": 3})["faces"]))


def largest_difference(name: str) -> float:
    """Between a function that has seen other sizes and the same, not compiled; numbers above 1 by their size.

    torch compiles nothing: there the first size is run once more, after the others.
    """
    import keras

    run, largest = function(name), 0.0
    got = [run(count) for count in SIZES]
    compared = SIZES if keras.backend.backend() == "tensorflow" else SIZES[:1]
    with not_compiled():
        plain = [run(count) for count in compared]
    for one, other in zip(chain(*got[: len(compared)]), chain(*plain), strict=True):
        assert one.shape == other.shape, name
        scale = max(1.0, float(np.abs(other).max())) if name in LARGE_NAMES else 1.0
        largest = max(largest, float(np.abs(one - other.astype(float)).max()) / scale)
    return largest


@contextmanager
def not_compiled() -> Iterator[None]:
    """TensorFlow's functions run operation by operation, each with the sizes as they are."""
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


if __name__ == "__main__":
    from dfl.models.engine import start_engine

    start_engine(sys.argv[1])
    print(json.dumps({name: largest_difference(name) for name in NAMES}))
