"""What the classes' stored options mean for samples, losses and optimizer."""

from dfl.faces.face_type import FaceType
from dfl.models.options import Quick96Options, SaehdOptions
from dfl.training.training_config import swap_config


def test_saehd_options_reach_samples_losses_and_optimizer():
    options = SaehdOptions(
        face_type="wf", random_warp=False, random_src_flip=True, random_dst_flip=False, eyes_mouth_prio=True,
        blur_out_mask=True, masked_training=False, adabelief=False, clipgrad=True, uniform_yaw=True, learning_rate=1e-4,
        warp_maps="independent",
    )  # fmt: skip
    plan = swap_config(options)
    assert (plan.src_samples.flip, plan.dst_samples.flip) == (True, False)
    assert plan.src_samples.face_type == FaceType.WHOLE
    assert not plan.src_samples.warp
    assert plan.src_samples.eyes_mouth == "joint"
    assert not plan.src_samples.symmetric_warp
    assert plan.losses.eyes_mouth_prio
    assert plan.losses.blur_out_mask
    assert not plan.losses.masked_training
    assert plan.optimizer == {
        "is_adabelief": False, "learning_rate": 1e-4, "has_bias_correction": False, "clip_norm": 1.0, "keep_prob": 1.0,
        "cosine_period": 0,
        "scales_loss": False,
    }  # fmt: skip
    assert plan.has_uniform_yaw


def test_quick96_is_what_it_always_was():
    plan = swap_config(Quick96Options())
    assert (plan.src_samples.resolution, plan.src_samples.face_type) == (96, FaceType.FULL)
    assert plan.src_samples.ranges.scale == 0.05
    assert plan.optimizer == {"is_adabelief": False, "learning_rate": 2e-4, "keep_prob": 0.3, "scales_loss": False}
    assert plan.losses.has_plain_mask
    assert plan.reuses_every == 3
