"""What a model is made of and trained with, declared once; stored with every saved set. Nothing heavy is imported."""

from typing import Any, ClassVar, Literal

from dfl.base.errors import UserError
from dfl.base.options import Options, option
from dfl.imaging.transfers import TrainingTransfer

SwapClass = Literal["SAEHD", "AMP", "Quick96"]
ModelClass = Literal["SAEHD", "AMP", "Quick96", "XSeg"]
FaceLetter = Literal["h", "mf", "f", "wf", "head"]
FACE_HELP = "Part of the head that is swapped: half, mid-full, full, whole face or head; the faceset must hold as much."


# The original's order of questions.
_FIRST = (
    "autobackup_hour",
    "write_preview_history",
    "target_iter",
    "random_src_flip",
    "random_dst_flip",
    "batch_size",
    "resolution",
    "face_type",
)


class ModelOptions(Options):
    """What every kind of model has."""

    target_iter: int = option(0, "Stop at this iteration; 0 trains until you stop.", ask="Target iteration", minimum=0)
    batch_size: int = option(
        4,
        "Faces of each side a step; more is steadier and needs more memory.",
        ask="Batch_size",
        minimum=1,
        maximum=512,
    )
    autobackup_hour: int = option(
        1,
        "Keep a backup every so many hours, in folders 01 (the newest) to 24; 0 keeps none.",
        ask="Autobackup every N hour",
        minimum=0,
        maximum=24,
    )
    write_preview_history: bool = option(False, "Keep preview pictures of the way.", ask="Write preview history")
    precision: Literal["float32", "bfloat16", "float16"] = option(
        "float32",
        "Numbers that convolutions are computed with; weights stay float32. bfloat16 is faster on processors and cards "
        "that have it, float16 on older cards.",
    )
    recompute: bool = option(
        False, "Compute activations again in the backward pass instead of keeping them: less memory, a third slower."
    )
    session_name: str = option("", "Your word for this stretch of training; backups are listed with it.")


class SwapOptions(ModelOptions):
    """What models that swap faces have in common."""

    random_src_flip: bool = option(False, "Mirror src faces at random.", ask="Flip SRC faces randomly")
    random_dst_flip: bool = option(True, "Mirror dst faces at random.", ask="Flip DST faces randomly")


