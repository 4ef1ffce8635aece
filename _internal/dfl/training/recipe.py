"""How each class of model is trained: what its samples are, what it loses, and how its weights move."""

from dataclasses import dataclass
from typing import Any, Literal

from dfl.faces.face_type import FaceType
from dfl.models.options import Quick96Options, SaehdOptions
from dfl.models.saehd import QUICK96
from dfl.samples.sample import SampleSettings
from dfl.samples.warp import Ranges
from dfl.training.losses import LossSettings


@dataclass(frozen=True)
class Recipe:
    """One model's training. `reuses_every` = 3: every third step takes the batch before again, unwarped (Quick96)."""

    src_samples: SampleSettings
    dst_samples: SampleSettings
    losses: LossSettings
    optimizer: dict[str, Any]
    has_uniform_yaw: bool = False
    reuses_every: int = 0


def recipe(class_name: Literal["SAEHD", "Quick96"], stored: dict[str, Any], has_symmetric_warp: bool) -> Recipe:
    """The recipe for a model's class and stored options."""
    if class_name == "Quick96":
        return _quick96(Quick96Options(**stored), has_symmetric_warp)
    options = SaehdOptions(**stored)
    common: dict[str, Any] = {
        "resolution": options.resolution,
        "face_type": FaceType.from_name(options.face_type),
        "warp": options.random_warp,
        "eyes_mouth": options.eyes_mouth_prio,
        "symmetric_warp": has_symmetric_warp,
    }
    return Recipe(
        SampleSettings(flip=options.random_src_flip, **common),
        SampleSettings(flip=options.random_dst_flip, **common),
        LossSettings(options.resolution, options.masked_training, options.eyes_mouth_prio, options.blur_out_mask),
        {"is_adabelief": options.adabelief, "rate": options.learning_rate, "clip": 1.0 if options.clipgrad else 0.0},
        has_uniform_yaw=options.uniform_yaw,
    )


def _quick96(options: Quick96Options, has_symmetric_warp: bool) -> Recipe:
    resolution = int(QUICK96["resolution"])
    samples = SampleSettings(
        resolution=resolution,
        face_type=FaceType.from_name(str(QUICK96["face_type"])),
        warp=True,
        flip=False,
        ranges=Ranges(scale=0.05),
        symmetric_warp=has_symmetric_warp,
    )
    return Recipe(
        samples,
        samples,
        LossSettings(resolution, has_plain_mask=True),
        {"is_adabelief": False, "rate": 2e-4, "kept_share": 0.3},
        reuses_every=3,
    )
