"""Table of a model's options at the start of a run: in groups, values other than the defaults marked."""

import textwrap
from typing import Any

from dfl.models.options import ModelOptions

MARK = "*"
_WIDTH = 100
_GLUE = "\0"  # stands for a space between a name and its value, where no line is broken
# Every option is in one group; a test checks that none is missing.
GROUPS: dict[str, tuple[str, ...]] = {
    "Model": (
        *("resolution", "face_type", "archi", "ae_dims", "inter_dims", "e_dims", "d_dims", "d_mask_dims"),
        *("morph_factor", "train_inter", "src_src", "pretrain"),
    ),
    "Training": (
        *("target_iter", "batch_size", "learning_rate", "lr_dropout", "lr_cos", "adabelief", "bias_correction"),
        *("clipgrad", "retrain_high_loss", "precision", "recompute"),
    ),
    "Data": (
        *(
            "random_src_flip",
            "random_dst_flip",
            "random_warp",
            "warp_maps",
            "uniform_yaw",
            "ct_mode",
            "random_hsv_power",
        ),
        *("random_blur", "random_noise", "random_jpeg", "random_shadow", "random_downsample"),
    ),
    "Loss": (
        *("loss_function", "masked_training", "eyes_mouth_prio", "eyes_prio", "mouth_prio", "blur_out_mask"),
        *("true_face_power", "face_style_power", "bg_style_power"),
    ),
    "GAN": ("gan_power", "gan_patch_size", "gan_dims", "gan_smoothing", "gan_noise"),
    "Saving": ("autobackup_hour", "session_name"),
    "Preview": ("write_preview_history", "preview_faces"),
}

# Listed even where they are 0 or off.
_ALWAYS = ("target_iter", "autobackup_hour", "write_preview_history", "gan_power")
_OF_A_GAN = tuple(name for name in GROUPS["GAN"] if name != "gan_power")


def options_table(kind: type[ModelOptions], options: dict[str, Any]) -> list[str]:
    """One line or more for each group. Options that are off, and those of a GAN that is off, are left out unless they
    were changed."""
    width = max(map(len, GROUPS)) + 2
    lines = []
    for group, names in GROUPS.items():
        cells = [cell for name in names if name in kind.model_fields and (cell := _cell(kind, options, name))]
        wrapped = textwrap.wrap(", ".join(cells), _WIDTH, break_long_words=False, break_on_hyphens=False)
        lines += [
            f"{group if number == 0 else '':<{width}}{line}".replace(_GLUE, " ") for number, line in enumerate(wrapped)
        ]
    return lines


def _cell(kind: type[ModelOptions], options: dict[str, Any], name: str) -> str:
    """`name value`, marked where the value is not the default; empty for options that are left out."""
    value, default = options.get(name, kind.model_fields[name].default), kind.default_of(name, options)
    is_changed = value != default
    is_off = value in (False, 0, "", "none", "n") and name not in _ALWAYS
    if not is_changed and (is_off or (name in _OF_A_GAN and not options.get("gan_power"))):
        return ""
    shown = {True: "on", False: "off"}.get(value) if isinstance(value, bool) else value
    shown = f"{value:g}" if isinstance(value, float) else shown
    return f"{name} {shown}{MARK if is_changed else ''}".replace(" ", _GLUE)
