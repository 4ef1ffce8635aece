"""From a class's stored options to the settings of its samples, losses and optimizer."""

from dataclasses import dataclass, replace
from typing import Any

from dfl.data.augmentation.degradation import Degradations
from dfl.data.augmentation.warp import AugmentRanges
from dfl.data.sample import SampleSettings
from dfl.faces.face_type import FaceType
from dfl.models.options import QUICK96, AmpOptions, ModelOptions, Quick96Options, SaehdOptions, TrainedSwapOptions
from dfl.training.losses.adversarial import GanSettings
from dfl.training.losses.reconstruction import LossSettings
from dfl.training.objectives.saehd import ExtraTerms

_SIMILARITY: dict[str, Any] = {"SSIM": "dssim", "MS-SSIM": "ms_ssim", "MS-SSIM+L1": "ms_ssim_l1"}
# Learning-rate dropout of the original: share of the weights updated in a step, and period of the cosine schedule.
_KEEP_PROB, _DROPOUT_PERIOD = 0.3, 500


@dataclass(frozen=True)
class TrainingConfig:
    """How a model that swaps faces is trained.

    reuses_every = 3: every third step repeats the batch before it, unwarped (Quick96). is_pretraining: both sides
    show the faces of the pretraining set.
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


def swap_config(options: ModelOptions, has_symmetric_warp: bool) -> TrainingConfig:
    """The config for SAEHD's, Quick96's or AMP's options."""
    if isinstance(options, Quick96Options):
        return _quick96(options, has_symmetric_warp)
    if isinstance(options, SaehdOptions):
        config = _saehd(options, has_symmetric_warp)
        return _pretraining(config) if options.pretrain else config
    if isinstance(options, AmpOptions):
        return _amp(options, has_symmetric_warp)
    raise TypeError(f"{type(options).__name__} is no model that swaps faces")


def _saehd(options: SaehdOptions, has_symmetric_warp: bool) -> TrainingConfig:
    src, dst = _samples(options, has_symmetric_warp, options.eyes_mouth_prio)
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
    )


def _amp(options: AmpOptions, has_symmetric_warp: bool) -> TrainingConfig:
    src, dst = _samples(options, has_symmetric_warp, True)
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
    )


def _samples(
    options: SaehdOptions | AmpOptions, has_symmetric_warp: bool, has_joint_priority: bool
) -> tuple[SampleSettings, SampleSettings]:
    """Of src and dst; colour transfer and colour shifts are for src only, as in the original."""
    is_separate = bool(options.eyes_prio or options.mouth_prio)
    dst = SampleSettings(
        resolution=options.resolution,
        face_type=FaceType.from_name(options.face_type),
        warp=options.random_warp,
        flip=options.random_dst_flip,
        eyes_mouth="separate" if is_separate else "joint" if has_joint_priority else "none",
        symmetric_warp=has_symmetric_warp,
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


def _quick96(options: Quick96Options, has_symmetric_warp: bool) -> TrainingConfig:
    resolution = int(QUICK96["resolution"])
    samples = SampleSettings(
        resolution=resolution,
        face_type=FaceType.from_name(str(QUICK96["face_type"])),
        ranges=AugmentRanges(scale=0.05),
        symmetric_warp=has_symmetric_warp,
    )
    optimizer = {
        "is_adabelief": False,
        "learning_rate": 2e-4,
        "keep_prob": _KEEP_PROB,
        "scales_loss": options.precision == "float16",
    }
    losses = LossSettings(resolution, has_plain_mask=True)
    return TrainingConfig(samples, samples, losses, ExtraTerms(), optimizer, reuses_every=3)