class TrainedSwapOptions(SwapOptions):
    """What SAEHD and AMP let the user choose of their training, all of it changeable later."""

    uniform_yaw: bool = option(
        False, "Draw faces evenly over how far they turn.", ask="Uniform yaw distribution of samples"
    )
    blur_out_mask: bool = option(False, "Smooth the picture around the mask before learning it.", ask="Blur out mask")
    lr_dropout: Literal["n", "y", "cpu"] = option(
        "n",
        "Move a random third of the weights in every step, with a rate that swings: sharper after long training.",
        ask="Use learning rate dropout",
    )
    learning_rate: float = option(
        5e-5,
        "How far a step goes; 2e-4 learns faster on small models, higher breaks down more easily.",
        ask="Learning rate",
        minimum=1e-7,
        maximum=1e-2,
    )
    lr_cos: int = option(
        0, "Let the rate swing between full and nothing, once in so many iterations; 0 does not.", minimum=0
    )
    random_warp: bool = option(
        True, "Warp what the network sees; switch off late in training for detail.", ask="Enable random warp of samples"
    )
    random_hsv_power: float = option(
        0.0,
        "How far hue, saturation and brightness of src's input change at random: steadier colours in the result.",
        ask="Random hue/saturation/light intensity",
        minimum=0,
        maximum=0.3,
    )
    random_blur: bool = option(False, "Blur inputs at random, for sources of unlike sharpness.")
    random_noise: bool = option(False, "Add noise to inputs at random.")
    random_jpeg: bool = option(False, "Compress inputs as JPEG at random.")
    random_shadow: Literal["none", "src", "dst", "all"] = option("none", "Lay shadows over inputs at random.")
    random_downsample: bool = option(False, "Make inputs small and large again at random.")
    retrain_high_loss: bool = option(False, "Draw faces again that the model does badly.")
    loss_function: Literal["SSIM", "MS-SSIM", "MS-SSIM+L1"] = option(
        "SSIM", "How pictures are compared; SSIM is the original's way."
    )
    eyes_prio: float = option(0.0, "Priority of the eyes alone, 0 to 300 and more.", minimum=0, maximum=3000)
    mouth_prio: float = option(0.0, "Priority of the mouth alone, 0 to 300 and more.", minimum=0, maximum=3000)
    gan_power: float = option(
        0.0,
        "Fine detail by a network that tells real from made faces; late in training, 0.1, random warp off.",
        ask="GAN power",
        minimum=0,
        maximum=5,
    )
    gan_patch_size: int = option(
        16, "Side of the patches it looks at, pixels; an eighth of the resolution by default.", minimum=3, maximum=640
    )
    gan_dims: int = option(16, "Width of that network.", minimum=4, maximum=512)
    gan_smoothing: float = option(0.0, "It learns to be so much less than sure of real faces.", minimum=0, maximum=0.5)
    gan_noise: float = option(0.0, "Share of its labels that are wrong on purpose.", minimum=0, maximum=0.5)
    ct_mode: TrainingTransfer = option(
        "none", "Give src's faces the colours of dst's faces, by this method.", ask="Color transfer for src faceset"
    )
    clipgrad: bool = option(
        False, "Clip gradients: fewer collapses, slightly slower learning.", ask="Enable gradient clipping"
    )

    @classmethod
    def default_of(cls, name: str, known: dict[str, Any]) -> Any:
        """As declared; the mask branch is a third as wide as the decoder, even, at least 16, as in the original."""
        if name == "d_mask_dims":
            third = int(known.get("d_dims", cls.model_fields["d_dims"].default)) // 3
            return max(16, third + third % 2)
        if name == "gan_patch_size":
            return max(3, int(known.get("resolution", cls.model_fields["resolution"].default)) // 8)
        return super().default_of(name, known)


class SaehdOptions(TrainedSwapOptions):
    """SAEHD, with the original's names, ranges and order of questions."""

    first_questions: ClassVar[tuple[str, ...]] = (
        *_FIRST,
        *("archi", "ae_dims", "e_dims", "d_dims", "d_mask_dims", "masked_training", "eyes_mouth_prio", "uniform_yaw"),
        *("blur_out_mask", "adabelief", "lr_dropout", "learning_rate", "random_warp", "random_hsv_power", "gan_power"),
        *("true_face_power", "face_style_power", "bg_style_power", "ct_mode", "clipgrad", "pretrain"),
    )

    resolution: int = option(
        128,
        "Side of the swapped picture in pixels; a multiple of 16, of 32 with the letters d or t.",
        ask="Resolution",
        fixed=True,
        minimum=32,
        maximum=2048,
    )
    face_type: FaceLetter = option("f", FACE_HELP, ask="Face type", fixed=True)
    archi: str = option(
        "liae-ud",
        "df keeps more of src, liae follows dst's shape and light; letters u, d, t, c.",
        ask="AE architecture",
        fixed=True,
    )
    ae_dims: int = option(
        256,
        "Numbers of the code between encoder and decoder.",
        ask="AutoEncoder dimensions",
        fixed=True,
        minimum=1,
        maximum=4096,
    )
    e_dims: int = option(64, "Width of the encoder.", ask="Encoder dimensions", fixed=True, minimum=1, maximum=1024)
    d_dims: int = option(64, "Width of the decoder.", ask="Decoder dimensions", fixed=True, minimum=1, maximum=1024)
    d_mask_dims: int = option(
        22, "Width of the decoder's mask branch.", ask="Decoder mask dimensions", fixed=True, minimum=1, maximum=1024
    )
    masked_training: bool = option(
        True, "Learn inside the face mask only.", ask="Masked training", only_if={"face_type": ("wf", "head")}
    )
    eyes_mouth_prio: bool = option(False, "Learn eyes and mouth with priority.", ask="Eyes and mouth priority")
    adabelief: bool = option(True, "AdaBelief as optimizer; off: RMSprop.", ask="Use AdaBelief optimizer")
    true_face_power: float = option(
        0.0,
        "Push src towards dst's expressions by a second network; df only, about 0.01.",
        ask="True face power",
        minimum=0,
        maximum=1,
    )
    face_style_power: float = option(
        0.0,
        "Let the swap take dst's colours, 0.001 and more; watch the preview.",
        ask="Face style power",
        minimum=0,
        maximum=100,
    )
    bg_style_power: float = option(
        0.0,
        "Let the swap keep dst's surroundings, 2 and more; watch the preview.",
        ask="Background style power",
        minimum=0,
        maximum=100,
    )
    pretrain: bool = option(
        False,
        "Learn faces in general from a folder of many people (--pretraining-faces) before the two.",
        ask="Enable pretraining mode",
    )

    def model_post_init(self, _: Any, /) -> None:
        """Refuse what cannot work, with the reason."""
        kind, _, letters = self.archi.lower().partition("-")
        multiple = 32 if {"d", "t"} & set(letters) else 16
        if kind not in ("df", "liae") or set(letters) - set("udtc") or (self.archi.endswith("-")):
            raise UserError(
                f"{self.archi} is no architecture.", "Expected df or liae, with letters of u, d, t, c: liae-ud."
            )
        if self.resolution % multiple:
            lower = max(multiple, self.resolution // multiple * multiple)
            raise UserError(
                f"A resolution of {self.resolution} does not fit {self.archi}: expected a multiple of {multiple}.",
                f"Use {lower} or {lower + multiple}.",
            )
        if self.true_face_power and kind != "df":
            raise UserError(
                f"True face needs one code for both people, which {self.archi} has not.",
                "Use --true-face-power 0, or a df architecture in a new model.",
            )
        _check_gan(self.gan_power, self.gan_patch_size, self.resolution)


class AmpOptions(TrainedSwapOptions):
    """AMP, with the original's names, ranges and order of questions."""

    first_questions: ClassVar[tuple[str, ...]] = (
        *_FIRST,
        *("ae_dims", "inter_dims", "e_dims", "d_dims", "d_mask_dims", "morph_factor"),
    )

    resolution: int = option(
        224,
        "Side of the swapped picture in pixels; a multiple of 32.",
        ask="Resolution",
        fixed=True,
        minimum=32,
        maximum=2048,
    )
    face_type: Literal["f", "wf", "head"] = option("wf", FACE_HELP, ask="Face type", fixed=True)
    ae_dims: int = option(
        256, "Numbers of the code.", ask="AutoEncoder dimensions", fixed=True, minimum=1, maximum=4096
    )
    inter_dims: int = option(
        1024,
        "Channels that are mixed between the people; at least ae_dims.",
        ask="Inter dimensions",
        fixed=True,
        minimum=1,
        maximum=8192,
    )
    e_dims: int = option(64, "Width of the encoder.", ask="Encoder dimensions", fixed=True, minimum=1, maximum=1024)
    d_dims: int = option(64, "Width of the decoder.", ask="Decoder dimensions", fixed=True, minimum=1, maximum=1024)
    d_mask_dims: int = option(
        22, "Width of the decoder's mask branch.", ask="Decoder mask dimensions", fixed=True, minimum=1, maximum=1024
    )
    morph_factor: float = option(
        0.5,
        "Share of src's channels in training; the usual 0.5.",
        ask="Morph factor",
        fixed=True,
        minimum=0.1,
        maximum=0.5,
    )
    train_inter: bool = option(
        True,
        "Train the two networks between encoder and decoder as well; off: they stay at their random start, as in the "
        "original.",
        fixed=True,
    )

    def model_post_init(self, _: Any, /) -> None:
        """Refuse what cannot work, with the reason."""
        if self.resolution % 32:
            lower = max(32, self.resolution // 32 * 32)
            raise UserError(
                f"A resolution of {self.resolution} does not fit AMP: expected a multiple of 32.",
                f"Use {lower} or {lower + 32}.",
            )
        _check_gan(self.gan_power, self.gan_patch_size, self.resolution)


class XsegOptions(ModelOptions):
    """XSeg, which learns masks of 256 pixels from polygons that the user has drawn."""

    face_type: FaceLetter = option("wf", FACE_HELP, ask="Face type", fixed=True)
    pretrain: bool = option(
        False,
        "Learn faces in general from a folder of many people (--pretraining-faces) before the masks.",
        ask="Enable pretraining mode",
    )


class Quick96Options(SwapOptions):
    """Quick96 asks nothing: 96 pixels, full face, df-ud, made for a first look."""


# What Quick96 is: fixed in the original.
QUICK96: dict[str, Any] = {
    "resolution": 96,
    "face_type": "f",
    "archi": "df-ud",
    "ae_dims": 128,
    "e_dims": 64,
    "d_dims": 64,
    "d_mask_dims": 16,
    "adabelief": False,
}


# What every XSeg is: fixed in the original.
XSEG_SIZE: dict[str, Any] = {"base": 32, "resolution": 256}


def _check_gan(power: float, patch_size: int, resolution: int) -> None:
    if not power:
        return
    from dfl.nets.patch_size import patch_multiple

    multiple = patch_multiple(patch_size)
    if resolution % multiple:
        raise UserError(
            f"A GAN patch size of {patch_size} needs a resolution that is a multiple of {multiple}, {resolution} is "
            "not.",
            f"Choose a smaller patch size: --gan-patch-size {max(3, resolution // 8)}.",
        )


_NAMED = {"action": ("rename", "delete", "restore")}


class ModelsOptions(Options):
    """What to do with saved models."""

    action: Literal["list", "rename", "delete", "restore"] = option(
        "list",
        "list; rename; delete (moves it to model_trash); restore (puts a backup back as the model's newest set).",
        ask="What to do with models",
        argument=True,
    )
    name: str = option(
        "", "Name of the model; may be left out when there is only one.", ask="Model name", only_if=_NAMED
    )
    model: ModelClass | None = option(None, "Its class, if several models have that name.")
    new_name: str = option("", "rename: the new name.", ask="New name", only_if={"action": ("rename",)})
    backup: int = option(
        1,
        "restore: the number of the backup, 1 is the newest.",
        ask="Number of the backup",
        only_if={"action": ("restore",)},
        minimum=1,
        maximum=24,
    )
    yes: bool = option(False, "Do it without asking.")
    ask: bool = option(False, "Put the questions.")
