"""How each kind of model is trained: what its stored options mean for samples, losses and optimizer, its objective."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dfl.data.augmentation.degradation import Degradations
from dfl.data.augmentation.warp import AugmentRanges
from dfl.data.sample import SampleSettings
from dfl.data.xseg_sample import XsegSettings
from dfl.faces.face_type import FaceType
from dfl.models.kinds import kind_with
from dfl.models.options import (
    QUICK96,
    XSEG_SIZE,
    AmpOptions,
    ModelOptions,
    Quick96Options,
    SaehdOptions,
    TrainedSwapOptions,
    XsegOptions,
)
from dfl.models.saehd import Saehd
from dfl.nets.amp import Amp
from dfl.nets.xseg import XSeg
from dfl.training.losses.adversarial import GanSettings
from dfl.training.losses.reconstruction import LossSettings
from dfl.training.objectives.amp import AmpObjective, chosen_channels
from dfl.training.objectives.objective import Arrays, Objective
from dfl.training.objectives.saehd import ExtraTerms, SaehdObjective
from dfl.training.objectives.xseg import XsegObjective
from dfl.training.training_faces import named_faces

_SIMILARITY: dict[str, Any] = {"SSIM": "dssim", "MS-SSIM": "ms_ssim", "MS-SSIM+L1": "ms_ssim_l1"}
# Learning-rate dropout of the original: share of the weights updated in a step, and period of the cosine schedule.
_KEEP_PROB, _DROPOUT_PERIOD = 0.3, 500
# As in the original: RMSprop with learning rate dropout.
XSEG_OPTIMIZER: dict[str, Any] = {"is_adabelief": False, "learning_rate": 1e-4, "keep_prob": 0.3}
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class TrainingConfig:
    """How a model that swaps faces is trained.

    reuses_every = 3: every third step repeats the batch before it, unwarped (Quick96). is_pretraining: both sides
    show the faces of the pretraining set. preview_faces: names of those that previews show, of a side that has any.
    extra_arrays: (faces, seed, iteration) -> what a batch has beside samples.
    """

    src_samples: SampleSettings
    dst_samples: SampleSettings
    losses: LossSettings
    extra: ExtraTerms
    optimizer: dict[str, Any]
    has_uniform_yaw: bool = False
    reuses_every: int = 0
    retrains_high_loss: bool = False
    is_pretraining: bool = False
    preview_faces: frozenset[str] = frozenset()
    extra_arrays: Callable[[int, int, int], Arrays] | None = None

    def batch_shapes(self) -> Shapes:
        """Shapes of a batch of one face of each side, by name."""
        side = self.losses.resolution
        channels = {"warped": 3, "target": 3, "mask": 1, "eyes_mouth": len(self.losses.priorities)}
        shapes: Shapes = {
            f"{who}_{name}": (1, side, side, count) for who in ("src", "dst") for name, count in channels.items()
        }
        extra = self.extra_arrays(1, 0, 0) if self.extra_arrays else {}
        return shapes | {name: array.shape for name, array in extra.items()}


@dataclass(frozen=True)
class XsegConfig:
    """How an XSeg model is trained."""

    samples: XsegSettings
    optimizer: dict[str, Any]

    def batch_shapes(self) -> Shapes:
        """As TrainingConfig's."""
        side = self.samples.resolution
        return {"picture": (1, side, side, 3), "mask": (1, side, side, 1)}


@dataclass(frozen=True)
class KindTraining:
    """How a kind of model is trained.

    config: of its options. objective: of its networks, options, config and seed.
    """

    config: Callable[[Any], Any]
    objective: Callable[[Any, Any, Any, int], Objective]


def swap_config(options: ModelOptions) -> TrainingConfig:
    """How a model with these options is trained, of a kind that swaps faces."""
    config: TrainingConfig = TRAINING[kind_with(options).name].config(options)
    return config


def _saehd_objective(network: Saehd, _: ModelOptions, config: TrainingConfig, seed: int) -> Objective:
    return SaehdObjective(network, config.losses, config.extra, seed)


def _amp_objective(network: Amp, options: AmpOptions, config: TrainingConfig, seed: int) -> Objective:
    gan = (config.extra.gan, config.extra.gan_patch_size, config.extra.gan_dims)
    return AmpObjective(network, config.losses, options.morph_factor, *gan, seed=seed)


def _xseg_objective(network: XSeg, options: XsegOptions, config: XsegConfig, seed: int) -> Objective:
    del config, seed
    return XsegObjective(network, options.pretrain)


def _saehd(options: SaehdOptions) -> TrainingConfig:
    config = _saehd_between_two(options)
    return _pretraining(config) if options.pretrain else config


def _saehd_between_two(options: SaehdOptions) -> TrainingConfig:
    src, dst = _samples(options, options.eyes_mouth_prio)
    losses = LossSettings(
        options.resolution,
        options.masked_training,
        options.eyes_mouth_prio,
        options.blur_out_mask,
        similarity=_SIMILARITY[options.loss_function],
        eyes_weight=options.eyes_prio,
        mouth_weight=options.mouth_prio,
    )
    extra = replace(
        _extra(options),
        true_face_power=options.true_face_power,
        face_style_power=options.face_style_power,
        bg_style_power=options.bg_style_power,
    )
    return TrainingConfig(
        src,
        dst,
        losses,
        extra,
        _optimizer(options, options.adabelief),
        has_uniform_yaw=options.uniform_yaw,
        retrains_high_loss=options.retrain_high_loss,
        preview_faces=named_faces(options.preview_faces),
    )


