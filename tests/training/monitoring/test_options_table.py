"""The options at the start of training: a table in groups, with what was changed marked."""

import pytest

from dfl.models.options import AmpOptions, Quick96Options, SaehdOptions, XsegOptions
from dfl.training.monitoring.options_table import GROUPS, options_table

CLASSES = [SaehdOptions, AmpOptions, Quick96Options, XsegOptions]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_option_stands_in_one_group(kind):
    grouped = [name for names in GROUPS.values() for name in names]
    assert len(grouped) == len(set(grouped))
    assert set(kind.model_fields) <= set(grouped)


def test_no_group_names_an_option_that_is_gone():
    known = {name for kind in CLASSES for name in kind.model_fields}
    assert {name for names in GROUPS.values() for name in names} <= known


def test_what_was_changed_is_marked_and_what_is_off_is_left_out():
    options = SaehdOptions(resolution=224, batch_size=8, clipgrad=True, random_warp=False, session_name="finer mouth")
    lines = options_table(SaehdOptions, options.model_dump())
    assert lines == [
        "Model     resolution 224*, face_type f, archi liae-ud, ae_dims 256, e_dims 64, d_dims 64, d_mask_dims 22",
        "Training  target_iter 0, batch_size 8*, learning_rate 5e-05, adabelief on, clipgrad on*, precision float32",
        "Data      random_dst_flip on, random_warp off*, warp_maps original*",
        "Loss      loss_function SSIM, masked_training on",
        "GAN       gan_power 0, gan_patch_size 16*",
        "Saving    autobackup_hour 1, session_name finer mouth*",
        "Preview   write_preview_history off",
    ]


def test_a_gan_that_is_on_tells_what_was_chosen_of_it():
    options = SaehdOptions(gan_power=0.1, gan_dims=32)
    assert "GAN       gan_power 0.1*, gan_patch_size 16, gan_dims 32*" in options_table(
        SaehdOptions, options.model_dump()
    )


@pytest.mark.parametrize("kind", CLASSES)
def test_defaults_carry_no_mark_and_lines_fit_a_window(kind):
    defaults = {name: kind.default_of(name, {}) for name in kind.model_fields}
    lines = options_table(kind, defaults)
    assert not any("*" in line for line in lines)
    everything = {name: (not value if isinstance(value, bool) else value) for name, value in defaults.items()}
    assert all(len(line) <= 115 for line in options_table(kind, everything))