def _amp(options: AmpOptions) -> TrainingConfig:
    def mixed_channels(count: int, seed: int, iteration: int) -> Arrays:
        return chosen_channels(count, options.inter_dims, options.morph_factor, seed, iteration)

    src, dst = _samples(options, True)
    losses = LossSettings(
        options.resolution,
        eyes_mouth_prio=True,
        blur_out_mask=options.blur_out_mask,
        has_two_windows=True,
        similarity=_SIMILARITY[options.loss_function],
        eyes_weight=options.eyes_prio,
        mouth_weight=options.mouth_prio,
    )
    return TrainingConfig(
        src,
        dst,
        losses,
        _extra(options),
        _optimizer(options, is_adabelief=True),
        has_uniform_yaw=options.uniform_yaw,
        retrains_high_loss=options.retrain_high_loss,
        preview_faces=named_faces(options.preview_faces),
        extra_arrays=mixed_channels,
    )


def _samples(options: SaehdOptions | AmpOptions, has_joint_priority: bool) -> tuple[SampleSettings, SampleSettings]:
    """Of src and dst; colour transfer and colour shifts are for src only, as in the original."""
    is_separate = bool(options.eyes_prio or options.mouth_prio)
    dst = SampleSettings(
        resolution=options.resolution,
        face_type=FaceType.from_name(options.face_type),
        warp=options.random_warp,
        flip=options.random_dst_flip,
        eyes_mouth="separate" if is_separate else "joint" if has_joint_priority else "none",
        symmetric_warp=options.warp_maps != "independent",
        centred_warp=options.warp_maps != "original",
        degrade=Degradations(
            blur=options.random_blur,
            noise=options.random_noise,
            jpeg=options.random_jpeg,
            shadow=options.random_shadow in ("dst", "all"),
            downsample=options.random_downsample,
        ),
    )
    src = replace(
        dst,
        flip=options.random_src_flip,
        transfer=options.ct_mode,
        hsv_power=options.random_hsv_power,
        degrade=replace(dst.degrade, shadow=options.random_shadow in ("src", "all")),
    )
    return src, dst


def _extra(options: TrainedSwapOptions) -> ExtraTerms:
    if not options.gan_power:
        return ExtraTerms()
    gan = GanSettings(options.gan_power, options.gan_smoothing, options.gan_noise)
    return ExtraTerms(gan, options.gan_patch_size, options.gan_dims)


def _optimizer(options: TrainedSwapOptions, is_adabelief: bool) -> dict[str, Any]:
    has_dropout = options.lr_dropout != "n"
    return {
        "is_adabelief": is_adabelief,
        "learning_rate": options.learning_rate,
        "has_bias_correction": options.bias_correction,
        "clip_norm": 1.0 if options.clipgrad else 0.0,
        "keep_prob": _KEEP_PROB if has_dropout else 1.0,
        "cosine_period": options.lr_cos or (_DROPOUT_PERIOD if has_dropout else 0),
        "scales_loss": options.precision == "float16",
    }


def _pretraining(config: TrainingConfig) -> TrainingConfig:
    """What the original forces while pretraining; true face is off too, whose discriminator it did not train."""
    samples = replace(config.dst_samples, warp=False, flip=True, transfer="none", hsv_power=0.0, degrade=Degradations())
    optimizer = config.optimizer | {"keep_prob": 1.0, "cosine_period": 0}
    return replace(
        config,
        src_samples=samples,
        dst_samples=samples,
        extra=ExtraTerms(),
        optimizer=optimizer,
        has_uniform_yaw=True,
        retrains_high_loss=False,
        is_pretraining=True,
    )


def _quick96(options: Quick96Options) -> TrainingConfig:
    resolution = int(QUICK96["resolution"])
    samples = SampleSettings(
        resolution=resolution,
        face_type=FaceType.from_name(str(QUICK96["face_type"])),
        ranges=AugmentRanges(scale=0.05),
        symmetric_warp=options.warp_maps != "independent",
        centred_warp=options.warp_maps != "original",
    )
    optimizer = {
        "is_adabelief": False,
        "learning_rate": 2e-4,
        "keep_prob": _KEEP_PROB,
        "scales_loss": options.precision == "float16",
    }
    losses = LossSettings(resolution, has_plain_mask=True)
    return TrainingConfig(
        samples,
        samples,
        losses,
        ExtraTerms(),
        optimizer,
        reuses_every=3,
        preview_faces=named_faces(options.preview_faces),
    )


def _xseg(options: XsegOptions) -> XsegConfig:
    samples = XsegSettings(
        FaceType.from_name(options.face_type),
        "pretraining" if options.pretrain else "labelled",
        resolution=int(XSEG_SIZE["resolution"]),
    )
    return XsegConfig(samples, XSEG_OPTIMIZER | {"scales_loss": options.precision == "float16"})


# By the kind's name in models.kinds.
TRAINING = {
    "SAEHD": KindTraining(_saehd, _saehd_objective),
    "AMP": KindTraining(_amp, _amp_objective),
    "Quick96": KindTraining(_quick96, _saehd_objective),
    "XSeg": KindTraining(_xseg, _xseg_objective),
}
